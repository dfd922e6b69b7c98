"""The broker's configuration and users, held against a real server."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import redis

from splitleaf.processes.backup import back_up
from splitleaf.settings import Settings
from tests.production.broker import Broker
from tests.support.pictures import jpeg
from tests.system.running import RunningSystem

pytestmark = pytest.mark.slow


def test_a_whole_system_works_with_the_commands_it_is_allowed(system: RunningSystem) -> None:
    with httpx.Client(base_url=system.url, timeout=30) as client:
        made = client.post("/predict", content=jpeg(), headers={"Content-Type": "image/jpeg"})
        assert made.status_code == 200, made.text
        waiting = client.post("/v1/predictions", content=jpeg(), headers={"Idempotency-Key": "one"}).json()
        assert client.get(waiting["links"]["self"], params={"wait": 10}).json()["status"] == "succeeded"
        assert client.delete(waiting["links"]["self"]).status_code == 200
        assert client.post(waiting["links"]["feedback"], json={"correct": True}).status_code == 201
    with system.admin() as admin:
        assert admin.get("/dead-letters", params={"version": "v1"}).status_code == 200
        assert admin.get("/queue").status_code == 200
    refused = [line for line in (system.data / "up.log").read_text().splitlines() if "NOPERM" in line]
    assert refused == []


def test_a_backup_wants_no_more_than_that(broker: Broker, system: RunningSystem, tmp_path: Path) -> None:
    with httpx.Client(base_url=system.url, timeout=30) as client:
        assert client.post("/predict", content=jpeg(), headers={"Content-Type": "image/jpeg"}).status_code == 200
    settings = Settings(models_dir=system.models, data_dir=system.data, redis_url=broker.url)
    path, account = back_up(settings, tmp_path)
    assert (path.exists(), account.models) == (True, ["v1"])


def test_the_services_may_not_look_at_or_change_the_server(broker: Broker) -> None:
    with redis.Redis.from_url(broker.url) as client:
        for command in (
            "CONFIG GET *",
            "FLUSHALL",
            "KEYS *",
            "ACL LIST",
            "SHUTDOWN",
            "SAVE",
            "MONITOR",
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command.split())


def test_who_has_no_password_gets_nothing(broker: Broker) -> None:
    address = broker.health_url.rsplit("@", 1)[1]
    with redis.Redis.from_url(f"redis://{address}") as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()


def test_the_health_check_may_do_nothing_else(broker: Broker) -> None:
    with redis.Redis.from_url(broker.health_url) as client:
        assert client.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.get("anything")


def test_nothing_accepted_is_thrown_away(broker: Broker) -> None:
    with redis.Redis.from_url(broker.url) as client:
        facts = client.info()
    assert facts["aof_enabled"] == 1
    assert facts["maxmemory_policy"] == "noeviction"
    assert facts["maxmemory"] > 0
