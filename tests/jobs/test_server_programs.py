"""Which server is started for a folder, whatever else is installed on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from splitleaf.core.errors import ConfigurationError
from splitleaf.jobs import server_programs
from splitleaf.jobs.embedded import EmbeddedBroker
from splitleaf.jobs.redis.client import RedisClient
from splitleaf.jobs.server_programs import NOTE, Release, choose_server, writer_of
from tests.support.server_programs import find_server


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with a Redis 7.0 on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "redis-server"
    program.write_text("#!/bin/sh\necho 'Redis server v=7.0.15 sha=00000000:0 malloc=libc bits=64 build=1'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return program


def snapshot(folder: Path, head: bytes) -> None:
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir/appendonly.aof.1.base.rdb").write_bytes(head)


async def test_a_folder_is_opened_by_the_server_that_wrote_it_also_when_another_was_installed(
    tmp_path: Path, installed: Path
) -> None:
    folder = tmp_path / "broker"
    for expected in (None, b"1"):
        broker = await EmbeddedBroker.start(folder)
        client = RedisClient(broker.url, timeout_s=5)
        try:
            assert await client.call("GET", "accepted") == expected
            await client.call("SET", "accepted", "1")
        finally:
            await client.close()
            await broker.stop()
    assert find_server() != installed
    writer = writer_of(folder)
    assert writer is not None
    assert (folder / NOTE).read_text() == f"{writer}\n"
    # A folder of an older release has no note, but a snapshot, which says the same.
    (folder / NOTE).unlink()
    assert writer_of(folder) == writer


def test_a_folder_that_no_server_here_reads_is_left_alone_and_it_is_said_what_to_do(
    tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_programs, "_bundled_server", lambda: None)
    monkeypatch.setenv("PATH", str(installed.parent))
    snapshot(tmp_path, b"VALKEY080\xfa\x0avalkey-ver\x059.1.2\xfa\x0aredis-bits\xc0\x40")
    with pytest.raises(ConfigurationError) as refused:
        choose_server(tmp_path)
    assert refused.value.error_code == "broker_data_unreadable"
    for said in (str(tmp_path), "written by Valkey 9.1.2", "Redis 7.0.15 cannot read", "Install Valkey 9.1 or newer"):
        assert said in refused.value.detail


def test_a_folder_of_a_redis_that_was_on_the_path_is_read_by_the_packaged_valkey(
    tmp_path: Path, installed: Path
) -> None:
    snapshot(tmp_path, b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\x0aredis-bits\xc0\x40")
    assert writer_of(tmp_path) == Release("Redis", (7, 0, 15))
    assert choose_server(tmp_path).path == find_server()


@pytest.mark.parametrize(
    ("reader", "writer", "reads"),
    [
        (("Valkey", (9, 1, 2)), ("Valkey", (9, 1, 4)), True),
        (("Valkey", (9, 0, 0)), ("Valkey", (9, 1, 0)), False),
        (("Valkey", (9, 1, 2)), ("Redis", (7, 2, 5)), True),
        (("Valkey", (9, 1, 2)), ("Redis", (7, 4, 0)), False),
        (("Redis", (8, 0, 0)), ("Redis", (7, 4, 0)), True),
        (("Redis", (8, 0, 0)), ("Valkey", (8, 0, 0)), False),
    ],
)
def test_a_server_reads_what_its_own_product_wrote_before(
    reader: tuple[str, tuple[int, ...]], writer: tuple[str, tuple[int, ...]], reads: bool
) -> None:
    assert Release(*reader).reads(Release(*writer)) is reads
