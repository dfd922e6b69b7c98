from __future__ import annotations

import asyncio
from pathlib import Path

from splitleaf.supervision.runner import run_role


def test_a_role_that_lives_touches_its_file_and_takes_it_away_at_its_end(tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    seen = []

    async def main() -> None:
        await asyncio.sleep(0.01)
        seen.append(alive.exists())

    run_role(main(), alive)
    assert seen == [True]
    assert not alive.exists()


def test_a_file_that_cannot_be_written_does_not_stop_a_role(tmp_path: Path) -> None:
    done = []

    async def main() -> None:
        await asyncio.sleep(0.01)
        done.append(True)

    run_role(main(), tmp_path / "nowhere" / "alive")
    assert done == [True]
