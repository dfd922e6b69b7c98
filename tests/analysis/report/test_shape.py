from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from splitleaf.analysis.report import Report
from splitleaf.analysis.report.parts import Measured
from splitleaf.experiments.metrics import METRICS, Role

REFERENCE = (Path(__file__).parents[3] / "docs/reference/report.md").read_text(encoding="utf-8")


def example() -> dict[str, Any]:
    found = re.search(r"```json\n(.*?)```", REFERENCE, re.DOTALL)
    assert found
    parsed: dict[str, Any] = json.loads(found[1])
    return parsed


def test_the_example_of_the_reference_is_a_whole_report() -> None:
    assert Report.model_validate(example()).model_dump(mode="json") == example()


def test_the_reference_names_every_part_and_metric() -> None:
    parts = set(Report.model_fields) - {"schema_version", "made_ms", "newest_outcome", "newest_label"}
    shown = [one.name for one in METRICS.values() if one.roles != {Role.GUARDRAIL}]
    assert not [name for name in (*parts, *shown) if f"`{name}`" not in REFERENCE]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(ValidationError):
        Measured(value=value, low=0, high=1)
