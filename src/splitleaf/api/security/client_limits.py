"""Rate limits per client: by key if a request has a valid one, otherwise by network address."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.requests import Request

from splitleaf.api.http.addresses import client_network
from splitleaf.api.http.headers import header
from splitleaf.api.http.rate_limits import TooManyRequests, limit_headers
from splitleaf.api.security.access import Access
from splitleaf.core.errors import DependencyDown, Overloaded, Unauthorized
from splitleaf.experiments.bucketing import hash_unit
from splitleaf.jobs.rates import Rate, RateLimiter

log = structlog.get_logger(__name__)

_KEY: Final = "key:"
_TIMEOUT_S: Final = 0.25
"""A limit that cannot be checked within this time is not applied: rate limiting must not cause an outage."""


@dataclass(frozen=True, slots=True)
class ClientRates:
    """How many requests one client may send; None means without limit."""

    per_address: Rate | None = None
    per_key: Rate | None = None


class ClientLimits:
    """Counts requests in the broker. If no limit is set, requests are not inspected at all."""

    def __init__(self, rates: ClientRates, limiter: RateLimiter, access: Access, pepper: bytes) -> None:
        self._rates = rates
        self._limiter = limiter
        self._access = access
        self._pepper = pepper
        self.are_on = rates != ClientRates()

    async def count(self, request: Request) -> dict[str, str]:
        """Count a request and return the quota headers. Raises `TooManyRequests`."""
        client = await self.client_of(request)
        rate = self._rates.per_key if client.startswith(_KEY) else self._rates.per_address
        return {} if rate is None else await self.charge(rate, client)

    async def client_of(self, request: Request) -> str:
        """Return the client that a request counts for: its valid key, or else its network."""
        key_id = await self._key_of(request)
        return f"{_KEY}{key_id}" if key_id else f"address:{client_network(request)}"

    async def charge(self, rate: Rate, client: str) -> dict[str, str]:
        """Count a request of a client, whom the broker knows only by a keyed hash. Raises `TooManyRequests`.

        If the broker cannot count, the request is allowed.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                standing = await self._limiter.charge(rate, hash_unit(client, self._pepper))
        except (DependencyDown, Overloaded, TimeoutError) as error:
            log.warning("request_not_counted", rate=rate.name, detail=str(error) or "timed out")
            return {}
        if not standing.is_allowed:
            raise TooManyRequests(standing)
        return limit_headers(standing)

    async def _key_of(self, request: Request) -> str:
        """Return the id of a valid key; empty for anything else."""
        kind, _, key = (header(request.scope, b"authorization") or "").partition(" ")
        if kind.lower() != "bearer":
            return ""
        try:
            return (await self._access.of_key(key)).key_id
        except (Unauthorized, DependencyDown):
            return ""
