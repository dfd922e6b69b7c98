"""What the leading controller sees of the experiments: stages, splits, guardrails, and what it waits for."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from splitleaf.api.admin.schemas import Name
from splitleaf.api.schemas import Shape
from splitleaf.api.services import ApiServices
from splitleaf.core.clock import as_rfc3339
from splitleaf.experiments.watch import ControlWatch, ExperimentWatch, read_watch
from splitleaf.flows.run_experiment import find_experiment

_TIME = "2026-05-04T09:30:00.000Z"
NOBODY_LEADS = "no controller leads at present: nothing is guarded and no stage advances"
NOT_OPEN = "the experiment is not open: there is nothing to watch"
NOT_SEEN = "the controller has not looked at it yet"


class ControlShape(Shape):
    leader: str | None = Field(description="The controller that leads; null: none does.", examples=["leaf-1-71-a4c2f0"])
    checked_at: str | None = Field(description="When it last looked.", examples=[_TIME])
    experiments: list[ExperimentWatch] = Field(description="All that are running or paused.")


class ExperimentControlShape(Shape):
    experiment: str = Field(examples=["v2-against-v1"])
    leader: str | None = Field(examples=["leaf-1-71-a4c2f0"])
    checked_at: str | None = Field(examples=[_TIME])
    summary: str = Field(
        description="What comes next and why it has not come yet, in one line.",
        examples=["stage 1 of 4 (1 %): waiting for 213 more images"],
    )
    watch: ExperimentWatch | None = Field(description="Null while nobody leads, and for what is not open.")


def add_control(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    """Add `/control` and `/experiments/{key}/control`."""

    @router.get("/control", dependencies=[may_read], summary="Show what the leading controller watches")
    async def show_all() -> ControlShape:
        watch = await _said(services)
        if watch is None:
            return ControlShape(leader=None, checked_at=None, experiments=[])
        return ControlShape(
            leader=watch.leader, checked_at=as_rfc3339(watch.checked_ms), experiments=list(watch.experiments)
        )

    @router.get(
        "/experiments/{key}/control",
        dependencies=[may_read],
        summary="Show its guardrails, its stage, and what it waits for",
    )
    async def show(key: Name) -> ExperimentControlShape:
        record = await asyncio.to_thread(find_experiment, services.store, key)
        return control_of(key, record.state, await _said(services))


def control_of(key: str, state: str, said: ControlWatch | None) -> ExperimentControlShape:
    """Return one experiment's part of what the leader said, or why there is none."""
    watch = said.of(key) if said else None
    missing = NOT_OPEN if state not in ("running", "paused") else NOBODY_LEADS if said is None else NOT_SEEN
    return ExperimentControlShape(
        experiment=key,
        leader=said.leader if said else None,
        checked_at=as_rfc3339(said.checked_ms) if said else None,
        summary=watch.summary if watch else missing,
        watch=watch,
    )


async def _said(services: ApiServices) -> ControlWatch | None:
    return read_watch(await services.desk.statement())
