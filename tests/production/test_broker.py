"""The broker's configuration and users, held against a real server."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from splitleaf.api.security.sessions import SESSION_HEADER
from splitleaf.backup.backup import back_up
from splitleaf.core.prediction import PredictionStatus
from splitleaf.jobs.redis import RedisJobConsumer, RedisJobQueue
from splitleaf.settings import Settings
from tests.experiments.plans import RAMP, table
from tests.jobs.tasks import classified, task
from tests.production.broker import Broker, start_broker
from tests.support.images import jpeg
from tests.support.repositories import add_version
from tests.support.server_programs import find_server
from tests.system.running import RunningSystem, start_system

pytestmark = pytest.mark.slow

WHY = {"reason": "to find out"}


@pytest.fixture
def busy_system(tmp_path: Path) -> Iterator[RunningSystem]:
    """Two versions, limits of one client, kept images: all that goes to the broker beside plain predictions."""
    broker = start_broker(tmp_path / "broker")
    for version in ("v1", "v2"):
        add_version(tmp_path / "models", version)
    settings = {
        "SPLITLEAF_REDIS_URL": broker.url,
        "SPLITLEAF_LIMITS__PER_ADDRESS": "1000",
        "SPLITLEAF_LIMITS__PER_KEY": "1000",
        "SPLITLEAF_RETENTION__ENABLED": "true",
    }
    try:
        running = start_system(tmp_path / "models", tmp_path / "data", **settings)
        yield running
        running.stop()
    finally:
        broker.stop()


def test_limits_sessions_experiments_and_review_want_no_more_than_that(busy_system: RunningSystem) -> None:
    session = {SESSION_HEADER: "1"}
    with busy_system.admin() as admin, httpx.Client(base_url=f"{busy_system.url}/admin/api", timeout=30) as browser:
        login = browser.post("/session", json={"key": busy_system.admin_key.strip()}, headers=session)
        assert login.status_code == 200, login.text
        plan = table(key="leaf", ramp=RAMP, guardrails=[{"metric": "error_rate"}], shadows=[{"version": "v2"}])
        for path, body in (("", {"plan": plan}), ("/leaf/start", {}), ("/leaf/ramp", {"stage": 1})):
            done = admin.post(f"/experiments{path}", json={**WHY, **body})
            assert done.is_success, done.text
        with httpx.Client(base_url=busy_system.url, timeout=30) as client:
            for number in range(6):
                headers = {"Prefer": "wait=20", "Splitleaf-Unit": f"visitor-{number}"}
                made = client.post("/v1/predictions", content=jpeg(), headers=headers)
                assert (made.status_code, "RateLimit" in made.headers) == (200, True), made.text
        give_up_at = time.monotonic() + 20
        while not (watched := admin.get("/experiments/leaf/control").json()["watch"]):
            assert time.monotonic() < give_up_at, "nobody watches the experiment"
            time.sleep(0.05)
        assert watched
        assert browser.post("/review/next", json={}, headers=session).status_code == 200
        for path in ("/control", "/workers", "/traffic", "/queue", "/session"):
            assert browser.get(path).status_code == 200, path
        assert admin.post("/experiments/leaf/rollback", json=WHY).is_success
    busy_system.stop()
    assert refusals(busy_system) == []


def refusals(system: RunningSystem) -> list[str]:
    """Return what a process said of a command that it may not give."""
    return [line for line in (system.data / "up.log").read_text().splitlines() if "NOPERM" in line]


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
    assert refusals(system) == []


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


@pytest.mark.parametrize("server", ["packaged", "valkey-server", "redis-server"])
async def test_what_was_accepted_and_what_was_answered_outlive_a_restart(server: str, tmp_path: Path) -> None:
    """Scripts write in transactions, which some servers drop from the log where the default user has no permissions."""
    program = str(find_server()) if server == "packaged" else shutil.which(server)
    if program is None:
        pytest.skip(f"there is no {server} on this machine")
    before = start_broker(tmp_path, program)
    queue, worker = RedisJobQueue(before.url), RedisJobConsumer(before.url)
    answered, waiting = task(), task()
    await queue.submit(answered)
    await worker.finish([classified(claim) for claim in await worker.take({"v1": 1}, 1000)])
    await queue.submit(waiting)
    await worker.close()
    await queue.close()
    before.stop()

    after = start_broker(tmp_path, program)
    queue, worker = RedisJobQueue(after.url), RedisJobConsumer(after.url)
    try:
        states = await queue.states([answered.id, waiting.id])
        assert [state and state.status for state in states] == [PredictionStatus.SUCCEEDED, PredictionStatus.QUEUED]
        assert [claim.task_id for claim in await worker.take({"v1": 1}, 1000)] == [waiting.id]
    finally:
        await worker.close()
        await queue.close()
        after.stop()


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
