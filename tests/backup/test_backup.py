"""A backup and its way back, with real brokers and databases: nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import os
import tarfile
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from splitleaf.backup import archive_file
from splitleaf.backup.backup import back_up, restore
from splitleaf.core.errors import Conflict, DependencyDown, InvalidArtifact
from splitleaf.core.prediction import PredictionStatus
from splitleaf.flows.record_outcomes import Recorder
from splitleaf.installation.broker import reached_broker
from splitleaf.installation.store import new_store
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.queue import SubmitOutcome, Task
from splitleaf.jobs.redis import RedisDeadLetters, RedisJobConsumer, RedisJobQueue, RedisOutcomeFeed
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.settings import Settings
from tests.jobs.tasks import classified, task
from tests.outcomes.facts import outcome
from tests.support.repositories import add_version

ONE_DEATH = QueueLimits(lease_ms=60, max_deliveries=1)


def installation(folder: Path) -> Settings:
    return Settings(models_dir=folder / "models", data_dir=folder / "data")


@asynccontextmanager
async def queue_of(settings: Settings, limits: QueueLimits | None = None) -> AsyncIterator[RedisJobQueue]:
    async with reached_broker(settings) as url:
        queue = RedisJobQueue(url, limits)
        yield queue
        await queue.close()


async def submit(queue: RedisJobQueue, tasks: Sequence[Task]) -> None:
    for one in tasks:
        assert await queue.submit(one) is SubmitOutcome.ACCEPTED


async def round_trip(source: Settings, target: Settings, folder: Path) -> None:
    path, _ = await asyncio.to_thread(back_up, source, folder)
    await asyncio.to_thread(restore, target, path)


@pytest.fixture
def source(tmp_path: Path) -> Settings:
    made = installation(tmp_path / "source")
    add_version(made.models_dir, "v1")
    (made.models_dir / "repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")
    return made


@pytest.fixture
def target(tmp_path: Path) -> Settings:
    return installation(tmp_path / "target")


async def test_accepted_work_reaches_its_end_in_the_new_installation(
    source: Settings, target: Settings, tmp_path: Path
) -> None:
    waiting, in_hand, final, dead = [task(), task(side=200)], task(), task(), task(side=200)
    async with queue_of(source, ONE_DEATH) as queue:
        consumer = RedisJobConsumer(queue.broker.client._url, ONE_DEATH)
        await submit(queue, [dead])
        await consumer.take({"v1": 1}, 500)
        await asyncio.sleep(0.09)
        await queue.broker.look_after("v1")
        await submit(queue, [final])
        (claim,) = await consumer.take({"v1": 1}, 500)
        await consumer.finish([classified(claim)])
        await submit(queue, [in_hand])
        await consumer.take({"v1": 1}, 500)
        await submit(queue, waiting)
        await consumer.close()
    await round_trip(source, target, tmp_path)
    store = new_store(target)
    recorded = {one.prediction_id: one.status for one in store.outcomes_after(0, 100)}
    store.close()
    assert recorded == {final.id: "succeeded", dead.id: "failed"}
    async with queue_of(target) as queue:
        consumer = RedisJobConsumer(queue.broker.client._url)
        claims = await consumer.take({"v1": 8}, 2000)
        assert {claim.task_id: bytes(claim.tensor.data) for claim in claims} == {
            one.id: one.tensor.data for one in (*waiting, in_hand)
        }
        await consumer.finish([classified(claim) for claim in claims])
        state = await queue.state(in_hand.id)
        assert state is not None
        assert (state.status, state.context) == (PredictionStatus.SUCCEEDED, in_hand.context)
        letters = RedisDeadLetters(queue)
        (letter,) = await letters.list("v1", 10)
        assert letter.task_id == dead.id
        await letters.retry("v1", letter.token)
        (claim,) = await consumer.take({"v1": 8}, 2000)
        assert bytes(claim.tensor.data) == dead.tensor.data
        await consumer.close()


async def test_models_database_and_secret_come_along(source: Settings, target: Settings, tmp_path: Path) -> None:
    store = new_store(source)
    store.migrate()
    fact = outcome()
    store.record_outcomes([fact])
    store.move_alias("champion", "v1", expected=None, actor="ann", reason="first", now_ms=1)
    store.close()
    path, account = await asyncio.to_thread(back_up, source, tmp_path)
    assert (path.stat().st_mode & 0o777, account.rows, account.models) == (0o600, 3, ["v1"])
    put_back = await asyncio.to_thread(restore, target, path)
    assert (put_back.rows, put_back.models, put_back.notes) == (3, ["v1"], [])
    restored = new_store(target)
    assert (restored.outcome(fact.prediction_id), restored.aliases()) == (fact, {"champion": "v1"})
    restored.close()
    for name in ("data/secret.key", "models/v1/artifact/model.onnx", "models/v1/model.toml", "models/repository.toml"):
        assert (tmp_path / "target" / name).read_bytes() == (tmp_path / "source" / name).read_bytes()
    assert (target.data_dir / "secret.key").stat().st_mode & 0o077 == 0


async def test_nothing_slips_through_while_work_moves_on(source: Settings, target: Settings, tmp_path: Path) -> None:
    accepted: list[str] = []
    async with reached_broker(source) as url:
        running = source.model_copy(update={"redis_url": url})
        queue, consumer, feed = RedisJobQueue(url), RedisJobConsumer(url), RedisOutcomeFeed(url)
        store = new_store(running)
        recorder = Recorder(feed, store)
        stop = asyncio.Event()

        async def serve() -> None:
            while not stop.is_set():
                await consumer.finish([classified(claim) for claim in await consumer.take({"v1": 3}, 20)])

        async def send() -> None:
            while not stop.is_set():
                one = task()
                await queue.submit(one)
                accepted.append(one.id)
                await asyncio.sleep(0.001)

        beside = [asyncio.create_task(one) for one in (serve(), send(), recorder.run(stop))]
        async with asyncio.timeout(30):
            while not store_has(store, 50):
                await asyncio.sleep(0.01)
        before = list(accepted)
        path, _ = await asyncio.to_thread(back_up, running, tmp_path)
        stop.set()
        await asyncio.gather(*beside)
        for part in (consumer, feed, queue):
            await part.close()
        store.close()
    await asyncio.to_thread(restore, target, path)
    restored = new_store(target)
    recorded = [one.prediction_id for one in restored.outcomes_after(0, 100_000)]
    restored.close()
    async with queue_of(target) as queue:
        consumer, waiting = RedisJobConsumer(queue.broker.client._url), []
        while claims := await consumer.take({"v1": 1000}, 100):
            waiting += [claim.task_id for claim in claims]
        await consumer.close()
    everything = [*recorded, *waiting]
    assert len(everything) == len(set(everything)), "an image would be answered twice"
    assert set(before) <= set(everything)


def store_has(store: OutcomeStore, count: int) -> bool:
    try:
        return sum(store.count_by_status().values()) >= count
    except DependencyDown:
        return False  # not migrated yet


async def test_a_damaged_backup_changes_nothing(source: Settings, target: Settings, tmp_path: Path) -> None:
    path, _ = await asyncio.to_thread(back_up, source, tmp_path)
    with tarfile.open(path) as tar:
        place = tar.getmember("rows.gz").offset_data
    whole = path.read_bytes()
    spoilt = bytearray(whole)
    spoilt[place + 4] ^= 1
    path.write_bytes(spoilt)
    with pytest.raises(InvalidArtifact, match=r"rows\.gz") as refused:
        await asyncio.to_thread(restore, target, path)
    assert refused.value.error_code == "invalid_backup"
    assert not target.data_dir.exists()
    with tarfile.open(path) as tar:
        place = tar.getmember("models/v1/model.toml").offset_data
    spoilt = bytearray(whole)
    spoilt[place + 4] ^= 1
    path.write_bytes(spoilt)
    with pytest.raises(InvalidArtifact, match=r"model\.toml"):
        await asyncio.to_thread(restore, target, path)
    for wrong in (b"", b"no tar at all", path.read_bytes()[:2000]):
        path.write_bytes(wrong)
        with pytest.raises(InvalidArtifact):
            await asyncio.to_thread(restore, target, path)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".splitleaf")]


async def test_a_backup_is_not_mixed_with_what_is_there(source: Settings, tmp_path: Path) -> None:
    store = new_store(source)
    store.migrate()
    store.record_outcomes([outcome()])
    store.close()
    path, _ = await asyncio.to_thread(back_up, source, tmp_path)
    with pytest.raises(Conflict) as refused:
        await asyncio.to_thread(restore, source, path)
    assert refused.value.error_code == "not_empty"
    busy = installation(tmp_path / "busy")
    async with queue_of(busy) as queue:
        await submit(queue, [task()])
    with pytest.raises(Conflict, match="the broker contains work"):
        await asyncio.to_thread(restore, busy, path)


async def test_versions_that_are_there_are_left_alone(source: Settings, target: Settings, tmp_path: Path) -> None:
    path, _ = await asyncio.to_thread(back_up, source, tmp_path)
    add_version(target.models_dir, "v1", temperature=2.0)
    mine = (target.models_dir / "v1/model.toml").read_bytes()
    account = await asyncio.to_thread(restore, target, path)
    assert account.models == []
    assert "exists already" in account.notes[0]
    assert (target.models_dir / "v1/model.toml").read_bytes() == mine


async def test_without_models_there_are_none(source: Settings, tmp_path: Path) -> None:
    path, account = await asyncio.to_thread(lambda: back_up(source, tmp_path / "small.tar", with_models=False))
    with tarfile.open(path) as tar:
        names = tar.getnames()
        contents = json.loads((tar.extractfile("contents.json") or pytest.fail("no contents")).read())
    assert account.models == contents["models"] == []
    assert names == ["contents.json", "letters.gz", "rows.gz", "secret", "states.gz", "tasks.gz"]


async def test_another_secret_of_the_settings_is_said(source: Settings, target: Settings, tmp_path: Path) -> None:
    path, _ = await asyncio.to_thread(back_up, source, tmp_path)
    given = target.model_copy(update={"secret_file": tmp_path / "secret"})
    (tmp_path / "secret").write_text("another secret, long enough", encoding="ascii")
    account = await asyncio.to_thread(restore, given, path)
    assert "this installation has a different secret" in account.notes[0]


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], *, sign: bool = True) -> Path:
    """Write the backup anew with other members; `sign` gives each one that its table lists its new digest."""
    with tarfile.open(path) as tar:
        members = {one.name: (tar.extractfile(one) or pytest.fail(one.name)).read() for one in tar if one.isreg()}
    change(members)
    contents = json.loads(members.pop("contents.json"))
    for name in [*contents["parts"], *contents["files"]] if sign else ():
        digest = hashlib.sha256(members[name]).hexdigest()
        if name in contents["files"]:
            contents["files"][name] = digest
        else:
            contents["parts"][name]["sha256"] = digest
    made = path.with_name("rewritten.tar")
    with tarfile.open(made, "w") as tar:
        for name, data in {"contents.json": json.dumps(contents).encode(), **members}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return made


async def test_a_file_that_the_table_does_not_list_is_not_restored(
    source: Settings, target: Settings, tmp_path: Path
) -> None:
    path, _ = await asyncio.to_thread(back_up, source, tmp_path)

    def smuggle(members: dict[str, bytes]) -> None:
        members["models/v1/artifact/more.onnx"] = members["models/v7/model.toml"] = b"nobody knows me"

    await asyncio.to_thread(restore, target, rewritten(path, smuggle))
    assert {one.name for one in target.models_dir.iterdir()} == {"v1", "repository.toml"}
    assert not (target.models_dir / "v1/artifact/more.onnx").exists()


async def test_a_file_that_appears_while_a_backup_is_written_is_not_in_it(source: Settings, tmp_path: Path) -> None:
    os.mkfifo(source.models_dir / "v1/waits")
    (source.models_dir / "v1/empty").mkdir()
    path, _ = await asyncio.to_thread(back_up, source, tmp_path)
    with tarfile.open(path) as tar:
        names = set(tar.getnames())
        contents = json.loads((tar.extractfile("contents.json") or pytest.fail("no contents")).read())
    assert names == {"contents.json", *contents["parts"], *contents["files"]}
    assert "models/v1/waits" not in names


@pytest.mark.parametrize(
    ("part", "lines"),
    [
        ("rows.gz", [["no_such_table", {"a": 1}]]),
        ("rows.gz", [["outcomes", {"no_such_column": 1}]]),
        ("rows.gz", [["outcomes"]]),
        ("rows.gz", ["outcomes"]),
        ("tasks.gz", [{"id": "a"}]),
        ("tasks.gz", [[]]),
        ("states.gz", ["{}"]),
        ("letters.gz", [{"version": "v1", "fields": 7, "pixels": None}]),
    ],
)
async def test_records_that_are_none_are_refused(
    source: Settings, target: Settings, tmp_path: Path, part: str, lines: list[object]
) -> None:
    store = new_store(source)
    store.migrate()
    store.close()
    path, _ = await asyncio.to_thread(back_up, source, tmp_path)

    def spoil(members: dict[str, bytes]) -> None:
        members[part] = gzip.compress("".join(json.dumps(one) + "\n" for one in lines).encode())
        contents = json.loads(members["contents.json"])
        contents["parts"][part]["lines"] = len(lines)
        members["contents.json"] = json.dumps(contents).encode()

    with pytest.raises(InvalidArtifact) as refused:
        await asyncio.to_thread(restore, target, rewritten(path, spoil))
    assert refused.value.error_code == "invalid_backup"


async def test_a_line_without_end_is_not_read_to_its_end(
    source: Settings, target: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_file, "MOST_OF_A_LINE", 1_000_000)
    path, _ = await asyncio.to_thread(back_up, source, tmp_path)

    def swell(members: dict[str, bytes]) -> None:
        members["tasks.gz"] = gzip.compress(b'"' + b"a" * 200_000_000 + b'"\n', compresslevel=1)

    made = rewritten(path, swell)
    tracemalloc.start()
    with pytest.raises(InvalidArtifact, match="too long"):
        await asyncio.to_thread(restore, target, made)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


async def test_a_compressed_archive_is_no_backup(source: Settings, target: Settings, tmp_path: Path) -> None:
    path, _ = await asyncio.to_thread(back_up, source, tmp_path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InvalidArtifact):
        await asyncio.to_thread(restore, target, path)


async def test_malformed_records_of_the_broker_hide_no_others_and_are_named(
    source: Settings, target: Settings, tmp_path: Path
) -> None:
    waiting, no_context, no_pixels, final = task(), task(), task(side=200), task()
    letter = ("n", "3", "why", "lease lost", "t", "5", "l", "1", "o", "0", "h", "1,1,1,3,uint8", "p", "rgb", "x", "{}")
    async with queue_of(source) as queue:
        call, consumer = queue.broker.client.call, RedisJobConsumer(queue.broker.client._url)
        await submit(queue, [final])
        await consumer.finish([classified(claim) for claim in await consumer.take({"v1": 1}, 500)])
        await consumer.close()
        names = [
            ("feed", await call("XADD", "{q:v1}:feed", "*", *fields))
            for fields in (("d", "{"), ("d", b"\xff"), ("no", "document"))
        ]
        names += [
            ("dead", await call("XADD", "{q:v1}:dead", "*", *fields))
            for fields in (letter, ("i", "two", "k", "{q:v1}:m", *letter), ("i", "three", b"\xff", "no name"))
        ]
        await call("XADD", "{q:v1}:dead", "*", "i", "four", *letter)
        names += [("s:0", await call("XADD", "{q:v1}:s:0", "*", "x", "y"))]
        await submit(queue, [no_context, no_pixels, waiting])
        for one in (no_context, no_pixels):
            names += [("s:0", await call("HGET", f"{{q:v1}}:t:{one.id}", "e"))]
        await call("HSET", f"{{q:v1}}:t:{no_context.id}", "x", "[")
        place = await call("HGET", f"{{q:v1}}:t:{no_pixels.id}", "k")
        await call("DEL", place)
        await call("RPUSH", place, "pixels")
    path, account = await asyncio.to_thread(back_up, source, tmp_path)
    assert (account.tasks, account.states, account.letters) == (1, 1, 1)
    assert sorted(note.split()[0] for note in account.notes) == sorted(
        f"{{q:v1}}:{key}/{token.decode()}" for key, token in names
    )
    put_back = await asyncio.to_thread(restore, target, path)
    assert (put_back.tasks, put_back.states, put_back.letters) == (1, 1, 1)
