"""The store -> who answers currently: the champion, the active split, the experiments that run."""

from __future__ import annotations

import structlog

from splitleaf.core.errors import Unprocessable
from splitleaf.experiments.allocation import sampling_slots
from splitleaf.experiments.reading import parse_plan
from splitleaf.experiments.routing import LiveExperiment, Routing, ShadowRun, Split
from splitleaf.outcomes.experiments import ExperimentRecord, RevisionRecord
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.registry.repository import CHAMPION

log = structlog.get_logger(__name__)


def load_routing(store: OutcomeStore, default_champion: str) -> Routing:
    """Return what is active; the repository's own default answers where no one has moved the alias."""
    champion = store.aliases().get(CHAMPION, default_champion)
    experiments = tuple(one for found in store.running_experiments() if (one := _live(*found)) is not None)
    named = [one.version for one in store.alias_history(CHAMPION)] + [default_champion]
    earlier = tuple(version for version in dict.fromkeys(named) if version and version != champion)
    revision = store.routing()
    if revision is None or not revision.shares:
        return Routing(champion, experiments=experiments, earlier=earlier)
    versions = tuple(version for version, _ in revision.shares)
    return Routing(champion, Split(revision.revision, revision.salt, versions, revision.slots), experiments, earlier)


def _live(record: ExperimentRecord, revision: RevisionRecord) -> LiveExperiment | None:
    try:
        plan = parse_plan(record.plan)
    except Unprocessable as error:
        # Of a newer release: its units are answered as if it did not run, and all else continues.
        log.warning("experiment_unreadable", experiment=record.key, detail=error.detail)
        return None
    return LiveExperiment(
        key=record.key,
        revision=revision.revision,
        salt=record.salt,
        owners=tuple(variant for variant, _ in revision.shares),
        slots=revision.slots,
        versions={name: one.version for name, one in plan.variants.items()},
        default=plan.default,
        layer=record.layer,
        held=record.held,
        shadows=tuple(ShadowRun(one.version, sampling_slots(one.sampling)) for one in plan.shadows),
    )


__all__ = ["load_routing"]
