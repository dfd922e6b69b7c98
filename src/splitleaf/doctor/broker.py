"""Checks of the broker, the workers and the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import SplitleafError
from splitleaf.doctor.findings import Finding
from splitleaf.installation.broker import EMBEDDED_FOLDER, check_broker_url, running_broker_url
from splitleaf.installation.data_folder import is_in_use
from splitleaf.installation.queue import new_queue
from splitleaf.jobs.queue import QueueDepth, WorkerReport
from splitleaf.settings import Settings

WITHIN_S: Final = 3.0
MOST_SKEW_MS: Final = 2_000
OFTEN_UNRECORDED: Final = 5_000
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
FULL_SHARE: Final = 0.8


def check_broker(settings: Settings) -> Iterator[Finding]:
    """Check that the broker can be reached, is durable and has a password."""
    url = _url(settings)
    if url is None:
        from splitleaf.jobs.server_programs import choose_server

        program = choose_server(settings.data_dir / EMBEDDED_FOLDER)
        yield Finding("broker", "ok", f"embedded ({program.release}); only `splitleaf up` uses it")
        return
    facts = asyncio.run(_facts(url))
    yield Finding("broker", "ok", f"version {facts.get('valkey_version') or facts.get('redis_version', 'unknown')}")
    yield from _of_memory(facts)
    yield from _of_durability(facts)
    yield from _of_replicas(settings, facts)
    yield from _of_access(url)


def check_clock(settings: Settings) -> Iterator[Finding]:
    """Compare the clocks: the broker's sets deadlines, this machine's dates records."""
    if not settings.redis_url:
        return
    try:
        skew_ms = asyncio.run(_skew_ms(check_broker_url(settings.redis_url)))
    except SplitleafError:
        return  # `check_broker` has reported why
    if abs(skew_ms) > MOST_SKEW_MS:
        detail = f"the broker's clock differs by {skew_ms / 1000:+.1f} s: deadlines and recorded times do not match"
        yield Finding("clock", "problem", detail, "synchronize both clocks, for example with NTP")
    else:
        yield Finding("clock", "ok", "the clocks of the broker and of this machine agree")


def check_work(settings: Settings) -> Iterator[Finding]:
    """Check the workers, the dead letters and the backlog of the recorder."""
    url = _url(settings)
    if url is None:
        return
    workers, depths, unrecorded = asyncio.run(_look(settings, url))
    yield from _of_workers(workers)
    yield from _of_queues(depths)
    if unrecorded > OFTEN_UNRECORDED:
        yield Finding(
            "records",
            "problem",
            f"{unrecorded} outcomes are not recorded yet",
            "check that a controller is running and that the database is up",
        )


def _url(settings: Settings) -> str | None:
    """Return the broker's URL; None for an embedded one that is not running."""
    if settings.redis_url:
        return check_broker_url(settings.redis_url)
    return running_broker_url(settings.data_dir) if is_in_use(settings.data_dir) else None


async def _facts(url: str) -> Mapping[str, str]:
    """Return the broker's `INFO`."""
    from splitleaf.jobs.redis.address import parse_address
    from splitleaf.jobs.redis.connection import check_server
    from splitleaf.jobs.redis.discovery import connect
    from splitleaf.jobs.redis.errors import translate_error

    try:
        async with asyncio.timeout(WITHIN_S):
            # Without its memory, which has checks of its own.
            connection = await connect(parse_address(url), lambda facts: check_server({**facts, "maxmemory": "0"}))
    except OSError as error:
        raise translate_error(error) from error
    connection.abort()
    return connection.server_info


async def _skew_ms(url: str) -> int:
    """Return how far the broker's clock is ahead of this machine's."""
    from splitleaf.jobs.redis.client import RedisClient

    client, clock = RedisClient(url, timeout_s=WITHIN_S), SystemClock()
    try:
        await client.call("PING")  # connects, so that only the round trip is measured
        before_ms = clock.now_ms()
        seconds, microseconds = await client.call("TIME")
        middle_ms = (before_ms + clock.now_ms()) / 2
    finally:
        await client.close()
    return round(int(seconds) * 1000 + int(microseconds) / 1000 - middle_ms)


async def _look(settings: Settings, url: str) -> tuple[Sequence[WorkerReport], Sequence[QueueDepth], int]:
    backend = new_queue(settings, url)
    queue, directory, feed = backend.client().queue, backend.directory(), backend.feed()
    try:
        return await directory.workers(), await queue.depths(), await feed.backlog()
    finally:
        for part in (feed, directory, queue):
            await part.close()


def _of_memory(facts: Mapping[str, str]) -> Iterator[Finding]:
    policy, most = facts.get("maxmemory_policy"), int(facts.get("maxmemory", "0"))
    if policy != "noeviction":
        yield Finding(
            "broker memory",
            "problem",
            f"the eviction policy {policy} deletes accepted work",
            "set maxmemory-policy noeviction",
        )
    elif not most:
        advice = "set maxmemory; a full broker then rejects work, and the system does not end it"
        yield Finding("broker memory", "note", "no limit is set", advice)
    elif int(facts.get("used_memory", "0")) > FULL_SHARE * most:
        used = int(facts["used_memory"]) / most
        yield Finding("broker memory", "warning", f"{used:.0%} of maxmemory is used", "see `GET /admin/api/queue`")


def _of_durability(facts: Mapping[str, str]) -> Iterator[Finding]:
    if facts.get("aof_enabled") != "1":
        yield Finding("broker durability", "warning", "a restart loses accepted work", "set appendonly yes")
    elif facts.get("aof_last_write_status", "ok") != "ok":
        yield Finding("broker durability", "problem", "the last write failed", "check its disk and its log")


def _of_replicas(settings: Settings, facts: Mapping[str, str]) -> Iterator[Finding]:
    wanted, there = settings.queue.replicas, int(facts.get("connected_slaves", "0"))
    if there < wanted:
        detail = f"SPLITLEAF_QUEUE__REPLICAS is {wanted} and {there} replicas are connected: no image is accepted"
        yield Finding("broker replicas", "problem", detail, "start the missing replicas, or lower the setting")
    elif wanted and there == wanted:
        detail = f"{there} replicas are connected, exactly as many as required: if one fails, no image is accepted"
        yield Finding("broker replicas", "warning", detail, "add a replica")


def _of_access(url: str) -> Iterator[Finding]:
    from splitleaf.jobs.redis.address import parse_address

    address = parse_address(url)
    hosts = {one.host for one in address.sentinels} or {address.host}
    if not address.path and hosts - {*LOCAL_HOSTS} and not address.password:
        yield Finding(
            "broker access",
            "problem",
            "it is on the network without a password: anyone who can reach it can read and change everything",
            "add a user as deploy/secrets/make_secrets.py does; put its password into SPLITLEAF_REDIS_URL",
        )


def _of_workers(workers: Sequence[WorkerReport]) -> Iterator[Finding]:
    if not workers:
        yield Finding(
            "workers", "problem", "no worker has reported in the last few seconds", "start `splitleaf worker`"
        )
        return
    yield Finding("workers", "ok", f"{len(workers)} running")
    failed = {
        version: status
        for worker in workers
        for version, status in sorted(worker.versions.items())
        if status.startswith("failed")
    }
    for version, status in failed.items():
        yield Finding(
            f"worker of {version}", "problem", status, "run `splitleaf models verify` for details, then import it again"
        )


def _of_queues(depths: Sequence[QueueDepth]) -> Iterator[Finding]:
    for version, letters in sorted({one.version: one.dead_letters for one in depths}.items()):
        if letters:
            advice = f"list them with `GET /admin/api/dead-letters?version={version}`, then retry or discard them"
            yield Finding("dead letters", "warning", f"{letters} images ended workers of {version}", advice)
