from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from splitleaf.cli import app
from splitleaf.core.access import Scope
from splitleaf.core.clock import SystemClock
from splitleaf.doctor.broker import _of_access
from splitleaf.doctor.diagnosis import diagnose
from splitleaf.doctor.findings import Finding
from splitleaf.flows.manage_keys import create_key
from splitleaf.flows.run_experiment import ChangeRequest
from splitleaf.installation.broker import EMBEDDED_FOLDER
from splitleaf.installation.data_folder import held
from splitleaf.jobs.archive import SavedLetter
from splitleaf.jobs.embedded import EmbeddedBroker
from splitleaf.jobs.queue import WorkerReport
from splitleaf.jobs.redis import RedisJobQueue, RedisWorkArchive, RedisWorkerDirectory
from splitleaf.jobs.redis.client import RedisClient
from splitleaf.outcomes.migrations.run import migrate
from splitleaf.outcomes.sql import SqlOutcomeStore
from splitleaf.outcomes.sql.engine import open_engine
from tests.jobs.conftest import durable_server
from tests.jobs.servers import BrokerServer
from tests.support.repositories import add_version

__all__ = ["durable_server"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SPLITLEAF_API__PORT", str(probe.getsockname()[1]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings() -> dict[str, Finding]:
    return {one.check: one for one in diagnose()}


def test_a_healthy_installation_has_no_problem(place: Path) -> None:
    add_version(place / "models", "v1")
    (place / "models/repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n')
    found = findings()
    assert {one.level for one in found.values()} <= {"ok", "note"}, found
    assert not (place / "data").exists(), "the doctor leaves nothing behind"


def test_no_models_folder_is_a_problem_that_says_how_to_name_one(place: Path) -> None:
    assert "--models" in findings()["models"].detail
    assert findings()["models"].level == "problem"


def test_a_damaged_version_and_a_champion_that_is_not_there_are_problems(place: Path) -> None:
    folder = add_version(place / "models", "v1")
    (folder / "artifact/model.onnx").write_bytes(b"not a network")
    (place / "models/repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v7"\n')
    found = findings()
    assert found["model v1"].level == "problem"
    assert "v7" in found["champion"].detail


@pytest.mark.parametrize(
    ("variable", "value", "check", "words"),
    [
        ("SPLITLEAF_REDIS_URL", "redis://127.0.0.1:1", "broker", "does not answer"),
        ("SPLITLEAF_REDIS_URL", "http://127.0.0.1", "broker", "is invalid"),
        ("SPLITLEAF_DATABASE_URL", "postgresql://127.0.0.1:1/x", "database", "does not answer"),
        ("SPLITLEAF_DATABASE_URL", "mysql://127.0.0.1/x", "database", "must begin with"),
        ("SPLITLEAF_API__PROT", "1", "settings", "SPLITLEAF_API__PROT"),
    ],
)
def test_what_does_not_answer_or_is_misspelt_is_a_problem(  # noqa: PLR0917 - fixtures and a table's row
    place: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, check: str, words: str
) -> None:
    add_version(place / "models", "v1")
    monkeypatch.setenv(variable, value)
    assert findings()[check].level == "problem"
    assert words in findings()[check].detail


def test_a_port_of_another_program_is_told_from_a_running_splitleaf(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SPLITLEAF_API__PORT", str(other.getsockname()[1]))
        assert "another program" in findings()["port"].detail


def test_keys_that_others_can_read_are_a_warning(place: Path) -> None:
    (place / "data").mkdir()
    (place / "data/secret.key").touch(mode=0o644)
    assert findings()["secrets"].level == "warning"
    assert findings()["secrets"].advice == "chmod 600 data/secret.key"


DIGEST = "a" * 64


@pytest.mark.parametrize(
    ("settings", "check", "level", "words"),
    [
        ({"API__HOST": "0.0.0.0"}, "limits", "warning", "nothing limits a single client"),
        ({"API__HOST": "0.0.0.0", "API__FORWARDED_ALLOW_IPS": "10.0.0.7"}, "limits", "note", "only the proxy"),
        ({"API__FORWARDED_ALLOW_IPS": "*"}, "forwarded addresses", "warning", "are trusted"),
        ({"API__FORWARDED_ALLOW_IPS": "10.0.0.7, 0.0.0.0/0"}, "forwarded addresses", "warning", "are trusted"),
        ({"ADMIN_WRITE_KEYS": '["my own key"]'}, "keys", "problem", "not SHA-256"),
        ({"SECRET": "short"}, "secrets", "problem", "at least 16"),
        ({"REDIS_URL": "redis://broker.invalid"}, "broker", "problem", "does not answer"),
    ],
)
def test_what_is_set_wrongly_is_found(  # noqa: PLR0917 - fixtures and a table's row
    place: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], check: str, level: str, words: str
) -> None:
    add_version(place / "models", "v1")
    for name, value in settings.items():
        monkeypatch.setenv(f"SPLITLEAF_{name}", value)
    assert findings()[check].level == level
    assert words in findings()[check].detail
    if level != "ok" and check not in ("broker", "secrets"):
        assert findings()[check].advice


def test_what_is_set_well_is_not_complained_about(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_version(place / "models", "v1")
    for name, value in {
        "API__HOST": "0.0.0.0",
        "LIMITS__PER_ADDRESS": "120",
        "ADMIN_WRITE_KEYS": f'["{DIGEST}"]',
    }.items():
        monkeypatch.setenv(f"SPLITLEAF_{name}", value)
    assert not {"limits", "forwarded addresses", "keys"} & set(findings())


@pytest.fixture
def broker(place: Path, monkeypatch: pytest.MonkeyPatch, durable_server: BrokerServer) -> BrokerServer:
    add_version(place / "models", "v1")
    monkeypatch.setenv("SPLITLEAF_REDIS_URL", durable_server.url)
    return durable_server


def test_a_good_broker_without_workers(broker: BrokerServer) -> None:
    broker.command("CONFIG", "SET", "maxmemory", "100mb")
    found = findings()
    assert (found["broker"].level, found["clock"].level) == ("ok", "ok")
    assert not {"broker memory", "broker durability", "broker access", "dead letters"} & set(found)
    assert found["workers"].level == "problem"


@pytest.mark.parametrize(
    ("words", "check", "level"),
    [
        (("maxmemory-policy", "allkeys-lru"), "broker memory", "problem"),
        (("maxmemory", "0"), "broker memory", "note"),
        (("maxmemory", "2mb"), "broker memory", "warning"),
        (("appendonly", "no"), "broker durability", "warning"),
    ],
)
def test_a_broker_that_may_lose_work_is_found(
    broker: BrokerServer, words: tuple[str, str], check: str, level: str
) -> None:
    if words[0] == "maxmemory" and words[1] != "0":
        broker.command("SET", "ballast", "x" * 1_000_000)
    broker.command("CONFIG", "SET", *words)
    assert (findings()[check].level, bool(findings()[check].advice)) == (level, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("CONFIG", "SET", "requirepass", "hush"), "requires a password, and its URL has none. (NOAUTH"),
        (("ACL", "SETUSER", "default", "-info"), "user lacks permission for a required command. (NOPERM"),
        (("REPLICAOF", "127.0.0.1", "1"), "is a replica and accepts no writes. (READONLY"),
    ],
)
def test_why_a_broker_refuses_is_said_in_plain_words(broker: BrokerServer, words: tuple[str, ...], said: str) -> None:
    broker.command(*words)
    assert said in findings()["broker"].detail


def test_missing_replicas_are_found(broker: BrokerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITLEAF_QUEUE__REPLICAS", "1")
    found = findings()["broker replicas"]
    assert (found.level, "no image is accepted" in found.detail) == ("problem", True)


async def test_a_running_embedded_broker_that_was_made_to_evict_is_found(place: Path) -> None:
    with held(place / "data"):
        embedded = await EmbeddedBroker.start(place / "data" / EMBEDDED_FOLDER)
        client = RedisClient(embedded.url, timeout_s=5)
        await client.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        found = {one.check: one for one in await asyncio.to_thread(diagnose)}
        await client.close()
        await embedded.stop()
    assert found["broker memory"].level == "problem"


def test_a_broker_whose_clock_is_wrong_is_found(broker: BrokerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(SystemClock):
        def now_ms(self) -> int:
            return super().now_ms() - 5_000

    monkeypatch.setattr("splitleaf.doctor.broker.SystemClock", Late)
    assert findings()["clock"].level == "problem"
    assert "+5" in findings()["clock"].detail


def test_a_password_is_asked_for_where_a_network_lies_between() -> None:
    assert [one.check for one in _of_access("redis://broker:6379/0")] == ["broker access"]
    for url in ("redis://user:secret@broker:6379/0", "redis://127.0.0.1:6379", "unix:///run/broker.sock"):
        assert list(_of_access(url)) == []


async def test_a_version_that_fails_and_dead_letters_are_found(broker: BrokerServer) -> None:
    directory, queue = RedisWorkerDirectory(broker.url), RedisJobQueue(broker.url)
    report = WorkerReport("w", "host", 1, 0, {"v1": "ready", "v2": "failed: digests differ"}, {})
    await directory.report(report, ttl_s=60)
    letter = SavedLetter("v1", {"i": b"a" * 26, "n": b"3", "why": b"lease lost", "t": b"1", "p": b""}, None)
    await RedisWorkArchive(queue, 60).put_letter(letter)
    await directory.close()
    await queue.close()
    found = {one.check: one for one in await asyncio.to_thread(diagnose)}
    assert found["workers"].level == "ok"
    assert found["worker of v2"].detail == "failed: digests differ"
    assert (found["dead letters"].level, "1 images" in found["dead letters"].detail) == ("warning", True)


def test_a_database_of_another_release_and_a_champion_that_is_gone(place: Path) -> None:
    add_version(place / "models", "v1")
    url = f"sqlite:///{place / 'data/outcomes.sqlite3'}"
    (place / "data").mkdir(mode=0o700)
    engine = open_engine(url)
    migrate(engine, "0001")
    assert (findings()["database schema"].level, "0001" in findings()["database schema"].detail) == ("warning", True)
    store = SqlOutcomeStore(url)
    store.migrate()
    assert "database schema" not in findings()
    store.move_alias("champion", "v9", expected=None, actor="ann", reason="oops", now_ms=1)
    store.set_aside("a" * 26, "{}", "why", 1)
    create_key(
        store, "anna", Scope.READ, SystemClock().now_ms() + 86_400_000, ChangeRequest("ann", "soon"), SystemClock()
    )
    store.close()
    found = findings()
    assert (found["champion"].level, "v9" in found["champion"].detail) == ("problem", True)
    assert found["records"].level == "warning"
    assert [one.level for name, one in found.items() if name.startswith("key ")] == ["warning"]
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    assert (findings()["database schema"].level, "newer release" in findings()["database schema"].advice) == (
        "problem",
        False,
    )
    assert "newer" in findings()["database schema"].detail


@pytest.mark.parametrize(("free", "level"), [(5e9, "ok"), (5e8, "warning"), (5e7, "problem")])
def test_a_disk_that_is_nearly_full_is_found(
    place: Path, monkeypatch: pytest.MonkeyPatch, free: float, level: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=int(free)))
    assert findings()["disk"].level == level


def test_a_disk_that_takes_nothing_more_is_found_whatever_it_says_is_free(place: Path) -> None:
    url = f"sqlite:///{place / 'elsewhere/outcomes.sqlite3'}"
    (place / "elsewhere").mkdir()
    store = SqlOutcomeStore(url)
    store.migrate()
    store.close()
    environment = {**os.environ, "SPLITLEAF_DATABASE_URL": url}
    for limit, level in (("unlimited", None), ("1000", "problem")):  # blocks of 512 bytes
        command = [
            "/bin/sh",
            "-c",
            f'ulimit -f {limit}; exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "splitleaf",
            "doctor",
            "--json",
        ]
        done = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)
        found = {one["check"]: one["level"] for one in json.loads(done.stdout)}
        assert found.get("database disk") == level, done.stdout
    assert {one.name.removesuffix("-wal").removesuffix("-shm") for one in (place / "elsewhere").iterdir()} <= {
        "outcomes.sqlite3",
        "outcomes.sqlite3.lock",
    }


def test_where_there_is_no_runtime_the_digests_are_looked_at_all_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = add_version(place / "models", "v1")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxruntime" else find_spec(name))
    assert "no runtime is installed" in findings()["model v1"].detail
    (folder / "artifact/model.onnx").write_bytes(b"not a network")
    assert findings()["model v1"].level == "problem"


def test_a_warning_fails_only_where_that_is_asked_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_version(place / "models", "v1")
    monkeypatch.setenv("SPLITLEAF_API__FORWARDED_ALLOW_IPS", "*")
    run = CliRunner().invoke
    assert (run(app, ["doctor"]).exit_code, run(app, ["doctor", "--strict"]).exit_code) == (0, 1)
    said = json.loads(run(app, ["doctor", "--json"]).stdout)
    assert {"check", "level", "detail", "advice"} == set(said[0])
