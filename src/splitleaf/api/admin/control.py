"""Admin routes for what the leading controller reports: stages, shares, guardrails, and what it waits for."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from splitleaf.api.admin.schemas import Name
from splitleaf.api.schemas import Schema
from splitleaf.api.services import ApiServices
from splitleaf.core.clock import as_rfc3339
from splitleaf.experiments.watch import ControlWatch, ExperimentWatch, read_watch
from splitleaf.flows.run_experiment import find_experiment

_TIME = "2026-05-04T09:30:00.000Z"
NOBODY_LEADS = "no controller is the leader: no guardrail is checked and no stage advances"
NOT_OPEN = "the experiment is neither running nor paused"
NOT_SEEN = "the controller has not checked this experiment yet"


class ControlSchema(Schema):
    leader: str | None = Field(
        description="The controller that is the leader; null if none is.", examples=["leaf-1-71-a4c2f0"]
    )
    checked_at: str | None = Field(description="When it last checked the experiments.", examples=[_TIME])
    experiments: list[ExperimentWatch] = Field(description="All experiments that are running or paused.")


class ExperimentControlSchema(Schema):
    experiment: str = Field(examples=["v2-against-v1"])
    leader: str | None = Field(examples=["leaf-1-71-a4c2f0"])
    checked_at: str | None = Field(examples=[_TIME])
    summary: str = Field(
        description="The next step and what it waits for, in one line.",
        examples=["stage 1 of 4 (1 %): waiting for 213 more images"],
    )
    watch: ExperimentWatch | None = Field(
        description="Null if no controller is the leader, or the experiment is neither running nor paused."
    )


def add_control(router: APIRouter, services: ApiServices, may_read: Any) -> None:
    """Add `/control` and `/experiments/{key}/control`."""

    @router.get("/control", dependencies=[may_read], summary="Show the report of the leading controller")
    async def show_all() -> ControlSchema:
        report = await _leader_report(services)
        if report is None:
            return ControlSchema(leader=None, checked_at=None, experiments=[])
        return ControlSchema(
            leader=report.leader, checked_at=as_rfc3339(report.checked_ms), experiments=list(report.experiments)
        )

    @router.get(
        "/experiments/{key}/control",
        dependencies=[may_read],
        summary="Show the guardrails and the stage of an experiment, and what it waits for",
    )
    async def show(key: Name) -> ExperimentControlSchema:
        record = await asyncio.to_thread(find_experiment, services.store, key)
        return control_of(key, record.state, await _leader_report(services))


def control_of(key: str, state: str, report: ControlWatch | None) -> ExperimentControlSchema:
    """Return the part of the leader's report about one experiment, or the reason why there is none."""
    watch = report.of(key) if report else None
    missing = NOT_OPEN if state not in ("running", "paused") else NOBODY_LEADS if report is None else NOT_SEEN
    return ExperimentControlSchema(
        experiment=key,
        leader=report.leader if report else None,
        checked_at=as_rfc3339(report.checked_ms) if report else None,
        summary=watch.summary if watch else missing,
        watch=watch,
    )


async def _leader_report(services: ApiServices) -> ControlWatch | None:
    return read_watch(await services.election.statement())
