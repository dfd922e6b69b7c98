"""What a broker's URL says, and that the broker is reached by it."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from splitleaf.core.errors import DependencyDown
from splitleaf.jobs.redis.address import BrokerAddress, parse_address
from splitleaf.jobs.redis.client import RedisClient
from tests.jobs.servers import BrokerServer


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", BrokerAddress()),
        ("redis://broker:7000/3", BrokerAddress(host="broker", port=7000, database=3)),
        ("redis://me:s%40me@[::1]/", BrokerAddress(host="::1", username="me", password="s@me")),
        ("redis://:secret@broker", BrokerAddress(host="broker", password="secret")),
        ("unix:///run/a%20b.sock?db=2&password=x", BrokerAddress("/run/a b.sock", database=2, password="x")),
        ("rediss://broker", BrokerAddress(host="broker", tls={})),
        ("rediss://broker?ssl_ca_certs=/ca.pem", BrokerAddress(host="broker", tls={"ssl_ca_certs": "/ca.pem"})),
        (
            "redis+sentinel://me:s%40me@one,[::1]:7000,two/leaf/2?sentinel_password=hush",
            BrokerAddress(
                username="me",
                password="s@me",
                database=2,
                name="leaf",
                sentinels=tuple(
                    BrokerAddress(host=host, port=port, password="hush")
                    for host, port in (("one", 26379), ("::1", 7000), ("two", 26379))
                ),
            ),
        ),
        (
            "rediss+sentinel://one/leaf?ssl_ca_certs=/ca.pem",
            BrokerAddress(
                name="leaf",
                tls={"ssl_ca_certs": "/ca.pem"},
                sentinels=(BrokerAddress(host="one", port=26379, tls={"ssl_ca_certs": "/ca.pem"}),),
            ),
        ),
    ],
)
def test_a_url_names_the_broker(url: str, address: BrokerAddress) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://broker",
        "broker:6379",
        "unix://",
        "redis://broker:port",
        "redis://broker/one",
        "redis://broker?ssl_ca_certs=x",
        "redis+sentinel://one,two",
        "redis+sentinel:///leaf",
        "redis+sentinel://one:port/leaf",
        "redis+sentinel://one/leaf/first",
        "redis://broker?sentinel_password=x",
    ],
)
def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_address(url)


def test_a_password_is_in_no_message() -> None:
    assert "secret" not in repr(parse_address("redis://me:secret@broker"))
    with pytest.raises(ValueError, match=r".+") as refused:
        parse_address("redis://me:secret@broker/one")
    assert "secret" not in str(refused.value)


async def test_a_password_and_a_database_are_named_before_anything_is_asked(durable_server: BrokerServer) -> None:
    durable_server.command("CONFIG", "SET", "requirepass", "secret")
    right = RedisClient(f"unix://:secret@{durable_server.socket_path}?db=2", timeout_s=5)
    wrong = RedisClient(f"unix://:guess@{durable_server.socket_path}", timeout_s=5)
    without = RedisClient(durable_server.url, timeout_s=5)
    try:
        assert await right.call("SET", "here", "1") == b"OK"
        assert b"db2:keys=1" in await right.call("INFO", "keyspace")
        for client in (wrong, without):
            with pytest.raises(DependencyDown):
                await client.call("PING")
    finally:
        for client in (right, wrong, without):
            await client.close()


@pytest.fixture
async def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that nobody has signed; its key lies beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: there is nothing to make a certificate with")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    await asyncio.to_thread(subprocess.run, command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "cert.pem"


@pytest.fixture
async def tls_port(server: BrokerServer, certificate: Path) -> AsyncIterator[int]:
    """A port where the broker is reached through TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    pumps: set[asyncio.Task[None]] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            sink.write(data)
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_unix_connection(str(server.socket_path))
        pumps.add(asyncio.create_task(pump(reader, broker_writer)))
        pumps.add(asyncio.create_task(pump(broker_reader, writer)))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    for task in pumps:
        task.cancel()
    await asyncio.gather(*pumps, return_exceptions=True)


async def test_a_broker_behind_tls_is_reached_when_its_certificate_is_trusted(tls_port: int, certificate: Path) -> None:
    trusting = RedisClient(f"rediss://localhost:{tls_port}?ssl_ca_certs={certificate}", timeout_s=5)
    careless = RedisClient(f"rediss://127.0.0.1:{tls_port}?ssl_cert_reqs=none", timeout_s=5)
    doubting = RedisClient(f"rediss://localhost:{tls_port}", timeout_s=5)
    try:
        assert await trusting.call("PING") == b"PONG"
        assert await careless.call("ECHO", b"x" * 300_000) == b"x" * 300_000
        with pytest.raises(DependencyDown):
            await doubting.call("PING")
    finally:
        for client in (trusting, careless, doubting):
            await client.close()
