"""What a person should take from a report."""

from __future__ import annotations

from splitleaf.analysis.report.parts import Part
from splitleaf.analysis.verdicts import Verdict


class Statement(Part):
    """The verdict in plain language."""

    verdict: Verdict
    arm: str | None
    """The candidate that it is about; null: none is to be spoken of yet."""
    version: str | None
    """That candidate's version."""
    headline: str
    """One sentence: which version, and whether it is better."""
    certainty: str
    """How sure that is, and by what evidence."""
    missing: list[str]
    """What is still wanted before more can be said."""
    concerns: list[str]
    """What is wrong, or must be known before the numbers are believed."""
    next_steps: list[str]
    """What to do now, the first thing first."""
