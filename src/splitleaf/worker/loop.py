"""The loop of a worker: take -> classify -> finish, with leases kept alive next to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from splitleaf.core.clock import Clock
from splitleaf.core.errors import DependencyDown
from splitleaf.flows.classify_batch import classify_batch
from splitleaf.jobs.queue import Claim, Completion, JobConsumer, Recovery
from splitleaf.worker.versions import VersionPool

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a worker paces itself."""

    threads: int
    lease_ms: int
    batch_timeout_s: float
    drain_timeout_s: float
    block_ms: int = 500
    prefetch: int = 1
    """Batches claimed beyond what computes, so that no thread waits for the broker."""
    retry_s: float = 0.25


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """A batch whose results were submitted."""

    completions: Sequence[Completion]
    visible: int
    """Results that counted: the first of their predictions."""
    total_ms: float
    """From the claim until the broker had the results."""


class WorkObserver(Protocol):
    """Who is told of a worker's work."""

    def finished(self, facts: BatchFacts) -> None: ...

    def recovered(self, recovery: Recovery) -> None: ...


@dataclass(eq=False, slots=True)
class _Batch:
    claims: Sequence[Claim]
    taken_at: float
    started_at: float | None = field(default=None)


class WorkerLoop:
    """Takes whatever waits as a batch, computes in threads, and finishes each task once."""

    def __init__(
        self,
        consumer: JobConsumer,
        versions: VersionPool,
        options: LoopOptions,
        clock: Clock,
        abort: Callable[[str], None],
        *,
        observers: Sequence[WorkObserver] = (),
    ) -> None:
        """`abort` ends the process at once: the only cure for a network that hangs in native code."""
        self._consumer = consumer
        self._versions = versions
        self._options = options
        self._clock = clock
        self._abort = abort
        self._observers = observers
        self._threads = ThreadPoolExecutor(options.threads, thread_name_prefix="inference")
        self._room = asyncio.Semaphore(options.threads + options.prefetch)
        self._batches: set[_Batch] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take nothing more; `run` returns when what was started is finished."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    async def run(self) -> None:
        """Work until stopped, then drain: finish what has started and give back the rest."""
        beside = [asyncio.create_task(self._regularly(one)) for one in (self._keep_leases, self._look_after_queue)]
        try:
            await self._serve()
            await self._drain()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        while await self._has_room():
            claims: Sequence[Claim] = ()
            try:
                claims = await self._take()
            finally:
                if not claims:
                    self._room.release()
                elif any(claim.deliveries > 1 for claim in claims):
                    await self._stopping_or(self._start(claims, after=tuple(self._tasks)))
                else:
                    self._start(claims)

    async def _has_room(self) -> bool:
        """Wait for a place in hand; False once stopped, even when every place is held by a network that hangs."""
        if self._room.locked():
            room = asyncio.ensure_future(self._room.acquire())
            await self._stopping_or(room)
            if not room.done():
                room.cancel()
                return False
        else:
            await self._room.acquire()
        if self._stopping.is_set():
            self._room.release()
            return False
        return True

    async def _stopping_or(self, done: asyncio.Future[Any]) -> None:
        stop = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({done, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()

    async def _take(self) -> Sequence[Claim]:
        caps = self._caps()
        if not caps:
            await self._pause()
            return ()
        try:
            return await self._consumer.take(caps, self._options.block_ms)
        except DependencyDown as error:
            log.warning("broker_down", detail=error.detail, **error.context)
            await self._pause()
            return ()
        except Exception:
            # Whatever stands in the broker: a worker that ends of it ends again each time it is started.
            log.exception("nothing_taken")
            await self._pause()
            return ()

    def _caps(self) -> dict[str, int]:
        return {version: one.manifest.batching.cap for version, one in self._versions.serving().items()}

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._options.retry_s)

    def _start(self, claims: Sequence[Claim], after: Collection[asyncio.Task[None]] = ()) -> asyncio.Task[None]:
        """Register the batch at once, so that its leases are kept from now on, and process it.

        `after` is for a task whose last worker died: it may be what killed it, so it waits until nothing else
        is in hand that would die of it again, and be counted as a suspect.
        """
        batch = _Batch(claims, self._clock.monotonic())
        self._batches.add(batch)
        task = asyncio.create_task(self._process(batch, after))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _process(self, batch: _Batch, after: Collection[asyncio.Task[None]]) -> None:
        if after:
            await asyncio.wait(after)
        try:
            completions = await asyncio.get_running_loop().run_in_executor(self._threads, self._compute, batch)
            if completions is None:
                await self._consumer.release(batch.claims)
            else:
                await self._finish(batch, completions)
        except DependencyDown as error:
            log.warning("batch_left_to_its_lease", detail=error.detail, tasks=len(batch.claims))
        except Exception:
            log.exception("batch_left_to_its_lease", tasks=len(batch.claims))
        finally:
            self._batches.discard(batch)
            self._room.release()

    def _compute(self, batch: _Batch) -> list[Completion] | None:
        """Run in a thread. None: the version went away between the claim and now."""
        first = batch.claims[0]
        classifier = self._versions.classifier_for(first.version, first.tensor)
        if classifier is None:
            return None
        batch.started_at = self._clock.monotonic()
        try:
            return classify_batch(batch.claims, classifier)
        finally:
            # The watchdog is for networks, not for a broker that is away while the results are submitted.
            batch.started_at = None

    async def _finish(self, batch: _Batch, completions: Sequence[Completion]) -> None:
        """Submit the results. During an outage of the broker, try again for as long as they may count."""
        give_up_at = self._clock.monotonic() + self._options.batch_timeout_s
        while True:
            try:
                visible = await self._consumer.finish(completions)
            except DependencyDown:
                if self._clock.monotonic() > give_up_at:
                    raise
                await asyncio.sleep(self._options.retry_s)
            else:
                total_ms = (self._clock.monotonic() - batch.taken_at) * 1000
                self._tell(BatchFacts(completions, visible, total_ms))
                return

    def _tell(self, facts: BatchFacts) -> None:
        for observer in self._observers:
            observer.finished(facts)
        completions = facts.completions
        first = completions[0]
        log.info(
            "batch",
            version=first.served_version,
            size=len(completions),
            visible=facts.visible,
            failed=sum(completion.failure is not None for completion in completions),
            queue_ms=round(max(completion.timings.queue_ms for completion in completions), 2),
            inference_ms=round(first.timings.inference_ms, 2),
            total_ms=round(facts.total_ms, 2),
            requests=[completion.claim.context.request_id for completion in completions],
        )

    async def _regularly(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do this three times a lease, forever: whatever goes wrong once must not be the last time."""
        while True:
            await asyncio.sleep(self._options.lease_ms / 3000)
            try:
                await action()
            except DependencyDown as error:
                log.warning("broker_down", detail=error.detail)
            except Exception:
                log.exception("leases_not_looked_after")

    async def _keep_leases(self) -> None:
        """Renew the leases of all claims in hand. Next to the computation, so that it cannot be held up by it.

        A lease outlives a network that hangs, so a batch that takes far too long ends the process: its
        tasks go to another worker, and after too many deaths to the dead letters.
        """
        now = self._clock.monotonic()
        for batch in self._batches:
            started_at = batch.started_at  # read once: a thread writes it
            if started_at is not None and now - started_at > self._options.batch_timeout_s:
                self._abort(f"a batch of {batch.claims[0].version} has run for {now - started_at:.0f} s")
        if claims := [claim for batch in self._batches for claim in batch.claims]:
            await self._consumer.heartbeat(claims)

    async def _look_after_queue(self) -> None:
        """Return what workers that died held, for `take` to give out one by one; end what is past its time."""
        if self._stopping.is_set() or not (caps := self._caps()):
            return
        recovery = await self._consumer.recover(caps)
        for observer in self._observers:
            observer.recovered(recovery)
        if recovery.handed_back or recovery.dead_lettered or recovery.expired:
            log.info(
                "recovered",
                handed_back=recovery.handed_back,
                dead_lettered=recovery.dead_lettered,
                expired=recovery.expired,
            )

    async def _drain(self) -> None:
        if self._tasks:
            log.info("draining", batches=len(self._tasks))
            await asyncio.wait(self._tasks, timeout=self._options.drain_timeout_s)
        left = [claim for batch in self._batches for claim in batch.claims]
        if left:
            try:
                await self._consumer.release(left)
            except DependencyDown as error:
                log.warning("left_to_their_leases", detail=error.detail, tasks=len(left))
            # A thread cannot be stopped, and would keep the process from ending.
            self._abort(f"{len(left)} images were not done within {self._options.drain_timeout_s:.0f} s of stopping")
