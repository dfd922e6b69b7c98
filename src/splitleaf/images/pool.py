"""Decoding in capped children that can be killed: an image can at worst kill its own child.

The parent looks at the first bytes and nothing more. Each child is one process with one socket; a few
small images may be on their way to one child, so that it need not wait for the parent between them.
Children answer in order, so the oldest unanswered image is always the one that a child works on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any

from splitleaf.core.errors import DependencyDown, Overloaded
from splitleaf.core.preprocessing import InputSpec
from splitleaf.images.decoder import CHILD_MODULE, Decoder, Job
from splitleaf.images.formats import check_upload
from splitleaf.images.intake import DecodedImage
from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import CORRUPT, TOO_COMPLEX, Refusal, public_error

_TICK_S = 0.05
_START_TIMEOUT_S = 30.0
_MOST_TRIES = 2
_MOST_FALSE_STARTS = 3
_LONGEST_PAUSE_S = 5.0

_SMALL_BYTES = 256 * 1024
_DEPTH_OF_SMALL = 3
"""Small images that may be on their way to one child."""


class PooledIntake:
    """The `ImageIntake` of production."""

    def __init__(self, limits: ImageLimits, children: int, child_module: str = CHILD_MODULE) -> None:
        self._limits = limits
        self._children = children
        self._child_module = child_module
        self._loop = asyncio.get_running_loop()
        self._decoders: list[Decoder] = []
        self._ending: list[Decoder] = []
        self._waiting: deque[Job] = deque()
        self._waiting_bytes = 0
        self._jobs: set[Job] = set()
        """All that someone waits for: waiting, on their way, or between two tries."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._all_ready = asyncio.Event()
        self._failures = 0
        self._closed = False
        self._ticker: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls, limits: ImageLimits, children: int, *, child_module: str = CHILD_MODULE) -> PooledIntake:
        """Start `children` (at least one) processes side by side and wait until all take images.

        `child_module` is for tests of what misbehaving children can do.

        Raises:
            DependencyDown: they do not start.
        """
        intake = cls(limits, max(children, 1), child_module)
        intake._tick()
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                for _ in range(intake._children):
                    intake._spawn()
                await intake._all_ready.wait()
        except TimeoutError:
            await intake.close()
            raise DependencyDown("The image decoders do not start.") from None
        except BaseException:
            await intake.close()
            raise
        if intake._failures:
            await intake.close()
            raise DependencyDown("The image decoders die while they start.")
        return intake

    async def decode(self, data: bytes, specs: Sequence[InputSpec]) -> DecodedImage:
        """Check and decode one upload; see `ImageIntake.decode`."""
        try:
            check_upload(data, self._limits)
        except Refusal as refusal:
            raise public_error(refusal.code) from None
        self._admit(len(data))
        job = Job(data, tuple(specs), self._loop.create_future(), self._loop.time())
        self._jobs.add(job)
        self._wait(job)
        self._dispatch()
        try:
            return await job.future
        finally:
            self._jobs.discard(job)
            # A refusal knows this frame, and the job the refusal: in a circle, they would keep the upload alive.
            del job

    async def close(self) -> None:
        """End the children; images in flight fail with `Overloaded`."""
        self._closed = True
        if self._ticker is not None:
            self._ticker.cancel()
        for task in self._tasks:
            task.cancel()
        decoders = [*self._decoders, *self._ending]
        for job in self._jobs:
            job.fail(Overloaded("The service is stopping."))
        for decoder in decoders:
            decoder.kill(TOO_COMPLEX)
        await asyncio.gather(*(asyncio.to_thread(decoder.process.wait) for decoder in decoders))
        self._all_ready.set()

    def decoder_ready(self, decoder: Decoder) -> None:  # noqa: ARG002 - any child will do
        self._failures = 0
        if sum(each.is_ready for each in self._decoders) >= self._children:
            self._all_ready.set()
            for each in self._decoders:
                self._let_go(each)
        self._dispatch()

    def decoder_answered(self, decoder: Decoder) -> None:
        worn = decoder.served >= self._limits.recycle_after
        swollen = decoder.resident_kib * 1024 > self._limits.max_resident_bytes
        if (worn or swollen) and not decoder.has_successor:
            decoder.has_successor = True
            self._spawn()
        self._let_go(decoder)
        self._dispatch()

    def decoder_lost(self, decoder: Decoder) -> None:
        if decoder not in self._decoders:
            return
        self._decoders.remove(decoder)
        self._ending.append(decoder)
        if self._closed:
            return
        if not decoder.has_successor:
            self._failures += 1
            if self._failures >= _MOST_FALSE_STARTS and not self._all_ready.is_set():
                self._all_ready.set()
                return
            self._spawn()
        self._run(self._settle(decoder))

    async def _settle(self, decoder: Decoder) -> None:
        """Blame the image that the child worked on; what was queued behind it is innocent.

        A child that died on its own may have been killed from outside, so its image gets a second child.
        """
        jobs = list(decoder.pending)
        decoder.pending.clear()
        for job in reversed(jobs[1:]):
            self._wait(job, first=True)
        self._dispatch()
        if not jobs:
            return
        culprit = jobs[0]
        culprit.tries += 1
        verdict = await decoder.cause_of_death()
        if verdict is not None or culprit.tries >= _MOST_TRIES:
            culprit.fail(public_error(verdict or CORRUPT))
        else:
            self._wait(culprit, first=True)
            self._dispatch()

    def _admit(self, size: int) -> None:
        if self._closed:
            raise Overloaded("The service is stopping.")
        is_full = len(self._waiting) >= self._limits.max_waiting
        if is_full or (self._waiting and self._waiting_bytes + size > self._limits.max_waiting_bytes):
            raise Overloaded("Too many images wait to be decoded.")

    def _wait(self, job: Job, *, first: bool = False) -> None:
        self._waiting_bytes += len(job.upload)
        if first:
            self._waiting.appendleft(job)
        else:
            self._waiting.append(job)

    def _take(self) -> Job:
        job = self._waiting.popleft()
        self._waiting_bytes -= len(job.upload)
        return job

    def _dispatch(self) -> None:
        while self._waiting:
            if self._waiting[0].future.done():
                self._take()
                continue
            decoder = self._free_decoder(self._waiting[0])
            if decoder is None:
                return
            decoder.send(self._take())

    def _free_decoder(self, job: Job) -> Decoder | None:
        best: Decoder | None = None
        for decoder in self._decoders:
            if not decoder.is_ready or decoder.is_leaving:
                continue
            if not decoder.pending:
                return decoder
            if best is None or len(decoder.pending) < len(best.pending):
                best = decoder
        if best is None or len(best.pending) >= _DEPTH_OF_SMALL or len(job.upload) > _SMALL_BYTES:
            return None
        return best if all(len(each.upload) <= _SMALL_BYTES for each in best.pending) else None

    def _let_go(self, decoder: Decoder) -> None:
        """Retire a worn child once enough others take images and it owes no answer."""
        if not decoder.has_successor:
            return
        fresh = sum(each.is_ready and not each.has_successor for each in self._decoders)
        if fresh < self._children:
            return
        decoder.is_leaving = True
        if not decoder.pending:
            decoder.leave()

    def _spawn(self) -> None:
        self._run(self._spawn_after_pause())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _spawn_after_pause(self) -> None:
        """A child that dies at once would otherwise be started again without end."""
        if self._failures > 1:
            await asyncio.sleep(min(0.05 * 2**self._failures, _LONGEST_PAUSE_S))
        try:
            decoder = Decoder.spawn(self, self._limits, self._child_module)
            self._decoders.append(decoder)
            await decoder.connect()
        except OSError:
            self._failures += 1
            self._spawn()

    def _tick(self) -> None:
        """Kill what takes too long, turn away what waited too long, collect what ended."""
        now = self._loop.time()
        for decoder in list(self._decoders):
            if decoder.pending and now - decoder.busy_since > self._limits.time_limit_ms / 1000:
                decoder.kill(TOO_COMPLEX)
        while self._waiting and now - self._waiting[0].accepted_at > self._limits.max_wait_ms / 1000:
            self._take().fail(Overloaded("Too many images wait to be decoded."))
        self._ending = [each for each in self._ending if each.process.poll() is None]
        if not self._closed:
            self._ticker = self._loop.call_later(_TICK_S, self._tick)
