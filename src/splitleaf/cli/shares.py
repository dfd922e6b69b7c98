"""Parses and formats shares of traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import typer


def parse_shares(shares: Sequence[str], noun: str) -> dict[str, float]:
    """Parse `NAME=PERCENT` pairs; `noun` says what a name is."""
    parsed: dict[str, float] = {}
    for share in shares:
        name, _, percent = share.partition("=")
        try:
            number = float(percent.removesuffix("%"))
        except ValueError:
            number = math.nan
        if not name or not math.isfinite(number):
            raise typer.BadParameter(f"{share!r} is not {noun}=PERCENT")
        if name in parsed:
            raise typer.BadParameter(f"{name} has two shares")
        parsed[name] = number
    return parsed


def sentence(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:g} %" for name, share in shares.items())
