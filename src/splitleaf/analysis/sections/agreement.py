"""What two versions say of the same images, with and without labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from splitleaf.analysis.classes import agreement, count_pairs, list_disagreements
from splitleaf.analysis.frame import ArmSpec, Frame
from splitleaf.analysis.pairs import LabelledPairs, Pairs, confidence_gap, disagree
from splitleaf.analysis.report.comparisons import Agreement, Disagreement, Example
from splitleaf.analysis.report.parts import Measured
from splitleaf.analysis.sections.accuracy import PairedAccuracy
from splitleaf.analysis.sections.rows import measured
from splitleaf.statistics.contrasts import contrast_pairs
from splitleaf.statistics.grouping import Ints
from splitleaf.statistics.records import Estimate

MOST_EXAMPLES: Final = 24
IdsOf = Callable[[Collection[int]], Mapping[int, str]]
"""Numbers of outcomes -> prediction ids."""


@dataclass(frozen=True, slots=True)
class _Said:
    """Labels as numbers in alphabetical order, (images,)."""

    labels: list[str]
    control: Ints
    other: Ints


def describe_agreement(frame: Frame, arm: ArmSpec, accuracy: PairedAccuracy, ids_of: IdsOf) -> Agreement:
    """Compare an arm's version with control's on the images that both answered."""
    pairs, labelled = accuracy.pairs[arm.name], accuracy.labelled[arm.name]
    said = _read(frame, pairs)
    matrix = count_pairs(said.control, said.other, len(said.labels))
    unit = frame.rows.unit[pairs.control]
    alpha, planned = frame.plan.alpha, float(frame.plan.planned_n)
    gap = contrast_pairs(confidence_gap(frame, pairs), unit, planned, alpha).difference
    same = contrast_pairs(np.where(said.control == said.other, 0.0, -1.0), unit, planned, alpha).difference
    return Agreement(
        arm=arm.name,
        control_version=frame.control.version,
        other_version=arm.version,
        images=len(pairs.control),
        agreement=_share(agreement(matrix), same.interval.low + 1, same.interval.high + 1) if same.is_enough else None,
        most_difference=accuracy.most_difference(arm.name),
        labels=said.labels,
        matrix=matrix.tolist(),
        confidence_difference=measured(Estimate(gap.value, gap.interval)) if gap.is_enough else None,
        disagreements=_list_disagreements(said.labels, matrix, labelled, (frame.control.version, arm.version)),
        examples=_choose_examples(frame, pairs, labelled, ids_of),
    )


def _read(frame: Frame, pairs: Pairs) -> _Said:
    used = np.union1d(frame.rows.label[pairs.control], frame.rows.label[pairs.other])
    labels = sorted(frame.rows.labels[place] for place in used)
    rank = np.zeros(len(frame.rows.labels), np.int64)
    rank[used] = [labels.index(frame.rows.labels[place]) for place in used]
    return _Said(labels, rank[frame.rows.label[pairs.control]], rank[frame.rows.label[pairs.other]])


def _share(value: float, low: float, high: float) -> Measured:
    return Measured(value=value, low=max(0.0, low), high=min(1.0, high))


def _list_disagreements(
    labels: Sequence[str], matrix: Ints, labelled: LabelledPairs, versions: tuple[str, str]
) -> list[Disagreement]:
    counts: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str, int]] = Counter()
    for place, one in enumerate(labelled.images):
        said = (one.answers[versions[0]].label, one.answers[versions[1]].label)
        counts[said] += 1
        right[*said, 0] += bool(labelled.control_right[place])
        right[*said, 1] += bool(labelled.other_right[place])
    found = []
    for cell in list_disagreements(matrix):
        said = (labels[cell.control_class], labels[cell.candidate_class])
        found.append(
            Disagreement(
                control_label=said[0],
                other_label=said[1],
                images=cell.images,
                labelled=counts[said],
                control_right=right[*said, 0],
                other_right=right[*said, 1],
            )
        )
    return found


def _choose_examples(frame: Frame, pairs: Pairs, labelled: LabelledPairs, ids_of: IdsOf) -> list[Example]:
    """Return the newest images on which the versions disagree."""
    rows = frame.rows
    places = np.flatnonzero(disagree(frame, pairs))[-MOST_EXAMPLES:][::-1]
    ids = ids_of([int(one) for one in rows.number[pairs.control[places]]])
    true_labels = {one.image_id: one.truth for one in labelled.images}
    found = []
    for control, other in zip(pairs.control[places], pairs.other[places], strict=True):
        image = ids.get(int(rows.number[control]), "")
        found.append(
            Example(
                prediction_id=image,
                control_label=rows.labels[rows.label[control]],
                control_confidence=float(rows.confidence[control]),
                other_label=rows.labels[rows.label[other]],
                other_confidence=float(rows.confidence[other]),
                truth=true_labels.get(image),
            )
        )
    return found
