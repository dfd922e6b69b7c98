"""Two experts' labels of the same images -> how far they agree, and where not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from splitleaf.outcomes.events import FeedbackKind
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.statistics.agreement import Agreement, measure_agreement

MOST_CONTESTED: Final = 200


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Of two experts, over the images that both labelled. Images of which one could not tell are left out."""

    first: str
    second: str
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class ExpertAgreement:
    pairs: tuple[PairAgreement, ...]
    compared: int
    """Images that two experts or more labelled."""
    contested: tuple[str, ...]
    """Of these, the predictions on which they do not all say the same; the first 200."""


def compare_experts(store: OutcomeStore, experiment: str) -> ExpertAgreement:
    """Return the agreement of every two experts who labelled an image of the experiment both."""
    said: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for one in store.expert_labels(experiment):
        if one.verdict is FeedbackKind.ANSWER and one.label is not None:
            said[one.prediction_id][one.author] = one.label
    several = {prediction_id: labels for prediction_id, labels in said.items() if len(labels) > 1}
    pairs: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for labels in several.values():
        for first, second in combinations(sorted(labels), 2):
            pairs[first, second].append((labels[first], labels[second]))
    return ExpertAgreement(
        tuple(PairAgreement(*names, measure_agreement(pairs[names])) for names in sorted(pairs)),
        len(several),
        tuple(one for one, labels in several.items() if len(set(labels.values())) > 1)[:MOST_CONTESTED],
    )
