"""The broker's work, read entry by entry with the commands that our services may give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from splitleaf.jobs.archive import SavedLetter
from splitleaf.jobs.messages import decode_context, decode_tensor
from splitleaf.jobs.queue import Priority, Task
from splitleaf.jobs.redis.broker import keys_of
from splitleaf.jobs.redis.queue import RedisJobQueue

_PAGE = 100


class RedisWorkArchive:
    """`WorkArchive` on the streams of every version."""

    def __init__(self, queue: RedisJobQueue, letter_ttl_s: int) -> None:
        self._broker = queue.broker
        self._client = queue.broker.client
        self._letter_ttl_ms = letter_ttl_s * 1000

    async def waiting(self) -> AsyncIterator[Task]:
        for version in await self._broker.versions():
            for priority, stream in zip(Priority, keys_of(version).streams, strict=True):
                async for fields in self._entries(stream):
                    if (task := await self._task(version, priority, fields)) is not None:
                        yield task

    async def unrecorded(self) -> AsyncIterator[bytes]:
        for version in await self._broker.versions():
            async for fields in self._entries(keys_of(version).feed):
                yield fields[b"d"]

    async def letters(self) -> AsyncIterator[SavedLetter]:
        for version in await self._broker.versions():
            async for fields in self._entries(keys_of(version).dead):
                place = fields.get(b"k")
                pixels = await self._client.call("GET", place) if place else None
                if place is None or pixels is not None:
                    yield SavedLetter(version, {name.decode(): value for name, value in fields.items()}, pixels)

    async def is_empty(self) -> bool:
        for version in await self._broker.versions():
            names = keys_of(version)
            lengths = await self._client.pipeline([("XLEN", stream) for stream in (*names.streams, names.feed)])
            if any(lengths):
                return False
        return True

    async def put_letter(self, letter: SavedLetter) -> None:
        await self._broker.add_versions([letter.version])
        if letter.pixels is not None:
            await self._client.call("SET", letter.fields["k"], letter.pixels, "PX", self._letter_ttl_ms)
        flat = [part for name, value in letter.fields.items() for part in (name, value)]
        await self._client.call("XADD", keys_of(letter.version).dead, "*", *flat)

    async def _entries(self, stream: bytes) -> AsyncIterator[dict[bytes, bytes]]:
        start = b"-"
        while page := await self._client.call("XRANGE", stream, start, "+", "COUNT", _PAGE):
            for _, flat in page:
                yield _fields(flat)
            start = b"(" + page[-1][0]

    async def _task(self, version: str, priority: Priority, fields: dict[bytes, bytes]) -> Task | None:
        """Return the task of an entry; None when it has become final meanwhile."""
        task_id = fields[b"i"].decode()
        place, record = fields.get(b"k"), keys_of(version).record(task_id)
        look = ("GET", place) if place else ("PING",)
        (seconds, _), found, pixels = await self._client.pipeline([("TIME",), ("HMGET", record, "x", "d"), look])
        if found[0] is None or (place and pixels is None):
            return None
        # More than the whole time to live is left only of a task from before the broker's clock went back.
        left_ms = min(int(found[1]) - int(seconds) * 1000, int(fields[b"d"]) - int(fields[b"c"]))
        return Task(
            id=task_id,
            version=version,
            tensor=decode_tensor(fields[b"h"], pixels if place else fields[b"p"]),
            ttl_ms=max(1, left_ms),
            priority=priority,
            context=decode_context(found[0]),
        )


def _fields(flat: Sequence[Any]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
