"""Waking those who wait: one subscription for the whole process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

import structlog

from splitleaf.core.errors import SplitleafError
from splitleaf.jobs import keys
from splitleaf.jobs.messages import decode_state
from splitleaf.jobs.queue import JobState
from splitleaf.jobs.redis.client import BlockingConnection

log = structlog.get_logger(__name__)

_RECONNECT_PAUSE_S = 0.1

Started = int
"""Milliseconds since the epoch at which a worker took the task."""
Announcement = JobState | Started
LookUp = Callable[[Sequence[str]], Awaitable[Sequence[JobState | None]]]


class Announcements:
    """Passes what the workers announce to the callers in this process that wait for that id.

    An announcement can be lost (pub/sub keeps nothing), so after each reconnect, and every `poll_s`, all
    outstanding ids are looked up. Where announcements are hints (`are_hints`), because they are made before
    replicas have what they say, a final state is told as the look-up finds it, which waits for the replicas.
    """

    def __init__(self, line: BlockingConnection, look_up: LookUp, *, poll_s: float, are_hints: bool = False) -> None:
        self._blocking = line
        self._look_up = look_up
        self._poll_s = poll_s
        self._are_hints = are_hints
        self._hinted: set[bytes] = set()
        self._has_hint = asyncio.Event()
        self._listeners: dict[bytes, list[asyncio.Queue[Announcement]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.contextmanager
    def listening(self, prediction_id: str) -> Iterator[asyncio.Queue[Announcement]]:
        """Give a queue into which everything about this id is put from now on."""
        self._ensure_running()
        queue: asyncio.Queue[Announcement] = asyncio.Queue()
        key = prediction_id.encode()
        self._listeners.setdefault(key, []).append(queue)
        try:
            yield queue
        finally:
            queues = self._listeners[key]
            queues.remove(queue)
            if not queues:
                del self._listeners[key]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._blocking.close()

    def _ensure_running(self) -> None:
        if not self._tasks:
            beside = [self._poll(), self._follow_hints()] if self._are_hints else [self._poll()]
            self._tasks = [asyncio.create_task(one) for one in (self._listen(), *beside)]

    async def _listen(self) -> None:
        while True:
            try:
                subscription = self._blocking.subscription(keys.ANNOUNCEMENTS, self._catch_up)
                async with contextlib.aclosing(subscription):
                    async for message in subscription:
                        self._dispatch(message)
            except (OSError, SplitleafError) as error:
                log.warning("announcements_interrupted", reason=str(error))
            except Exception:
                # Whatever a message was, those who wait for others must still be told.
                log.exception("announcements_interrupted")
            await asyncio.sleep(_RECONNECT_PAUSE_S)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            await self._catch_up()

    async def _follow_hints(self) -> None:
        """Look up what was announced; what comes meanwhile is looked up together after that."""
        while True:
            await self._has_hint.wait()
            self._has_hint.clear()
            hinted, self._hinted = self._hinted, set()
            await self._tell_what_is_there(hinted & self._listeners.keys())

    async def _catch_up(self) -> None:
        await self._tell_what_is_there(self._listeners)

    async def _tell_what_is_there(self, keys_of_ids: Iterable[bytes]) -> None:
        """Look ids up. Errors are the callers' to meet when their time is up."""
        ids = [key.decode() for key in keys_of_ids]
        try:
            for state in await self._look_up(ids) if ids else ():
                if state is not None and state.status.is_final:
                    self._tell(state.id.encode(), state)
        except SplitleafError as error:
            log.debug("catch_up_failed", reason=error.detail)

    def _dispatch(self, message: bytes) -> None:
        for line in message.split(b"\n"):
            task_id, brace, rest = line.partition(b"{")
            if brace:
                if task_id in self._listeners:
                    self._hear_of_end(task_id, brace + rest)
            else:
                task_id, _, started = line.partition(b"~")
                if task_id in self._listeners:
                    self._tell(task_id, int(started))

    def _hear_of_end(self, task_id: bytes, document: bytes) -> None:
        if self._are_hints:
            self._hinted.add(task_id)
            self._has_hint.set()
        else:
            self._tell(task_id, decode_state(document))

    def _tell(self, key: bytes, announcement: Any) -> None:
        for queue in self._listeners.get(key, ()):
            queue.put_nowait(announcement)
