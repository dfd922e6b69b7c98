"""The operator's side: tasks that were set aside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import structlog

from splitleaf.core.errors import NotFound
from splitleaf.core.ids import new_prediction_id
from splitleaf.jobs.messages import decode_context, decode_tensor
from splitleaf.jobs.queue import DeadLetter, Priority, Task
from splitleaf.jobs.redis.broker import keys_of
from splitleaf.jobs.redis.connection import Command
from splitleaf.jobs.redis.queue import RedisJobQueue

log = structlog.get_logger(__name__)


class RedisDeadLetters:
    """`DeadLetters` on a stream for each version."""

    def __init__(self, queue: RedisJobQueue) -> None:
        self._client = queue.broker.client
        self._queue = queue

    async def list(self, version: str, limit: int) -> Sequence[DeadLetter]:
        """Return the newest first."""
        entries = await self._client.call("XREVRANGE", keys_of(version).dead, "+", "-", "COUNT", limit)
        letters = [_letter(version, token, _fields(flat)) for token, flat in entries]
        return [letter for letter in letters if letter is not None]

    async def find(self, version: str, token: str) -> DeadLetter:
        letter = _letter(version, token.encode(), await self._fields_of(version, token))
        if letter is None:
            raise NotFound("This dead letter cannot be read.", code="dead_letter_not_found")
        return letter

    async def retry(self, version: str, token: str) -> str:
        fields = await self._fields_of(version, token)
        place = fields.get(b"k")
        pixels = await self._client.call("GET", place) if place else fields[b"p"]
        if pixels is None:
            raise NotFound("The image of this dead letter is no longer kept.", code="dead_letter_not_found")
        task = Task(
            id=new_prediction_id(),
            version=version,
            tensor=decode_tensor(fields[b"h"], pixels),
            ttl_ms=int(fields[b"l"]),
            priority=Priority(int(fields[b"o"])),
            context=decode_context(fields[b"x"]),
        )
        await self._queue.submit(task)
        await self.discard(version, token)
        return task.id

    async def discard(self, version: str, token: str) -> None:
        fields = await self._fields_of(version, token)
        commands: list[Command] = [("XDEL", keys_of(version).dead, token)]
        if b"k" in fields:
            commands.append(("UNLINK", fields[b"k"]))
        await self._client.pipeline(commands)

    async def _fields_of(self, version: str, token: str) -> dict[bytes, bytes]:
        # Anything but a whole entry id is an error to the broker, or names many entries.
        is_entry = re.fullmatch(r"[0-9]{1,19}-[0-9]{1,19}", token)
        entries = await self._client.call("XRANGE", keys_of(version).dead, token, token) if is_entry else ()
        if not entries:
            raise NotFound("There is no such dead letter.", code="dead_letter_not_found")
        return _fields(entries[0][1])


def _fields(flat: Sequence[Any]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _letter(version: str, token: bytes, fields: dict[bytes, bytes]) -> DeadLetter | None:
    """Return a dead letter; None if its fields are malformed."""
    try:
        return DeadLetter(
            token=token.decode(),
            task_id=fields[b"i"].decode(),
            version=version,
            deliveries=int(fields[b"n"]),
            reason=fields[b"why"].decode(),
            died_ms=int(fields[b"t"]),
        )
    except (ValueError, KeyError):
        log.warning("dead_letter_unreadable", version=version, entry=token.decode())
        return None
