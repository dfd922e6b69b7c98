"""The life of an experiment: created, started, ramped, stopped and decided on. Every step says who and why.

Synchronous: called by the API off its event loop, by the command line and by the controller. Each step is one
compare-and-swap that writes the state, the revision, the alias and the audit entry together, or nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from splitleaf.core.clock import Clock
from splitleaf.core.errors import Conflict, NotFound
from splitleaf.experiments.allocation import Allocation, first_allocation, next_allocation, reserve
from splitleaf.experiments.lifecycle import State, Step, require_changeable, state_after
from splitleaf.experiments.plan import Plan
from splitleaf.experiments.reading import parse_plan, write_plan
from splitleaf.flows.change_routing import require_version
from splitleaf.flows.weigh_promotion import Evidence, require_evidence
from splitleaf.outcomes.experiments import (
    AliasMove,
    AuditEntry,
    ExperimentChange,
    ExperimentRecord,
    RevisionRecord,
)
from splitleaf.outcomes.store import OutcomeStore
from splitleaf.registry.repository import CHAMPION

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """Who changes something, why, and on what view of it."""

    actor: str
    reason: str
    expected: int | None = None
    """The `sequence` that the decision was made on; None: whatever it is now."""
    findings: Mapping[str, Any] = field(default_factory=dict)
    """Numbers that the decision rests on; kept with the audit entry."""


def find_experiment(store: OutcomeStore, key: str) -> ExperimentRecord:
    """Raise `NotFound` (`experiment_not_found`)."""
    record = store.experiment(key)
    if record is None:
        raise NotFound(f"there is no experiment {key!r}", code="experiment_not_found")
    return record


def require_known(store: OutcomeStore, key: str) -> None:
    """Raise `NotFound` for a mistyped key: an empty answer would look like one. Without a key: of no experiment."""
    if key:
        find_experiment(store, key)


def create_experiment(store: OutcomeStore, plan: Plan, request: ChangeRequest, clock: Clock) -> ExperimentRecord:
    """Keep a draft. Raises `Conflict` (`experiment_exists`)."""
    now_ms = clock.now_ms()
    plan = plan.model_copy(update={"salt": plan.salt or secrets.token_hex(8)})
    record = ExperimentRecord(
        plan.key, 1, str(State.DRAFT), write_plan(plan), plan.salt or "", now_ms, layer=plan.layer
    )
    return store.change_experiment(ExperimentChange(record, _entry(None, record, "create", request)))


def edit_experiment(
    store: OutcomeStore, key: str, plan: Plan, request: ChangeRequest, clock: Clock
) -> ExperimentRecord:
    """Change the plan: all of it but the key in a draft, what is not frozen later.

    Raises `Conflict` (`experiment_frozen`) otherwise. A salt that the new plan does not name stays.
    """
    present = _present(store, key, request)
    plan = plan.model_copy(update={"salt": plan.salt or present.salt})
    require_changeable(State(present.state), parse_plan(present.plan), plan)
    changed = _following(present, clock, plan=write_plan(plan), salt=plan.salt, layer=plan.layer)
    return store.change_experiment(ExperimentChange(changed, _entry(present, changed, "edit", request)))


def start_experiment(
    store: OutcomeStore, key: str, ready: Collection[str], request: ChangeRequest, clock: Clock
) -> ExperimentRecord:
    """Begin with the first stage, once every version that the plan names is loaded.

    Raises `NotFound` (`version_not_found`), `Conflict` (`transition_refused`, `layer_full`, `split_in_force`).
    """
    present = _present(store, key, request)
    state = state_after(State(present.state), Step.START)
    plan = parse_plan(present.plan)
    _require_versions(plan, ready)
    others = store.experiments()
    # An experiment that has ended holds no units.
    taken = [one.held for one in others if one.layer == plan.layer]
    record = _following(
        present,
        clock,
        state=str(state),
        held=reserve(taken, plan.traffic, plan.layer),
        revision=1,
        stage=0,
        started_ms=clock.now_ms(),
    )
    table = _revision(record, first_allocation(plan.shares_at(0)), request)
    newest = max(one.number for one in others)
    return store.change_experiment(
        ExperimentChange(record, _entry(present, record, Step.START, request), table, newest=newest)
    )


def pause_experiment(store: OutcomeStore, key: str, request: ChangeRequest, clock: Clock) -> ExperimentRecord:
    """Assign no one for a while; everyone is answered as if there were no experiment."""
    return _step(store, key, Step.PAUSE, request, clock)


def resume_experiment(
    store: OutcomeStore, key: str, ready: Collection[str], request: ChangeRequest, clock: Clock
) -> ExperimentRecord:
    """Continue with the same revision. Raises as the start does."""
    _require_versions(parse_plan(find_experiment(store, key).plan), ready)
    return _step(store, key, Step.RESUME, request, clock)


def stop_experiment(store: OutcomeStore, key: str, request: ChangeRequest, clock: Clock) -> ExperimentRecord:
    """End the assignment for good; a promotion or a rejection follows."""
    return _step(store, key, Step.STOP, request, clock)


def reject_experiment(store: OutcomeStore, key: str, request: ChangeRequest, clock: Clock) -> ExperimentRecord:
    """Decide against the candidates; nothing moves."""
    return _step(store, key, Step.REJECT, request, clock)


def ramp_to_stage(store: OutcomeStore, key: str, stage: int, request: ChangeRequest, clock: Clock) -> ExperimentRecord:
    """Put a later stage of the plan's ramp active, as a new revision.

    Raises `Conflict` (`ramp_refused`, `transition_refused`).
    """
    present = _present(store, key, request)
    plan = parse_plan(present.plan)
    if not 0 <= stage < len(plan.ramp):
        raise Conflict(f"the plan's ramp has the stages 0 to {len(plan.ramp) - 1}", code="ramp_refused")
    return _ramp(store, present, plan, plan.shares_at(stage), stage, request, clock)


def ramp_to_shares(
    store: OutcomeStore, key: str, shares: Mapping[str, float], request: ChangeRequest, clock: Clock
) -> ExperimentRecord:
    """Put other shares active, in percent of all units, as a new revision.

    Raises `NotFound` (`variant_not_found`), `Unprocessable` (`invalid_split`), `Conflict` as `ramp_to_stage`.
    """
    present = _present(store, key, request)
    plan = parse_plan(present.plan)
    for name in shares:
        _require_variant(plan, name)
    return _ramp(store, present, plan, shares, present.stage, request, clock)


def promote_variant(  # noqa: PLR0917 - a change, who makes it, and why
    store: OutcomeStore,
    key: str,
    variant: str,
    ready: Collection[str],
    champion: str,
    evidence: Evidence,
    request: ChangeRequest,
    clock: Clock,
    *,
    against_evidence: bool = False,
) -> ExperimentRecord:
    """Point the champion at the version of a variant or, named as it is, of a shadow.

    `champion` is who answers while the alias was never moved. What the evidence said, and whether it was gone against,
    is kept with the audit entry.

    Raises `NotFound` (`variant_not_found`, `version_not_found`), `Conflict` (`transition_refused`) and as
    `require_evidence`.
    """
    present = _present(store, key, request)
    state = state_after(State(present.state), Step.PROMOTE)
    plan = parse_plan(present.plan)
    if variant not in plan.contenders:
        raise NotFound(f"{plan.key} has no variant or shadow {variant!r}", code="variant_not_found")
    version = plan.contenders[variant]
    require_version(version, ready)
    require_evidence(evidence, request.reason, against=against_evidence)
    findings = {**asdict(evidence), "is_against_evidence": not evidence.is_for}
    request = replace(request, findings={**request.findings, **findings})
    alias = store.aliases().get(CHAMPION)
    record = _following(present, clock, state=str(state), promoted=variant, champion_before=alias or champion)
    move = AliasMove(CHAMPION, version, alias)
    entry = _entry(present, record, Step.PROMOTE, request, {CHAMPION: alias or champion}, {CHAMPION: version})
    return store.change_experiment(ExperimentChange(record, entry, alias=move))


def roll_back_experiment(store: OutcomeStore, key: str, request: ChangeRequest, clock: Clock) -> ExperimentRecord:
    """Take everything back at once: the units of a running experiment, or the promotion of a decided one.

    Raises `Conflict` when the champion was moved by someone else since the promotion.
    """
    present = _present(store, key, request)
    if present.state != State.PROMOTED:
        return _step(store, key, Step.ROLL_BACK, request, clock)
    state = state_after(State.PROMOTED, Step.ROLL_BACK)
    version = parse_plan(present.plan).contenders[present.promoted]
    record = _following(present, clock, state=str(state))
    move = AliasMove(CHAMPION, present.champion_before, version)
    before, after = {CHAMPION: version}, {CHAMPION: present.champion_before}
    entry = _entry(present, record, Step.ROLL_BACK, request, before, after)
    return store.change_experiment(ExperimentChange(record, entry, alias=move))


def _step(store: OutcomeStore, key: str, step: Step, request: ChangeRequest, clock: Clock) -> ExperimentRecord:
    present = _present(store, key, request)
    state = state_after(State(present.state), step)
    changes: dict[str, Any] = {} if state.is_open else {"held": (), "ended_ms": present.ended_ms or clock.now_ms()}
    record = _following(present, clock, state=str(state), **changes)
    return store.change_experiment(ExperimentChange(record, _entry(present, record, step, request)))


def _ramp(  # noqa: PLR0917 - a change, who makes it, and why
    store: OutcomeStore,
    present: ExperimentRecord,
    plan: Plan,
    shares: Mapping[str, float],
    stage: int,
    request: ChangeRequest,
    clock: Clock,
) -> ExperimentRecord:
    if present.state != State.RUNNING:
        raise Conflict(f"{present.key} is {present.state}; only what runs can be ramped", code="transition_refused")
    newest = store.experiment_revisions(present.key)[0]
    old = Allocation(newest.shares, newest.slots)
    new = next_allocation(old, shares, plan.default)
    if new == old:
        raise Conflict("these shares are active already", code="ramp_refused")
    record = _following(present, clock, revision=present.revision + 1, stage=stage)
    before, after = {"shares": _percentages(old)}, {"shares": _percentages(new)}
    entry = _entry(present, record, "ramp", request, before, after)
    return store.change_experiment(ExperimentChange(record, entry, _revision(record, new, request)))


def _present(store: OutcomeStore, key: str, request: ChangeRequest) -> ExperimentRecord:
    record = find_experiment(store, key)
    if request.expected is not None and request.expected != record.sequence:
        raise Conflict(f"{key} was changed since you looked: it is {record.state} at change {record.sequence}")
    return record


def _following(present: ExperimentRecord, clock: Clock, **changes: Any) -> ExperimentRecord:
    return replace(present, sequence=present.sequence + 1, created_ms=clock.now_ms(), **changes)


def _revision(record: ExperimentRecord, allocation: Allocation, request: ChangeRequest) -> RevisionRecord:
    return RevisionRecord(
        record.key,
        record.revision,
        record.stage,
        allocation.shares,
        allocation.table,
        actor=request.actor,
        reason=request.reason,
        created_ms=record.created_ms,
    )


def _entry(  # noqa: PLR0917 - a change, who makes it, and why
    present: ExperimentRecord | None,
    following: ExperimentRecord,
    action: str,
    request: ChangeRequest,
    before: Mapping[str, Any] = _NOTHING,
    after: Mapping[str, Any] = _NOTHING,
) -> AuditEntry:
    """Say what changed, and nothing of what did not."""
    old, new = (_facts(present) if present else None), _facts(following)
    if old is not None:
        same = {name for name in new if old[name] == new[name]} - {"state"}
        new = {name: new[name] for name in new if name not in same} | dict(after)
        old = {name: old[name] for name in old if name not in same} | dict(before)
    if request.findings:
        new["findings"] = dict(request.findings)
    subject = f"experiment/{following.key}"
    return AuditEntry(request.actor, str(action), subject, request.reason, _json(old), _json(new), following.created_ms)


def _facts(record: ExperimentRecord) -> dict[str, Any]:
    return {
        "state": record.state,
        "revision": record.revision,
        "stage": record.stage,
        "promoted": record.promoted,
        "plan": json.loads(record.plan),
    }


def _percentages(allocation: Allocation) -> dict[str, float]:
    return {name: count / 100 for name, count in allocation.shares if name}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _require_versions(plan: Plan, ready: Collection[str]) -> None:
    for version in sorted(plan.versions):
        require_version(version, ready)


def _require_variant(plan: Plan, variant: str) -> None:
    if variant not in plan.variants:
        raise NotFound(f"{plan.key} has no variant {variant!r}", code="variant_not_found")
