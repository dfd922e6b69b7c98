"""How many images, and how many days? A live split next to a paired shadow test, at today's traffic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from splitleaf.core.clock import Clock
from splitleaf.core.errors import Unprocessable
from splitleaf.outcomes.store import OutcomeStore

if TYPE_CHECKING:
    from splitleaf.statistics.power import Plan as Planned

DAY_MS = 86_400_000
_MOST: Final = 10**15
"""More than all images that are taken in the world in a thousand years, and a number that any client can read."""
MOST_MISTAKEN: Final = 0.4
_BEYOND_COUNTING: Final = "it would take more images or days than can be counted: ask for less"


@dataclass(frozen=True, slots=True)
class Question:
    """Rates as shares: 0.9 is 90 %."""

    baseline: float
    """What the control achieves."""
    mde: float
    """Smallest difference that is to be noticed; negative for a candidate that is worse."""
    discordance: float | None = None
    """Share of images on which exactly one version is right; None: three times the difference."""
    disagreement: float | None = None
    """Share of images on which versions that probably agree disagree; None: a fifth of the difference."""
    share: float = 0.5
    """Of the candidate, in a live split."""
    alpha: float = 0.05
    power: float = 0.8
    images_per_day: float | None = None
    """None: what the last 24 hours had."""
    mistaken: float = 0.0
    """Share of the labels that are expected to be wrong: the difference looks smaller than it is."""


@dataclass(frozen=True, slots=True)
class Size:
    fixed_images: int
    """For one look at the end."""
    images: int
    """For looking at any time: the plan's `planned_n`."""
    labels: int
    days: int | None
    """None: there are no images."""


@dataclass(frozen=True, slots=True)
class Sizing:
    images_per_day: float
    discordance: float
    live: Size
    """Each image is answered by one version, and each needs a label."""
    shadow: Size
    """Both versions score each image, and only those that they disagree on need a label."""
    disagreement: float
    alike: Size | None
    """Both versions score each image and disagree so rarely that no label is needed to know that their accuracies
    differ by less than the difference asked about. None: they disagree too often for that."""


def size_experiment(store: OutcomeStore, question: Question, clock: Clock) -> Sizing:
    """Raises `Unprocessable` (`invalid_question`) for rates that cannot be."""
    traffic = question.images_per_day
    if traffic is None:
        traffic = float(store.count_since(clock.now_ms() - DAY_MS))
    discordance = question.discordance
    if discordance is None:
        discordance = min(1.0, 3 * abs(question.mde))
    disagreement = abs(question.mde) / 5 if question.disagreement is None else question.disagreement
    _require_sense(question, discordance)
    # Imported here: it brings numpy, which an API process need not have in memory for its images.
    from splitleaf.statistics.disagreement import items_needed
    from splitleaf.statistics.power import allow_for_mistakes, plan_pairs, plan_split

    daily, alpha, power = traffic or 1.0, question.alpha, question.power
    candidate = question.baseline + question.mde
    try:
        live = plan_split(question.baseline, candidate, daily, share=question.share, alpha=alpha, power=power)
        shadow = plan_pairs(question.mde, discordance, daily, alpha=alpha, power=power)
        live, shadow = (allow_for_mistakes(one, question.mistaken, daily) for one in (live, shadow))
        images = items_needed(disagreement, abs(question.mde), power, alpha)
        days = math.ceil(images / traffic) if images is not None and traffic else None
    except (ArithmeticError, ValueError) as error:
        # Rates that differ by less than a number's last digit, say, or a share of none.
        raise _invalid(_BEYOND_COUNTING) from error
    if max(live.labels, live.days, shadow.sequential_images, shadow.days, images or 0, days or 0) > _MOST:
        raise _invalid(_BEYOND_COUNTING)
    alike = None if images is None else Size(images, images, 0, days)
    return Sizing(traffic, discordance, _size(live, traffic), _size(shadow, traffic), disagreement, alike)


def _require_sense(question: Question, discordance: float) -> None:
    candidate = question.baseline + question.mde
    if not (0 < question.baseline < 1 and 0 < candidate < 1 and question.mde):
        raise _invalid("baseline and baseline + mde lie between 0 and 1 and differ")
    if not abs(question.mde) <= discordance <= 1:
        raise _invalid("the versions differ on at least as many images as they differ in accuracy")
    if question.disagreement is not None and not 0 <= question.disagreement <= 1:
        raise _invalid("the share of images on which versions disagree lies between 0 and 1")
    if not (0 < question.share < 1 and 0 < question.alpha <= 0.5 and 0 < question.power < 1):
        raise _invalid("share and power lie between 0 and 1, alpha between 0 and 0.5")
    if not 0 <= question.mistaken <= MOST_MISTAKEN:
        raise _invalid(f"the share of mistaken labels lies between 0 and {MOST_MISTAKEN:g}")
    if question.images_per_day is not None and not 0 <= question.images_per_day < math.inf:
        raise _invalid("the images of a day are a number from 0 up")


def _invalid(detail: str) -> Unprocessable:
    return Unprocessable(detail, code="invalid_question")


def _size(planned: Planned, traffic: float) -> Size:
    days = planned.days if traffic else None
    return Size(planned.fixed_images, planned.sequential_images, planned.labels, days)
