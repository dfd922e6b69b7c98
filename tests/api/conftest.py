from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.served import Served


@pytest.fixture
async def served(tmp_path: Path) -> Served:
    return await Served(tmp_path).start()
