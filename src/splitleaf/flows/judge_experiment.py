"""Outcomes and truth -> the report on an experiment. Synchronous: called off the event loop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from splitleaf.core.clock import Clock
from splitleaf.core.errors import SplitleafError
from splitleaf.experiments.plan import Plan
from splitleaf.experiments.reading import parse_plan
from splitleaf.flows.run_experiment import find_experiment
from splitleaf.jobs.leader_election import LeaderElection
from splitleaf.outcomes.events import FeedbackSource
from splitleaf.outcomes.experiments import RatedExposure
from splitleaf.outcomes.store import OutcomeStore

if TYPE_CHECKING:
    from splitleaf.analysis.report import Report

PAGE: Final = 5_000
AUDIT_ROWS: Final = 100
RECORDING_S: Final = 60.0
"""Beyond its time to live, so long after its acceptance every prediction is recorded, while the broker is there."""


async def ask_settled(election: LeaderElection, clock: Clock, ttl_s: float) -> int:
    """Return the moment before which no prediction is still to come: as the broker says, else by the clock."""
    try:
        return await election.settled_ms()
    except SplitleafError:
        return settled_by_clock(clock, ttl_s)


def settled_by_clock(clock: Clock, ttl_s: float) -> int:
    return clock.now_ms() - round(1_000 * (ttl_s + RECORDING_S))


def judge_experiment(store: OutcomeStore, key: str, clock: Clock, settled_ms: int | None = None) -> Report:
    """Return what is known of an experiment by now, in any of its states.

    What was created from `settled_ms` on is left out: of that, quick outcomes are recorded and slow ones are still to
    come, and the report would compare the one arm's with the other's. None: nothing is under way any more.

    Raises `NotFound` (`experiment_not_found`), `Unprocessable` for a plan of another release.
    """
    # Imported when the first report is asked for: an API process need not have it in memory for its images.
    from splitleaf.analysis.frame import Frame
    from splitleaf.analysis.labels import read_labels
    from splitleaf.analysis.sections.accuracy import Labelled
    from splitleaf.analysis.sections.assembly import Facts, assemble

    record = find_experiment(store, key)
    plan = parse_plan(record.plan)
    newest_label = store.newest_feedback()
    labelled = Labelled(
        asked=read_labels(store.labelled_outcomes(key)),
        said=read_labels(store.labelled_outcomes(key, frozenset({FeedbackSource.USER}))),
        shared=store.shared_labels(key),
    )
    facts = Facts(
        record=record,
        frame=Frame(
            plan,
            store.exposures(key, before_ms=settled_ms, with_images=bool(plan.shadows)),
            store.experiment_revisions(key),
        ),
        labelled=labelled,
        ratings=_first_words(store, key) if _listens(plan) else (),
        audit=store.audit_log(f"experiment/{key}", limit=AUDIT_ROWS),
        draws=store.audit_draws(key),
        set_aside=_count_set_aside(store, key),
        ids_of=store.image_ids,
        newest_label=newest_label,
        made_ms=clock.now_ms(),
    )
    return assemble(facts)


def _listens(plan: Plan) -> bool:
    return any(one.spec.label_source is not None for one in plan.guardrails)


def _first_words(store: OutcomeStore, key: str) -> Sequence[RatedExposure]:
    """Return what each unit said first: only that is evidence, as for the controller."""
    first: dict[str, RatedExposure] = {}
    number = 0
    while page := store.ratings_after(key, number, PAGE):
        for one in page:
            if one.is_recorded:
                first.setdefault(one.unit_hash, one)
        number = page[-1].number
    return list(first.values())


def _count_set_aside(store: OutcomeStore, key: str) -> int:
    return sum(_experiment_of(document) == key for _, document, _ in store.aside())


def _experiment_of(document: str) -> str:
    try:
        return str(json.loads(document)["context"]["experiment"])
    except (ValueError, KeyError, TypeError):
        return ""
