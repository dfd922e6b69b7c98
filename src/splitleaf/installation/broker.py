"""The broker as the settings describe it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import structlog

from splitleaf.core.errors import ConfigurationError, DependencyDown
from splitleaf.installation.data_folder import held, is_in_use
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.redis.address import parse_address
from splitleaf.jobs.redis.client import RedisClient
from splitleaf.settings import Settings

log = structlog.get_logger(__name__)

EMBEDDED_FOLDER: Final = "broker"
"""Of the data folder."""
GREETING_S: Final = 2.0


def queue_limits(settings: Settings) -> QueueLimits:
    given = settings.queue
    return QueueLimits(
        max_waiting=given.max_waiting,
        max_bytes=given.max_bytes,
        lease_ms=given.lease_ms,
        max_deliveries=given.max_deliveries,
        result_ttl_s=given.result_ttl_s,
        replicas=given.replicas,
    )


def require_broker_url(settings: Settings) -> str:
    """Return the broker's URL. Raises `ConfigurationError` without one: only `splitleaf up` has an embedded broker."""
    if not settings.redis_url:
        raise ConfigurationError("SPLITLEAF_REDIS_URL is not set; only `splitleaf up` has an embedded broker")
    return check_broker_url(settings.redis_url)


async def greet_broker(url: str) -> None:
    """Connect to the broker once, when a role starts.

    Raises `ConfigurationError` for a server that roles cannot use. A broker that does not answer may start later.
    """
    client = RedisClient(url, timeout_s=GREETING_S)
    try:
        await client.call("PING")
    except DependencyDown as error:
        log.warning("broker_not_ready", detail=error.detail)
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def reached_broker(settings: Settings) -> AsyncIterator[str]:
    """Yield the URL of the installation's broker. An embedded one that is not running is started meanwhile."""
    if settings.redis_url:
        yield check_broker_url(settings.redis_url)
    elif is_in_use(settings.data_dir):
        yield running_broker_url(settings.data_dir)
    else:
        from splitleaf.jobs.embedded import EmbeddedBroker

        with held(settings.data_dir):
            broker = await EmbeddedBroker.start(settings.data_dir / EMBEDDED_FOLDER)
            try:
                yield broker.url
            finally:
                await broker.stop()


def installed_broker_url(settings: Settings) -> str:
    """Return the URL of the installation's broker. Raises `DependencyDown` if it is embedded and not running."""
    if settings.redis_url:
        return check_broker_url(settings.redis_url)
    return running_broker_url(settings.data_dir)


def running_broker_url(data_dir: Path) -> str:
    """Return the URL of the broker of a running `splitleaf up`. Raises `DependencyDown` when there is none."""
    socket = data_dir.absolute() / EMBEDDED_FOLDER / "broker.sock"
    if not socket.exists():
        raise DependencyDown(
            f"the broker is not running ({socket} does not exist); start it with `splitleaf up`, or name its folder "
            "with --data",
            code="server_unreachable",
        )
    return f"unix://{socket}"


def check_broker_url(url: str) -> str:
    """Return the URL. Raises `ConfigurationError` for an invalid one; the message does not contain the password."""
    try:
        parse_address(url)
    except ValueError as error:
        raise ConfigurationError(
            "SPLITLEAF_REDIS_URL is invalid; use redis://host:6379/0, rediss://..., unix:///path "
            "or redis+sentinel://host,host,host/name",
            code="invalid_broker_url",
        ) from error
    return url
