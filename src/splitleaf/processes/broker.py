"""The broker as the settings describe it."""

from __future__ import annotations

from splitleaf.core.errors import ConfigurationError
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.redis.address import parse_address
from splitleaf.settings import Settings


def queue_limits(settings: Settings) -> QueueLimits:
    given = settings.queue
    return QueueLimits(
        max_waiting=given.max_waiting,
        max_bytes=given.max_bytes,
        lease_ms=given.lease_ms,
        max_deliveries=given.max_deliveries,
        result_ttl_s=given.result_ttl_s,
    )


def require_broker_url(settings: Settings) -> str:
    """Return the broker's URL; only `splitleaf up` brings a broker of its own."""
    if not settings.redis_url:
        raise ConfigurationError("SPLITLEAF_REDIS_URL is not set; `splitleaf up` brings a broker of its own")
    return check_broker_url(settings.redis_url)


def check_broker_url(url: str) -> str:
    """Return the URL; raise `ConfigurationError`, which does not repeat a password, unless it can be read."""
    try:
        parse_address(url)
    except ValueError as error:
        raise ConfigurationError(
            "SPLITLEAF_REDIS_URL cannot be read; it is like redis://host:6379/0, rediss://... or unix:///path",
            code="invalid_broker_url",
        ) from error
    return url
