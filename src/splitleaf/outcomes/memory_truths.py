"""Labels and the review queue in memory: for tests of what stands on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from splitleaf.core.errors import Conflict
from splitleaf.outcomes.events import Feedback, FeedbackSource, Outcome, Verdict
from splitleaf.outcomes.reviews import AuditDraw, Claim, ReviewCount, ReviewItem, ReviewReason, ReviewTurn, TurnKind
from splitleaf.outcomes.truths import ASKED, PRECEDENCE, LabelledOutcome, ResponseCount, is_right

_OF_EXPERTS = frozenset({FeedbackSource.EXPERT, FeedbackSource.AUDIT})


class TruthMemory:
    """Looks at the store's own outcomes and feedback. Whoever calls it holds a lock."""

    def __init__(self, outcomes: Mapping[str, Outcome], feedback: Sequence[Feedback]) -> None:
        self._outcomes = outcomes
        self._feedback = feedback
        self.progress = 0
        self.items: list[ReviewItem] = []
        self.turns: list[ReviewTurn] = []

    def standing(self) -> list[tuple[int, Feedback]]:
        newest = {
            (one.prediction_id, one.source, one.author): (number, one) for number, one in enumerate(self._feedback, 1)
        }
        return sorted(
            (pair for pair in newest.values() if pair[1].verdict is not Verdict.WITHDRAWN), key=lambda p: p[0]
        )

    def truths(self, experiment: str, sources: Collection[FeedbackSource]) -> Iterator[LabelledOutcome]:
        words: defaultdict[str, list[Feedback]] = defaultdict(list)
        for _, one in self.standing():
            if one.source in sources and one.verdict is Verdict.ANSWER:
                words[one.prediction_id].append(one)
        for picture_id in sorted(words):
            primary = self._outcomes.get(picture_id)
            if primary is None or primary.role != "primary" or primary.override or primary.experiment != experiment:
                continue
            first = min(words[picture_id], key=lambda one: PRECEDENCE.index(one.source)).source
            of_source = [one for one in words[picture_id] if one.source is first]
            if of_source[-1].label is not None or of_source[-1].correct is False:
                for outcome in self._of_picture(picture_id):
                    yield _labelled(outcome, primary, of_source)

    def count_responses(self, experiment: str) -> list[ResponseCount]:
        said = {one.prediction_id: one for _, one in self.standing() if one.source is FeedbackSource.USER}
        counts: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for one in self._outcomes.values():
            is_shown = one.role == "primary" and one.status == "succeeded" and not one.override
            if is_shown and one.experiment == experiment:
                word = said.get(one.prediction_id)
                count = counts[one.revision, one.variant]
                count[0] += 1
                count[1] += word is not None
                count[2] += word is not None and word.correct is True
        return [ResponseCount(*arm, *counts[arm]) for arm in sorted(counts)]

    def labels_after(self, number: int, limit: int, experiment: str | None) -> list[tuple[int, Feedback]]:
        return [
            (place, one)
            for place, one in self.standing()
            if place > number and one.source in ASKED and self._is_of(one.prediction_id, experiment)
        ][:limit]

    def enrol(self, items: Sequence[ReviewItem], expected: int, reached: int) -> int:
        if self.progress != expected:
            raise Conflict("somebody else looked at these outcomes at the same moment")
        there = {(item.prediction_id, item.reason) for item in self.items}
        new = {(item.prediction_id, item.reason): item for item in items}
        missing = [item for key, item in new.items() if key not in there]
        self.items += missing
        self.progress = reached
        return len(missing)

    def lease_item(self, claim: Claim) -> str | None:
        held = self._held(claim)
        if held is not None:
            self.turns.append(replace(held, until_ms=claim.until_ms, created_ms=claim.now_ms))
            return held.prediction_id
        for reason in claim.reasons:
            found = [item for item in self.items if item.reason is reason and self._is_for(claim, item)]
            if found:
                first = min(found, key=lambda item: (item.place, item.prediction_id)).prediction_id
                self.turns.append(ReviewTurn(first, claim.expert, TurnKind.LEASED, claim.until_ms, claim.now_ms))
                return first
        return None

    def _held(self, claim: Claim) -> ReviewTurn | None:
        newest = {turn.prediction_id: turn for turn in self.turns if turn.expert == claim.expert}
        for turn in self.turns:
            is_held = turn.kind is TurnKind.LEASED and claim.is_in_force(turn.until_ms)
            if is_held and newest.get(turn.prediction_id) is turn:
                items = [one for one in self.items if one.prediction_id == turn.prediction_id]
                if any(self._is_for(claim, one, held=True) for one in items):
                    return turn
        return None

    def last_turn(self, prediction_id: str, expert: str) -> ReviewTurn | None:
        mine = [turn for turn in self.turns if (turn.prediction_id, turn.expert) == (prediction_id, expert)]
        return mine[-1] if mine else None

    def audit_draws(self, experiment: str) -> list[AuditDraw]:
        newest = {(turn.prediction_id, turn.expert): turn for turn in self.turns}
        given_up = {turn.prediction_id for turn in self.turns if turn.kind is TurnKind.GONE}
        given_up |= {turn.prediction_id for turn in newest.values() if turn.kind is TurnKind.SKIPPED}
        given_up |= {
            one.prediction_id
            for _, one in self.standing()
            if one.source in _OF_EXPERTS and one.verdict is Verdict.CANNOT_TELL
        }
        draws = [
            AuditDraw(
                one.prediction_id,
                self._outcomes[one.prediction_id].variant,
                one.sampling_probability or 0.0,
                one.place,
                one.created_ms,
                one.prediction_id in given_up,
            )
            for one in self.items
            if one.reason is ReviewReason.AUDIT and one.experiment == experiment and one.prediction_id in self._outcomes
        ]
        return sorted(draws, key=lambda one: (one.created_ms, one.prediction_id))

    def outcomes_of_pictures(self, prediction_ids: Collection[str]) -> list[Outcome]:
        primaries = [one for one in self._outcomes.values() if one.prediction_id in prediction_ids]
        shadows = [one for one in self._outcomes.values() if one.primary_id and one.primary_id in prediction_ids]
        return primaries + shadows

    def count_reviews(self, experiment: str) -> list[ReviewCount]:
        words: defaultdict[str, set[Verdict]] = defaultdict(set)
        for _, one in self.standing():
            if one.source in _OF_EXPERTS:
                words[one.prediction_id].add(one.verdict)
        gone = {turn.prediction_id for turn in self.turns if turn.kind is TurnKind.GONE}
        counts = []
        for reason in sorted(ReviewReason):
            ids = [one.prediction_id for one in self.items if one.reason is reason and one.experiment == experiment]
            labelled = sum(Verdict.ANSWER in words[one] for one in ids)
            silent = [one for one in ids if not words[one]]
            if ids:
                lost = sum(one in gone for one in silent)
                counts.append(ReviewCount(reason, len(ids), labelled, len(ids) - labelled - len(silent), lost))
        return counts

    def expert_labels(self, experiment: str) -> list[Feedback]:
        ids = {item.prediction_id for item in self.items if item.experiment == experiment}
        return [one for _, one in self.standing() if one.source in _OF_EXPERTS and one.prediction_id in ids]

    def _is_of(self, prediction_id: str, experiment: str | None) -> bool:
        outcome = self._outcomes.get(prediction_id)
        return experiment is None or (outcome is not None and outcome.experiment == experiment)

    def _of_picture(self, picture_id: str) -> list[Outcome]:
        mine = self.outcomes_of_pictures([picture_id])
        return sorted(mine, key=lambda one: (one.role != "primary", one.assigned_version))

    def _is_for(self, claim: Claim, item: ReviewItem, *, held: bool = False) -> bool:
        if item.experiment != claim.experiment or item.created_ms < claim.since_ms:
            return False
        if item.prediction_id in claim.besides:
            return False
        reasons = {one.reason for one in self.items if one.prediction_id == item.prediction_id}
        if not held and item.reason is ReviewReason.UNSURE and ReviewReason.DISAGREEMENT in reasons:
            return False
        turns = [turn for turn in self.turns if turn.prediction_id == item.prediction_id]
        if any(turn.kind is TurnKind.GONE for turn in turns):
            return False
        mine = self.last_turn(item.prediction_id, claim.expert)
        if mine is not None and mine.kind is TurnKind.SKIPPED:
            return False
        spoke = {
            one.author
            for _, one in self.standing()
            if one.prediction_id == item.prediction_id and one.source in _OF_EXPERTS
        }
        newest = {turn.expert: turn for turn in turns}
        leases = [one for one in newest.values() if one.kind is TurnKind.LEASED]
        hold = {one.expert for one in leases if claim.is_in_force(one.until_ms)}
        return claim.expert not in spoke and (held or len((spoke | hold) - {claim.expert}) < claim.opinions)


def _labelled(outcome: Outcome, primary: Outcome, words: Sequence[Feedback]) -> LabelledOutcome:
    truth = words[-1]
    return LabelledOutcome(
        picture_id=primary.prediction_id,
        role=outcome.role,
        revision=outcome.revision,
        variant=outcome.variant,
        version=outcome.assigned_version,
        unit_hash=outcome.unit_hash,
        status=outcome.status,
        label=outcome.label,
        confidence=outcome.confidence,
        created_ms=outcome.created_ms,
        truth=truth.label,
        is_right=is_right(outcome.label, primary.label, truth.label),
        source=truth.source,
        sampling_probability=truth.sampling_probability,
        is_contested=len({one.label for one in words if one.label is not None}) > 1,
    )
