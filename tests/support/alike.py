"""Documents that are the same but for the last digits."""

from __future__ import annotations

from typing import Any

import pytest


def assert_alike(ours: Any, golden: Any) -> None:
    """Compare what JSON can say; numbers to six digits."""
    if isinstance(golden, dict):
        assert ours.keys() == golden.keys()
        for name, value in golden.items():
            assert_alike(ours[name], value)
    elif isinstance(golden, list):
        assert len(ours) == len(golden)
        for one, other in zip(ours, golden, strict=True):
            assert_alike(one, other)
    elif isinstance(golden, float):
        assert ours == pytest.approx(golden, rel=1e-6, abs=1e-9)
    else:
        assert ours == golden
