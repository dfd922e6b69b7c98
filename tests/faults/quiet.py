"""What is left when all is quiet again: in the broker, and in the store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import redis
from sqlalchemy import func, select

from splitleaf.core.errors import DependencyDown
from splitleaf.outcomes.sql.engine import open_engine, our_errors
from splitleaf.outcomes.sql.tables import outcomes, set_aside
from tests.faults.cluster import Cluster

QUIET_WITHIN_S: Final = 60.0
LISTS: Final = {b"feed": "feed", b"dead": "dead letters"}
_COLUMNS: Final = [
    "prediction_id",
    "status",
    "role",
    "label",
    "confidence",
    "served_version",
    "error_code",
    "deliveries",
    "experiment",
    "variant",
    "revision",
    "unit_hash",
    "primary_id",
    "override",
]


async def until_quiet(cluster: Cluster) -> Mapping[str, int]:
    """Wait until nothing is left over, for a while; return what still is."""
    give_up_at = time.monotonic() + QUIET_WITHIN_S
    while True:
        left: Mapping[str, int] = {"broker silent": 1}
        with contextlib.suppress(redis.RedisError):
            left = await asyncio.to_thread(leftovers, cluster)
        if not any(left.values()) or time.monotonic() > give_up_at:
            return left
        await asyncio.sleep(0.25)


def leftovers(cluster: Cluster) -> Mapping[str, int]:
    """Count what the broker keeps of work that is not finished, not recorded, or dead."""
    found: Counter[str] = Counter()
    with contextlib.closing(cluster.broker_client()) as client:
        for key in client.scan_iter(b"{q:*}:*", count=1000):
            name = key.split(b"}:", 1)[1]
            if name.startswith(b"s:"):
                found["entries in streams"] += client.xlen(key)
                with contextlib.suppress(redis.ResponseError):  # nobody has read from it yet
                    found["pending entries"] += client.xpending(key, "workers")["pending"]
            elif name in LISTS:
                found[LISTS[name]] += client.xlen(key)
            elif name.startswith(b"t:"):
                found["open records"] += 1
            elif name.startswith(b"b:"):
                found["pixels"] += 1
            elif name == b"m":
                found["bytes admitted"] += int(client.hget(key, "b") or 0)
    return found


async def recorded(cluster: Cluster) -> tuple[Sequence[Mapping[str, Any]], int]:
    """Return the rows of the outcome store, and how many documents it could not keep."""
    return await asyncio.to_thread(recorded_in, cluster.database.url)


def recorded_in(url: str) -> tuple[Sequence[Mapping[str, Any]], int]:
    """Return the same of a store by its address."""
    engine = open_engine(url)
    try:
        give_up_at = time.monotonic() + QUIET_WITHIN_S
        while True:
            try:
                with our_errors(), engine.connect() as connection:
                    rows = connection.execute(select(*(outcomes.c[name] for name in _COLUMNS))).mappings().all()
                    aside = connection.execute(select(func.count()).select_from(set_aside)).scalar_one()
                    return [dict(row) for row in rows], aside
            except DependencyDown:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.5)
    finally:
        engine.dispose()
