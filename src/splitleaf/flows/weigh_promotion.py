"""What the report says of promoting a variant, and whether it may be promoted on that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from splitleaf.core.errors import Conflict, Unprocessable

if TYPE_CHECKING:
    from splitleaf.analysis.report import Report

_FOR: Final = frozenset({"better", "not_worse", "equivalent"})
"""Verdicts that speak for a candidate, or leave the choice to other reasons than the primary metric."""


@dataclass(frozen=True, slots=True)
class Evidence:
    verdict: str
    headline: str
    is_for: bool
    """Whether the variant may be promoted on it."""


def weigh_promotion(report: Report, variant: str) -> Evidence:
    """Return what is known of a variant or, named by its version, of a shadow.

    Control, or another arm of its version, has the evidence against it when some candidate is better.
    """
    arm = next((one for one in report.arms if variant in (one.name, one.version)), report.arms[0])
    if arm.version == report.arms[0].version:
        better = [one for one in report.statements if one.verdict == "better"]
        told = better[0] if better else report.statement
        return Evidence(told.verdict.value, told.headline, is_for=not better)
    told = next((one for one in report.statements if one.arm == arm.name), report.statement)
    return Evidence(told.verdict.value, told.headline, told.verdict.value in _FOR)


def require_evidence(evidence: Evidence, reason: str, *, against: bool) -> None:
    """Let no one promote against the evidence without having said so, and why.

    Raises `Conflict` (`against_evidence`), `Unprocessable` (`reason_missing`).
    """
    if evidence.is_for:
        return
    if not against:
        raise Conflict(
            f"the evidence does not support it: {evidence.headline} To promote it anyway, confirm that "
            "(`--against-evidence`, `against_evidence`) and why",
            code="against_evidence",
        )
    if not reason.strip():
        raise Unprocessable("promoting against the evidence requires a reason", code="reason_missing")
