"""What all parts of a report are made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Frozen, and JSON all through: no NaN, no infinity; what is not known is null."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Measured(Part):
    """A best guess with the interval that covers the truth, at all looks together."""

    value: float
    low: float
    high: float
