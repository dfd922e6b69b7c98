"""Finding the preprocessing and the label order with which a network answers right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import ImportRefused
from splitleaf.engine.runtime import Runtime
from splitleaf.importing.evaluation import OutputKind, Scores, score
from splitleaf.importing.images import LabelledImages
from splitleaf.importing.labels import StatedLabels, match_by_answers, match_by_name
from splitleaf.importing.preprocessing import describe_values, plausible
from splitleaf.importing.statistics import paired_p_value, wilson_interval
from splitleaf.registry.drafts import PreprocessingDraft
from splitleaf.registry.manifest import Preprocessing

SAMPLE_PER_FOLDER = 12
FINALISTS = 4
_VALUES_KEPT = 2
_SAME = 0.05
"""Two preprocessings whose paired p-value is above this cannot be distinguished."""
_SAME_ORDER = 0.01

Order = tuple[int, ...]
Tick = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class TriedPreprocessing:
    """A row of the preprocessing table."""

    preprocessing: Preprocessing
    values: str
    """The scaling in words."""
    images: int
    accuracy: float
    low: float
    high: float
    confidence: float
    """Mean confidence, uncalibrated: a wrong preprocessing may be very sure of itself."""
    declared: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class TriedOrder:
    """A row of the label orders' table."""

    origin: str
    accuracy: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What the labelled images say."""

    preprocessing: Preprocessing
    order: Order
    """The output of each folder of images."""
    order_origin: str
    scores: Scores
    """For all images, among others in the chosen preprocessing."""
    table: tuple[TriedPreprocessing, ...]
    orders: tuple[TriedOrder, ...]
    warnings: tuple[str, ...]

    @property
    def right(self) -> NDArray[np.bool_]:
        return self.scores.right(self.preprocessing, self.order)


@dataclass(frozen=True, slots=True)
class Declared:
    """What is said about a version before anything is measured."""

    base: Preprocessing
    """Complete: what is stated, and neutral values."""
    fixed: PreprocessingDraft
    """What `--preprocessing` states: never overruled."""
    is_stated: bool
    """Whether anyone stated the base: `model.toml` or `repository.toml`."""
    labels: tuple[StatedLabels, ...] = field(default=())
    """Most binding first."""


def select(
    runtime: Runtime, images: LabelledImages, declared: Declared, *, classes: int, output: OutputKind, tick: Tick
) -> Selection:
    """Try what is plausible on a sample, then the best of it on all images, and choose."""
    if len(images.folders) > classes:
        raise ImportRefused(
            f"{images.name} has {len(images.folders)} folders, but the network only {classes} outputs",
            code="labels_do_not_fit",
        )
    sampled = _try_on_sample(runtime, images, declared, tick)
    finalists = _finalists(sampled, declared)
    scores = score(runtime, images, finalists, lambda done, total: tick("all images", done, total))
    chosen, warnings = _choose_preprocessing(scores, finalists, declared)
    orders = _orders(scores, chosen, declared.labels, images.folders, classes)
    origin, order, more = _choose_order(scores, chosen, orders, declared.labels)
    rows = _table(sampled, scores, finalists, chosen, order, declared=declared, output=output)
    tried = tuple(
        TriedOrder(name, float(scores.right(chosen, one).mean()), name == origin) for name, one in orders.items()
    )
    return Selection(chosen, order, origin, scores, rows, tried, (*warnings, *more))


def _try_on_sample(runtime: Runtime, images: LabelledImages, declared: Declared, tick: Tick) -> list[Scores]:
    """Scaling and channel order matter most: they are found with one filter, then the filter with the best two."""
    sample = images.sample(SAMPLE_PER_FOLDER)
    grid = plausible(declared.base, declared.fixed)
    first = [one for one in grid if one.resize is declared.base.resize]
    if declared.base not in first and not declared.fixed.stated():
        first.insert(0, declared.base)
    by_values = score(runtime, sample, first, lambda done, total: tick("scalings", done, total))
    ranked = sorted(first, key=lambda one: -_best_accuracy(by_values, one))[:_VALUES_KEPT]
    rest = [one for one in grid if one not in first and any(_same_values(one, best) for best in ranked)]
    if not rest:
        return [by_values]
    return [by_values, score(runtime, sample, rest, lambda done, total: tick("resize filters", done, total))]


def _finalists(sampled: Sequence[Scores], declared: Declared) -> list[Preprocessing]:
    tried = [(one, _best_accuracy(scores, one)) for scores in sampled for one in scores.outputs]
    ranked = [one for one, _ in sorted(tried, key=lambda pair: -pair[1])]
    return list(dict.fromkeys([*ranked[:FINALISTS], declared.base]))


def _choose_preprocessing(
    scores: Scores, finalists: Sequence[Preprocessing], declared: Declared
) -> tuple[Preprocessing, list[str]]:
    allowed = [one for one in finalists if _agrees(one, declared.fixed)]
    best = max(allowed, key=lambda one: _best_accuracy(scores, one))
    right = {one: scores.right(one, match_by_answers(scores.answer_counts(one))) for one in finalists}
    equals = [one for one in allowed if paired_p_value(right[best], right[one]) >= _SAME]
    prefers_declared = declared.is_stated or bool(declared.fixed.stated())
    chosen = declared.base if prefers_declared and declared.base in equals else best
    warnings = []
    if declared.is_stated and not _same_pixels(chosen, declared.base):
        warnings.append(
            f"declared is {describe(declared.base)} ({_percent(right[declared.base])} right); chosen is "
            f"{describe(chosen)} ({_percent(right[chosen])}), which these images prove better"
        )
    others = [one for one in equals if not np.array_equal(scores.outputs[one], scores.outputs[chosen])]
    if others and not (prefers_declared and chosen == declared.base):
        names = "; ".join(f"{describe(one)} ({_percent(right[one])})" for one in others)
        warnings.append(
            f"{len(right[best])} images cannot tell {describe(chosen)} ({_percent(right[chosen])}) from {names}: "
            "state which one training used, if you know it"
        )
    return chosen, warnings


def _orders(
    scores: Scores,
    chosen: Preprocessing,
    labels: Sequence[StatedLabels],
    folders: Sequence[str],
    classes: int,
) -> dict[str, Order]:
    """Return the candidates by origin, most trusted first. One origin may state an order that others share."""
    counts = scores.answer_counts(chosen)
    orders: dict[str, Order] = {}
    for stated in labels:
        by_name = match_by_name(folders, stated.names, counts) if len(stated.names) == classes else None
        if by_name is not None:
            orders[stated.origin] = by_name
    if len(folders) == classes:
        orders["sorted folder names"] = tuple(range(classes))
        orders["reversed folder names"] = tuple(reversed(range(classes)))
    orders["detected from the answers"] = match_by_answers(counts)
    return orders


def _choose_order(
    scores: Scores, chosen: Preprocessing, orders: dict[str, Order], labels: Sequence[StatedLabels]
) -> tuple[str, Order, list[str]]:
    right = {origin: scores.right(chosen, order) for origin, order in orders.items()}
    best = max(orders, key=lambda origin: int(right[origin].sum()))
    first = next(iter(orders))
    if first == "--labels":
        warnings = []
        if paired_p_value(right[best], right[first]) < _SAME_ORDER:
            warnings.append(
                f"the labels given are right for {_percent(right[first])} of the images, the order "
                f"{best!r} for {_percent(right[best])}: check them"
            )
        return first, orders[first], warnings
    origin = next(one for one in orders if paired_p_value(right[best], right[one]) >= _SAME_ORDER)
    warnings = []
    if labels and origin != first:
        warnings.append(
            f"the labels' order of {labels[0].origin} does not fit the images "
            f"({_percent(right[first]) if first in right else 'unknown'} right): taken is the order "
            f"{origin!r} ({_percent(right[origin])})"
        )
    return origin, orders[origin], warnings


def _table(
    sampled: Sequence[Scores],
    scores: Scores,
    finalists: Sequence[Preprocessing],
    chosen: Preprocessing,
    order: Order,
    *,
    declared: Declared,
    output: OutputKind,
) -> tuple[TriedPreprocessing, ...]:
    found = {one: part for part in sampled for one in part.outputs} | dict.fromkeys(finalists, scores)
    rows = []
    for one, part in found.items():
        right = part.right(one, order)
        low, high = wilson_interval(int(right.sum()), len(right))
        rows.append(
            TriedPreprocessing(
                one,
                describe_values(one),
                len(right),
                float(right.mean()),
                low,
                high,
                part.mean_confidence(one, output),
                declared=declared.is_stated and one == declared.base,
                chosen=one == chosen,
            )
        )
    return tuple(sorted(rows, key=lambda row: (not row.chosen, -row.accuracy, -row.images)))


def describe(preprocessing: Preprocessing) -> str:
    """Return a preprocessing in few words."""
    return f"{preprocessing.resize}, {describe_values(preprocessing)}, {preprocessing.color}"


def _best_accuracy(scores: Scores, one: Preprocessing) -> float:
    """Return the accuracy in the most favourable label order, so that the two searches stay apart."""
    return float(scores.right(one, match_by_answers(scores.answer_counts(one))).mean())


def _agrees(one: Preprocessing, fixed: PreprocessingDraft) -> bool:
    return all(getattr(one, name) == value for name, value in fixed.stated().items())


def _same_values(one: Preprocessing, other: Preprocessing) -> bool:
    return (one.scale, one.mean, one.std, one.color) == (other.scale, other.mean, other.std, other.color)


def _same_pixels(one: Preprocessing, other: Preprocessing) -> bool:
    return _same_values(one, other) and one.resize is other.resize


def _percent(right: NDArray[np.bool_]) -> str:
    return f"{100 * float(right.mean()):.1f} %"
