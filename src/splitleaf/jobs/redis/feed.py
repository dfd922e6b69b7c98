"""The recorder's side: final states on their way to the outcome store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from splitleaf.core.errors import DependencyDown
from splitleaf.jobs import keys
from splitleaf.jobs.keys import version_of
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.messages import MalformedMessage, UnreadableMessage, decode_state
from splitleaf.jobs.queue import FeedEntry
from splitleaf.jobs.redis.broker import RedisBroker, keys_of
from splitleaf.jobs.redis.client import raise_error
from splitleaf.jobs.redis.connection import Command, ErrorReply
from splitleaf.jobs.worker_names import new_worker_name

log = structlog.get_logger(__name__)

_MOST_ASIDE = 100
_ABANDONED_MS = 30_000
"""A recorder that has not acknowledged for this long has died; another takes over its entries."""


class RedisOutcomeFeed:
    """`OutcomeFeed` on a stream for each version; several recorders share the work."""

    def __init__(self, url: str, limits: QueueLimits | None = None, *, recorder: str | None = None) -> None:
        limits = limits or QueueLimits()
        self._broker = RedisBroker(url, limits, timeout_s=limits.worker_timeout_s)
        self._client = self._broker.client
        # What is recorded stays: nothing that a failover could take back.
        self._blocking = self._broker.replicated.blocking()
        self._recorder = recorder or new_worker_name()
        self._held: set[str] = set()
        self._result_ttl_ms = limits.result_ttl_s * 1000
        self._takes_over_at = 0.0
        self._may_hold_unknown = False

    async def read(self, count: int, block_ms: int) -> Sequence[FeedEntry]:
        feeds = [keys_of(version).feed for version in await self._broker.versions()]
        if not feeds:
            await asyncio.sleep(block_ms / 1000)
            return ()
        if entries := await self._overdue(feeds, count):
            return entries
        command = ("XREADGROUP", "GROUP", keys.RECORDERS, self._recorder, "COUNT", count)
        block = ("BLOCK", max(1, block_ms)) if block_ms > 0 else ()
        look = (*command, *block, "STREAMS", *feeds, *(b">" for _ in feeds))
        # Until the reply arrives, the broker may have assigned entries that this process does not know of. Later
        # replies do not contain them; only the pending list does.
        may_have_held, self._may_hold_unknown = self._may_hold_unknown, True
        (answer,) = await self._blocking.pipeline([look], block_ms=block_ms)
        if isinstance(answer, ErrorReply) and str(answer).startswith("NOGROUP"):
            await self._make_groups(feeds)
            return ()
        entries = raise_error(answer) or ()
        self._may_hold_unknown = may_have_held
        return await self._entries(entries)

    async def acknowledge(self, entries: Sequence[FeedEntry]) -> None:
        """Delete recorded entries. Their results expire after the results' time to live from now on."""
        by_feed: dict[bytes, list[str]] = {}
        for entry in entries:
            name, _, token = entry.token.rpartition("/")
            by_feed.setdefault(name.encode(), []).append(token)
        commands: list[Command] = [("MULTI",)]
        for feed, tokens in by_feed.items():
            commands += [("XACK", feed, keys.RECORDERS, *tokens), ("XDEL", feed, *tokens)]
        states = [entry.state for entry in entries]
        commands += [("PEXPIRE", keys_of(one.version).result(one.id), self._result_ttl_ms) for one in states]
        *_, reply = await self._client.pipeline([*commands, ("EXEC",)])
        if isinstance(reply, Exception):
            raise DependencyDown(str(reply)) from reply
        self._held.difference_update(entry.token for entry in entries)

    async def backlog(self) -> int:
        lengths = [("XLEN", keys_of(version).feed) for version in await self._broker.versions()]
        return sum(await self._client.pipeline(list(lengths))) if lengths else 0

    async def close(self) -> None:
        await self._blocking.close()
        await self._broker.close()

    async def _overdue(self, feeds: Sequence[bytes], count: int) -> Sequence[FeedEntry]:
        """Return entries that were read but never acknowledged, after a lost reply or by a dead recorder."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._takes_over_at:
            return ()
        self._takes_over_at = loop.time() + 1.0
        # Our own entries, after a look that was not answered, at once.
        idle, whose = ((), (self._recorder,)) if self._may_hold_unknown else (("IDLE", _ABANDONED_MS), ())
        looks: list[Command] = [("XPENDING", feed, keys.RECORDERS, *idle, "-", "+", count, *whose) for feed in feeds]
        looks += [("XPENDING", feed, keys.RECORDERS, "-", "+", count) for feed in feeds]
        pending = await self._client.pipeline(looks)
        if any(isinstance(one, Exception) for one in pending):
            await self._make_groups(feeds)
            return ()
        pending, held = pending[: len(feeds)], pending[len(feeds) :]
        await self._count_anew(dict(zip(feeds, held, strict=True)))
        found: list[Any] = []
        for feed, lost in zip(feeds, pending, strict=True):
            known = self._held if self._may_hold_unknown else ()
            tokens = [one[0] for one in lost if f"{feed.decode()}/{one[0].decode()}" not in known]
            if tokens:
                least_ms = 0 if self._may_hold_unknown else _ABANDONED_MS
                claim = ("XCLAIM", feed, keys.RECORDERS, self._recorder, least_ms, *tokens)
                found.append((feed, await self._broker.replicated.call(*claim)))
        self._may_hold_unknown = False
        return await self._entries(found)

    async def _count_anew(self, held: Mapping[bytes, Any]) -> None:
        """Begin to count, for what was read before the broker's clock went back: it shows as idle for 0 ms."""
        commands: list[Command] = [
            ("XCLAIM", feed, keys.RECORDERS, owner, 0, token, "IDLE", 0, "JUSTID")
            for feed, entries in held.items()
            for token, owner, idle_ms, _ in entries
            if idle_ms == 0
        ]
        if commands:
            await self._client.pipeline(commands)

    async def _make_groups(self, feeds: Sequence[bytes]) -> None:
        """Create the groups. The error for an existing group is expected."""
        await self._client.pipeline([("XGROUP", "CREATE", feed, keys.RECORDERS, "0", "MKSTREAM") for feed in feeds])

    async def _entries(self, answer: Sequence[Any]) -> Sequence[FeedEntry]:
        """Read entries. One of a newer release stays for its recorder; one of none is set aside."""
        entries = []
        for feed, items in answer:
            for token, flat in items:
                name = f"{feed.decode()}/{token.decode()}"
                try:
                    entries.append(FeedEntry(name, decode_state(flat[flat.index(b"d") + 1] if b"d" in flat else b"")))
                except MalformedMessage as error:
                    log.warning("outcome_set_aside", entry=name, **error.context)
                    await self._set_aside(feed, token, flat)
                except UnreadableMessage as error:
                    log.warning("outcome_unreadable", entry=name, **error.context)
        self._held.update(entry.token for entry in entries)
        return entries

    async def _set_aside(self, feed: bytes, token: bytes, flat: Sequence[bytes]) -> None:
        names = keys_of(version_of(feed))
        copy = ("XADD", names.aside, "MAXLEN", _MOST_ASIDE, "*", "stream", feed, "entry", token, *flat)
        rest: list[Command] = [("XACK", feed, keys.RECORDERS, token), ("XDEL", feed, token)]
        *_, reply = await self._client.pipeline([("MULTI",), copy, *rest, ("EXEC",)])
        raise_error(reply)
