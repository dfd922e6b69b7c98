"""An accepted image -> the versions that score it unseen. In the background, and given up before it is in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from splitleaf.core.errors import Overloaded, SplitleafError
from splitleaf.core.ids import shadow_prediction_id
from splitleaf.core.preprocessing import InputSpec
from splitleaf.core.tensor import ImageTensor
from splitleaf.images.intake import ImageIntake
from splitleaf.jobs.admission import Admission
from splitleaf.jobs.queue import JobQueue, Priority, Task
from splitleaf.registry.manifest import Manifest

log = structlog.get_logger(__name__)

MOST_IN_HAND: Final = 8
"""Images that wait here to be handed over. More are given up: their uploads would fill the memory."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An image that the queue has for its answer."""

    task: Task
    spec: InputSpec
    """Of the task's tensor."""
    data: bytes
    """The upload."""


class ShadowRuns:
    """Whatever goes wrong here, no one who waits for an answer notices."""

    def __init__(self, intake: ImageIntake, queue: JobQueue, admission: Admission) -> None:
        self._intake = intake
        self._queue = queue
        self._admission = admission
        self._in_hand: set[asyncio.Task[None]] = set()

    def offer(self, accepted: Accepted, shadows: Sequence[Manifest]) -> bool:
        """Begin to hand the image to these versions; return False when that was given up at once."""
        if not shadows:
            return False
        if len(self._in_hand) >= MOST_IN_HAND:
            log.debug("shadows_shed", bound="in hand", versions=len(shadows))
            return False
        run = asyncio.create_task(self._run(accepted, shadows))
        self._in_hand.add(run)
        run.add_done_callback(self._in_hand.discard)
        return True

    async def finish(self) -> None:
        """Wait for the work in progress."""
        await asyncio.gather(*self._in_hand)

    async def _run(self, accepted: Accepted, shadows: Sequence[Manifest]) -> None:
        for manifest in shadows:
            try:
                self._admission.check(manifest.version, Priority.SHADOW, "")
                tensor = await self._tensor(accepted, manifest.preprocessing.input_spec)
                await self._queue.submit(_task(accepted.task, manifest.version, tensor))
            except Overloaded as error:
                # Ordinary: shadow work is refused long before any other.
                log.debug("shadows_shed", bound=error.context.get("bound"), version=manifest.version)
            except SplitleafError as error:
                log.info("shadow_not_handed_over", reason=error.detail, version=manifest.version)
            except Exception:
                log.exception("shadow_failed", version=manifest.version)

    async def _tensor(self, accepted: Accepted, spec: InputSpec) -> ImageTensor:
        if spec == accepted.spec:
            return accepted.task.tensor
        # Prepared again, and only now: one image of two sizes would have made its answer later.
        return (await self._intake.decode(accepted.data, [spec])).tensors[0]


def _task(primary: Task, version: str, tensor: ImageTensor) -> Task:
    context = replace(primary.context, primary_id=primary.id, fallback="", fingerprint="")
    shadow_id = shadow_prediction_id(primary.id, version)
    return Task(shadow_id, version, tensor, primary.ttl_ms, Priority.SHADOW, context)
