"""The broker's work, read entry by entry with the commands that our services may give."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from splitleaf.jobs.archive import SavedLetter
from splitleaf.jobs.messages import MalformedMessage, UnreadableMessage, decode_context, decode_state, decode_tensor
from splitleaf.jobs.queue import Priority, Task
from splitleaf.jobs.redis.broker import keys_of
from splitleaf.jobs.redis.client import raise_error
from splitleaf.jobs.redis.connection import ErrorReply, Reply
from splitleaf.jobs.redis.queue import RedisJobQueue

log = structlog.get_logger(__name__)

_PAGE = 100
_Fields = dict[bytes, bytes]


class RedisWorkArchive:
    """`WorkArchive` on the streams of every version."""

    def __init__(self, queue: RedisJobQueue, letter_ttl_s: int) -> None:
        self._broker = queue.broker
        self._client = queue.broker.client
        self._letter_ttl_ms = letter_ttl_s * 1000
        # In the order in which they were found; letters are read twice.
        self._unreadable: dict[str, None] = {}

    @property
    def unreadable(self) -> Collection[str]:
        return self._unreadable.keys()

    async def waiting(self) -> AsyncIterator[Task]:
        for version in await self._broker.versions():
            for priority, stream in zip(Priority, keys_of(version).streams, strict=True):
                async for name, fields in self._entries(stream):
                    task = None
                    with self._leaving_out(name):
                        task = await self._task(version, priority, fields)
                    if task is not None:
                        yield task

    async def unrecorded(self) -> AsyncIterator[bytes]:
        for version in await self._broker.versions():
            async for name, fields in self._entries(keys_of(version).feed):
                document = None
                with self._leaving_out(name):
                    document = _document(fields)
                if document is not None:
                    yield document

    async def letters(self) -> AsyncIterator[SavedLetter]:
        for version in await self._broker.versions():
            async for name, fields in self._entries(keys_of(version).dead):
                letter = None
                with self._leaving_out(name):
                    letter = await self._letter(version, fields)
                if letter is not None:
                    yield letter

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

    async def _entries(self, stream: bytes) -> AsyncIterator[tuple[str, _Fields]]:
        """Yield the name and the fields of each entry."""
        start = b"-"
        while page := await self._client.call("XRANGE", stream, start, "+", "COUNT", _PAGE):
            for token, flat in page:
                yield f"{stream.decode()}/{token.decode()}", _fields(flat)
            start = b"(" + page[-1][0]

    @contextmanager
    def _leaving_out(self, name: str) -> Iterator[None]:
        """Note an entry that is malformed, so that it keeps no other one from being read."""
        try:
            yield
        except (UnreadableMessage, ValueError, LookupError) as error:
            reason = error.context if isinstance(error, UnreadableMessage) else {"reason": ascii(str(error)[:200])}
            log.warning("entry_left_out", entry=name, **reason)
            self._unreadable[name] = None

    async def _letter(self, version: str, fields: _Fields) -> SavedLetter | None:
        """Return a dead letter; None when its image is no longer kept."""
        place, pixels = fields.get(b"k"), None
        if place is not None:
            (reply,) = await self._client.pipeline([("GET", place)])
            if (pixels := _value(reply)) is None:
                return None
        letter = SavedLetter(version, {name.decode(): value for name, value in fields.items()}, pixels)
        if not letter.task_id:
            raise UnreadableMessage(reason="no id")
        return letter

    async def _task(self, version: str, priority: Priority, fields: _Fields) -> Task | None:
        """Return the task of an entry; None when it has become final meanwhile."""
        task_id = fields[b"i"].decode()
        place, record = fields.get(b"k"), keys_of(version).record(task_id)
        look = ("GET", place) if place else ("PING",)
        replies = await self._client.pipeline([("TIME",), ("HMGET", record, "x", "d"), look])
        (seconds, _), found, pixels = map(_value, replies)
        if found[0] is None or (place and pixels is None):
            return None
        # More than the whole time to live is left only of a task from before the broker's clock went back.
        left_ms = min(int(found[1] or fields[b"d"]) - int(seconds) * 1000, int(fields[b"d"]) - int(fields[b"c"]))
        return Task(
            id=task_id,
            version=version,
            tensor=decode_tensor(fields[b"h"], pixels if place else fields[b"p"]),
            ttl_ms=max(1, left_ms),
            priority=priority,
            context=decode_context(found[0]),
        )


def _document(fields: _Fields) -> bytes:
    """Return a final state. Raises `MalformedMessage` for one that no release can read."""
    document = fields[b"d"]
    document.decode()
    try:
        decode_state(document)
    except UnreadableMessage as error:
        # Another release can restore what it has written.
        if isinstance(error, MalformedMessage):
            raise
    return document


def _value(reply: Reply) -> Any:
    """Return a reply. Raises `UnreadableMessage` if its key has another type, and the broker's other errors."""
    if isinstance(reply, ErrorReply) and str(reply).startswith("WRONGTYPE"):
        raise UnreadableMessage(reason=str(reply))
    return raise_error(reply)


def _fields(flat: Sequence[Any]) -> _Fields:
    return dict(zip(flat[::2], flat[1::2], strict=True))
