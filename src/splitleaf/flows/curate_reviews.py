"""Recorded outcomes -> what experts should look at; kept images -> gone when their time is over.

Runs next to the recorder. Of several that run, one at a time moves on, and what one does twice is done once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from splitleaf.core.clock import Clock
from splitleaf.core.errors import Conflict, DependencyDown
from splitleaf.experiments.bucketing import SLOTS, slot_of
from splitleaf.images.archive import ImageArchive, Swept
from splitleaf.outcomes.events import Outcome
from splitleaf.outcomes.reviews import ReviewItem, ReviewReason
from splitleaf.outcomes.store import OutcomeStore

log = structlog.get_logger(__name__)

AT_ONCE: Final = 2_000
PERIOD_S: Final = 1.0
SWEEP_PERIOD_S: Final = 60.0
_LARGEST_PLACE: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much is kept."""

    keep_ms: int
    max_bytes: int


class ReviewCurator:
    """Enrols what is to be labelled, and sweeps the images."""

    def __init__(
        self,
        store: OutcomeStore,
        clock: Clock,
        audit_share: float,
        *,
        images: ImageArchive | None = None,
        retention: Retention | None = None,
        period_s: float = PERIOD_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._audit_slots = round(audit_share * SLOTS)
        self._images = images
        self._retention = retention
        self._period_s = period_s
        self._salts: dict[str, str] = {"": ""}

    async def run(self, stop: asyncio.Event) -> None:
        """Continue until stopped. What is down is tried again."""
        next_sweep = self._clock.monotonic()
        while not stop.is_set():
            is_full = False
            try:
                is_full = await asyncio.to_thread(self.enrol_once) == AT_ONCE
                if self._clock.monotonic() >= next_sweep:
                    next_sweep = self._clock.monotonic() + SWEEP_PERIOD_S
                    await asyncio.to_thread(self.sweep_once)
            except (DependencyDown, Conflict) as error:
                log.debug("reviews_not_curated_yet", detail=error.detail)
            except Exception:
                log.exception("reviews_not_curated")
            if not is_full:
                await _stopped(stop, self._period_s)

    def enrol_once(self) -> int:
        """Look at the outcomes that follow on what was looked at; return how many those were.

        Raises `Conflict` when someone else did so at the same moment: nothing is written then.
        """
        place = self._store.review_progress()
        outcomes = self._store.outcomes_after(place, AT_ONCE)
        if not outcomes:
            return 0
        items = [*self._of_primaries(outcomes), *self._disagreements(outcomes)]
        reached = outcomes[-1].number
        self._store.enrol(items, expected=place, reached=reached, now_ms=self._clock.now_ms())
        return len(outcomes)

    def sweep_once(self) -> Swept | None:
        """Delete the images whose time is over; None where none are kept."""
        if self._images is None or self._retention is None:
            return None
        before_ms = self._clock.now_ms() - self._retention.keep_ms
        swept = self._images.sweep(before_ms, self._retention.max_bytes)
        if swept.discarded:
            log.info("images_swept", discarded=swept.discarded, kept=swept.kept, kept_bytes=swept.kept_bytes)
        return swept

    def _of_primaries(self, outcomes: Sequence[Outcome]) -> Iterator[ReviewItem]:
        for one in outcomes:
            if one.role != "primary" or one.label is None or one.override:
                continue
            salt = self._salt(one.experiment)
            if is_audited(salt, one.prediction_id, self._audit_slots):
                place = random_place(salt, one.prediction_id)
                yield _item(one, ReviewReason.AUDIT, place, self._audit_slots / SLOTS)
            if one.is_sure is False:
                # The least sure one first: these labels say nothing of the whole, and are drawn by no one.
                yield _item(one, ReviewReason.UNSURE, round((one.confidence or 0.0) * _LARGEST_PLACE))

    def _disagreements(self, outcomes: Sequence[Outcome]) -> Iterator[ReviewItem]:
        """Yield the images whose last outcome but one is there by now, and of which not all said the same."""
        images = {one.primary_id or one.prediction_id for one in outcomes if one.experiment}
        groups: dict[str, list[Outcome]] = {}
        for one in self._store.outcomes_of_images(images) if images else ():
            groups.setdefault(one.primary_id or one.prediction_id, []).append(one)
        for image_id, group in groups.items():
            primary = next((one for one in group if one.prediction_id == image_id), None)
            labels = {one.label for one in group if one.label is not None}
            if primary is not None and not primary.override and len(labels) > 1:
                place = random_place(self._salt(primary.experiment), image_id)
                yield _item(primary, ReviewReason.DISAGREEMENT, place)

    def _salt(self, experiment: str) -> str:
        """Return an experiment's salt, which nothing changes once it has outcomes."""
        if experiment not in self._salts:
            record = self._store.experiment(experiment)
            self._salts[experiment] = record.salt if record else ""
        return self._salts[experiment]


def is_audited(salt: str, prediction_id: str, slots: int) -> bool:
    """Draw this many of 10,000 by a stable hash that knows nothing of how images are assigned or shadows sampled.

    With the experiment's salt: a client that chooses an `Idempotency-Key` chooses the id, and must not choose the draw.
    """
    return slot_of(f"{salt}:audit", prediction_id) < slots


def random_place(salt: str, prediction_id: str) -> int:
    """Return a place in [0, 2^31) by a stable hash of another key than the draw's.

    Random, because a part of the disagreements or of the audit is only a fair sample when chance chose it. The same
    for both reasons: what is labelled for one of them is soon in its turn for the other.
    """
    digest = hashlib.blake2b(f"{salt}:review\0{prediction_id}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def _item(outcome: Outcome, reason: ReviewReason, place: int, chance: float | None = None) -> ReviewItem:
    return ReviewItem(outcome.prediction_id, outcome.experiment, reason, chance, place, outcome.created_ms)


async def _stopped(stop: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), timeout_s)
