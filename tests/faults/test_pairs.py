"""One key, one answer: whichever replica is asked, and whatever each of them has heard of a champion that moves."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.faults.cluster import running_cluster
from tests.faults.pairs import ask_in_pairs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


async def test_one_key_is_one_prediction_though_two_replicas_know_different_champions() -> None:
    # Not pytest's folder: a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="slf", dir="/tmp", ignore_cleanup_errors=True) as folder:
        async with running_cluster(Path(folder)) as cluster:
            pairs = await ask_in_pairs(cluster, lambda so_far: so_far.asked >= 200 and so_far.moves >= 4)
    assert len(pairs.told) > 100
    assert pairs.faults == 0, pairs
