from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from tests.support.repositories import TELLS_COLOUR, add_version
from tests.system.running import RunningSystem, start_system


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """Two versions: v1 tells colours right, v2 calls everything by the opposite colour."""
    models = tmp_path_factory.mktemp("models")
    add_version(models, "v1")
    add_version(models, "v2", weights=TELLS_COLOUR[:, ::-1] + np.zeros((3, 3)))
    (models / "repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")
    running = start_system(models, tmp_path_factory.mktemp("data"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(system: RunningSystem) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=system.url, timeout=30) as made:
        yield made
