"""The health of an experiment's data."""

from __future__ import annotations

from typing import Literal

from splitleaf.analysis.report.parts import Measured, Part

Status = Literal["ok", "warning", "failed", "unknown"]


class Check(Part):
    """One question about the health of an experiment."""

    name: Literal["split", "responses", "fallbacks", "cancellations", "units", "crossovers", "missing", "aa", "truth"]
    """`split`: do units come as the shares say? `responses`: do the arms draw feedback equally often? `fallbacks`: how
    many did another version answer? `cancellations`: do clients take images back equally often in each arm? `units`:
    do images come from more than a few, and did one send very many? `crossovers`: how many were in two arms?
    `missing`: how many outcomes? `aa`: do equal halves of control look equal? `truth`: do experts agree?"""
    status: Status
    """`failed` makes the verdict `invalid`; `unknown`: nothing to check yet."""
    summary: str
    """What was found, in a sentence."""


class SplitCount(Part):
    """Units of one arm in one revision next to what the shares ask for."""

    revision: int
    arm: str
    units: int
    expected: float


class ResponseRate(Part):
    """How many of an arm's units said what they think of their answers."""

    arm: str
    units: int
    responding: int
    rate: Measured


class Health(Part):
    is_sound: bool
    """No check has failed. A ramp advances only while this holds."""
    checks: list[Check]
    split: list[SplitCount]
    split_log10_e: float
    """Evidence that the split is not what was asked for; 3 or more is a mismatch."""
    responses: list[ResponseRate]
    fallback_share: float
    """Share of the exposures that another version answered than the assigned one."""
    crossover_units: int
    """Units that were seen in more than one arm of the same revision, or went from a candidate back to control."""
    missing_shadows: int
    """Shadow results that the sampling asks for and no one recorded; most were shed under load."""
    set_aside: int
    """Outcomes that could not be recorded and wait for a person."""
