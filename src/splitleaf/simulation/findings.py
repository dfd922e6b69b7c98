"""What a simulated experiment came to: what visitors saw, next to what the system recorded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from splitleaf.simulation.crowd import Visit

OBEYED_WITHIN_MS = 2_000
_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class ArmFinding:
    """One version, by its own outcomes: shown ones, and a shadow's."""

    version: str
    images: int
    statuses: Mapping[str, int]
    right: float | None
    """Share of its answers that are true; it is known here."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The numbers of one run."""

    state: str
    images: int
    statuses: Mapping[str, int]
    """As visitors saw them."""
    lost: int
    """Accepted, and never answered or recorded."""
    recorded_twice: int
    arms: Mapping[str, ArmFinding]
    """By variant, or `shadow`; with several shadows, each by its version."""
    rolled_back_after: int | None
    """Images that the candidate was given until the decision."""
    later_than_2_s: int | None
    """Images that it was given later than two seconds after the decision: 0 is promised."""
    labelled: int
    """Images that an expert labelled."""
    decided_after: int | None
    """Images after which, with their labels, the evidence was in."""
    verdict: str
    """What the report says of all that, in plain language."""
    advice: Sequence[str]
    story: Sequence[str]
    """Who did what and why, oldest first."""


def find_out(admin: httpx.Client, key: str, visits: Sequence[Visit], labelled: int) -> Findings:
    """Compare what was seen with what was recorded."""
    outcomes = list(_exposures(admin, key))
    answered = [one for one in visits if one.prediction_id]
    everything = Counter(one["prediction_id"] for one in _pages(admin, "/outcomes", "outcomes"))
    detail = admin.get(f"/experiments/{key}").raise_for_status().json()
    report = current_report(admin, key)
    statement = report["statement"]
    decided_ms = _decided_ms(admin, key)
    mine = [one for one in outcomes if one["role"] == "primary" and one["variant"] == "candidate"]
    return Findings(
        state=detail["experiment"]["state"],
        images=len(visits),
        statuses=dict(Counter(one.status or "none" for one in visits)),
        lost=sum(not one.status or everything[one.prediction_id] == 0 for one in answered),
        recorded_twice=sum(count > 1 for count in everything.values()),
        arms=dict(_arms(outcomes, {one.prediction_id: one.truth for one in answered})),
        rolled_back_after=None if decided_ms is None else sum(one["created_ms"] <= decided_ms for one in mine),
        later_than_2_s=None
        if decided_ms is None
        else sum(one["created_ms"] > decided_ms + OBEYED_WITHIN_MS for one in mine),
        labelled=labelled,
        decided_after=_decided_after(report),
        verdict=f"{statement['headline']} {statement['certainty']}",
        advice=[*statement["concerns"], *statement["missing"], *statement["next_steps"]],
        story=[f"{one['action']} by {one['actor']}: {one['reason']}" for one in reversed(detail["audit"])],
    )


def _decided_after(report: Mapping[str, Any]) -> int | None:
    subject = report["experiment"]
    looks = [
        look
        for series in report["courses"]
        if series["metric"] == subject["primary_metric"]
        for look in series["looks"]
        if look["log10_e"] >= -math.log10(subject["alpha"])
    ]
    return min((one["images"] for one in looks), default=None)


def count_answered_by(admin: httpx.Client, version: str, visits: Sequence[Visit]) -> int:
    """Return how many of the visits' images a version answered."""
    mine = {one.prediction_id for one in visits}
    answered = _pages(admin, "/outcomes", "outcomes")
    return sum(one["prediction_id"] in mine and one["served_version"] == version for one in answered)


def is_recorded(admin: httpx.Client, visits: Sequence[Visit]) -> bool:
    """Return whether all that visitors were answered has reached the store, and no shadow is still under way."""
    queues = admin.get("/queue").raise_for_status().json()["queues"]
    if any(one["waiting"] or one["running"] for one in queues):
        return False
    recorded = {one["prediction_id"] for one in _pages(admin, "/outcomes", "outcomes")}
    return {one.prediction_id for one in visits if one.prediction_id} <= recorded


def find_disagreements(admin: httpx.Client, key: str) -> set[str]:
    """Return the images of which the versions said different things: those that an expert has to label."""
    labels: dict[str, set[str]] = {}
    for one in _exposures(admin, key):
        if one["label"] is not None:
            labels.setdefault(one["primary_id"] or one["prediction_id"], set()).add(one["label"])
    return {image for image, said in labels.items() if len(said) > 1}


def current_report(admin: httpx.Client, key: str) -> dict[str, Any]:
    """Return the report of all that is known by now, not a recent one."""
    response = admin.get(f"/experiments/{key}/report", headers={"Cache-Control": "no-cache"})
    report: dict[str, Any] = response.raise_for_status().json()
    return report


def _arms(outcomes: Sequence[dict[str, Any]], true_labels: Mapping[str, str]) -> Iterator[tuple[str, ArmFinding]]:
    shadows = {one["assigned_version"] for one in outcomes if one["role"] == "shadow"}

    def arm_of(outcome: Mapping[str, Any]) -> str:
        if outcome["role"] != "shadow":
            return str(outcome["variant"])
        return f"shadow {outcome['assigned_version']}" if len(shadows) > 1 else "shadow"

    for name in sorted({arm_of(one) for one in outcomes}):
        of_arm = [one for one in outcomes if arm_of(one) == name]
        judged = [
            one["label"] == true_labels[image]
            for one in of_arm
            if one["status"] == "succeeded" and (image := one["primary_id"] or one["prediction_id"]) in true_labels
        ]
        yield (
            name,
            ArmFinding(
                of_arm[0]["assigned_version"],
                len(of_arm),
                dict(Counter(one["status"] for one in of_arm)),
                round(sum(judged) / len(judged), 4) if judged else None,
            ),
        )


def _exposures(admin: httpx.Client, key: str) -> Iterator[dict[str, Any]]:
    return _pages(admin, f"/experiments/{key}/exposures", "exposures")


def _pages(admin: httpx.Client, path: str, name: str) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        page = admin.get(path, params={"after": after, "limit": _PAGE}).raise_for_status().json()
        yield from page[name]
        if not page[name]:
            return
        after = page["next"]


def _decided_ms(admin: httpx.Client, key: str) -> int | None:
    """Return when the experiment was rolled back, in milliseconds since the epoch."""
    page = admin.get("/audit", params={"subject": f"experiment/{key}"}).raise_for_status().json()
    for entry in page["entries"]:
        if entry["action"] == "roll_back":
            return round(datetime.fromisoformat(entry["created_at"]).timestamp() * 1000)
    return None
