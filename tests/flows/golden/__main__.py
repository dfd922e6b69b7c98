"""`python -m tests.flows.golden`: write the golden report anew."""

from __future__ import annotations

from pathlib import Path

from tests.flows.golden import golden_report

(Path(__file__).parent / "report.json").write_text(golden_report().model_dump_json(indent=1) + "\n", encoding="utf-8")
