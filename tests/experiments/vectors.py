"""The golden vectors of docs/reference/assignment.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("golden").joinpath("assignment.json").read_text("utf-8"))
