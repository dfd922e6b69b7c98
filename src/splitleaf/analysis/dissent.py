"""Whose labels are against everyone else's?

Each author is compared with the decision on an image or, without one, with what most others said of it. An author is
named if they contradict the others more often than `TOLERATED`, by an exact bound (`proportions`) that holds for all
judged authors together, on at least `MIN_COMPARED` images.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from splitleaf.outcomes.events import Feedback, FeedbackSource
from splitleaf.statistics.proportions import estimate_rate

TOLERATED: Final = 0.05
MIN_COMPARED: Final = 10
"""Authors with fewer compared images are not judged: on two hard images, anyone may contradict another label twice."""


@dataclass(frozen=True, slots=True)
class Dissenter:
    author: str
    against: int
    compared: int
    """Images of which someone else said something, too."""


def find_dissenters(annotations: Sequence[Feedback], alpha: float = 0.05) -> list[Dissenter]:
    """Return the authors to be named, the one that is against most first; `annotations` are current labels."""
    images: defaultdict[str, list[Feedback]] = defaultdict(list)
    for one in annotations:
        images[one.prediction_id].append(one)
    compared: Counter[str] = Counter()
    against: Counter[str] = Counter()
    for said in images.values():
        for one in said:
            if one.source is not FeedbackSource.ADJUDICATION and (others := _others(one, said)):
                compared[one.author] += 1
                against[one.author] += one.label not in others
    judged = {author: count for author, count in compared.items() if count >= MIN_COMPARED}
    found = [
        Dissenter(author, against[author], count)
        for author, count in judged.items()
        if estimate_rate(against[author], count - against[author], alpha / len(judged)).interval.low > TOLERATED
    ]
    return sorted(found, key=lambda one: (-one.against, one.author))


def _others(annotation: Feedback, said: Sequence[Feedback]) -> set[str | None]:
    """Return what the image shows by the decision, else the labels that most of the others gave."""
    decided = [one.label for one in said if one.source is FeedbackSource.ADJUDICATION]
    if decided:
        return {decided[-1]}
    counts = Counter(one.label for one in said if one.author != annotation.author)
    return {label for label, count in counts.items() if count == max(counts.values())}
