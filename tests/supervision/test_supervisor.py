from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from splitleaf.supervision.supervisor import Child, Supervisor

PROGRAM = (sys.executable, str(Path(__file__).with_name("child.py")))
WITHIN_S = 20.0


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes"
    path.touch()
    return path


def child(notes: Path, name: str, behaviour: str = "good") -> Child:
    return Child(name, (name, behaviour), {**os.environ, "NOTES": str(notes)})


def events(notes: Path, what: str) -> list[tuple[str, int, float]]:
    lines = [line.split() for line in notes.read_text().splitlines()]
    return [(name, int(pid), float(at)) for name, event, pid, at in lines if event == what]


def deaths(notes: Path) -> int:
    return [name for name, _, _ in events(notes, "started")].count("dead")


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_a_child_that_is_killed_is_started_again(notes: Path) -> None:
    supervisor = Supervisor([child(notes, "a")], program=PROGRAM)
    await supervisor.start()
    await until(lambda: len(events(notes, "started")) == 1)
    os.kill(events(notes, "started")[0][1], signal.SIGKILL)
    await until(lambda: len(events(notes, "started")) == 2)
    assert supervisor.restarts() == {"a": 1}
    await supervisor.stop(5)
    assert len(events(notes, "ended")) == 1


async def test_a_child_that_keeps_dying_is_started_ever_more_slowly(notes: Path) -> None:
    supervisor = Supervisor([child(notes, "a", "1")], program=PROGRAM)
    await supervisor.start()
    await until(lambda: len(events(notes, "started")) == 3)
    await supervisor.stop(5)
    first, second, third = (at for _, _, at in events(notes, "started"))
    assert second - first >= 0.2
    assert third - second >= 0.4


async def test_children_are_stopped_in_the_order_given(notes: Path) -> None:
    supervisor = Supervisor([child(notes, name) for name in ("api", "worker", "controller")], program=PROGRAM)
    await supervisor.start()
    await until(lambda: len(events(notes, "started")) == 3)
    await supervisor.stop(5)
    assert [name for name, _, _ in events(notes, "ended")] == ["api", "worker", "controller"]


async def test_a_child_that_does_not_stop_is_killed_after_its_grace(notes: Path) -> None:
    supervisor = Supervisor([child(notes, "a", "stubborn")], program=PROGRAM)
    await supervisor.start()
    await until(lambda: len(events(notes, "started")) == 1)
    await supervisor.stop(0.05)
    assert not is_alive(events(notes, "started")[0][1])


async def test_a_child_that_cannot_run_with_its_settings_is_given_up(notes: Path) -> None:
    hopeless: list[str] = []
    supervisor = Supervisor([child(notes, "a", "2")], lambda one: hopeless.append(one.name), PROGRAM)
    await supervisor.start()
    await until(lambda: bool(hopeless))
    assert hopeless == ["a"]
    assert supervisor.restarts() == {"a": 0}
    await supervisor.stop(5)


async def test_nobody_is_started_again_while_the_others_are_stopped(notes: Path) -> None:
    supervisor = Supervisor([child(notes, "dead", "1"), child(notes, "slow", "stubborn")], program=PROGRAM)
    await supervisor.start()
    # The next pause is 0.8 s: it would end while the stubborn one is waited for.
    await until(lambda: deaths(notes) == 3)
    await supervisor.stop(1.2)
    assert deaths(notes) == 3


async def test_all_can_be_ended_at_once(notes: Path) -> None:
    supervisor = Supervisor([child(notes, "a", "stubborn"), child(notes, "b", "stubborn")], program=PROGRAM)
    await supervisor.start()
    await until(lambda: len(events(notes, "started")) == 2)
    supervisor.kill()
    await supervisor.stop(WITHIN_S)
    assert not any(is_alive(pid) for _, pid, _ in events(notes, "started"))


async def test_children_end_when_their_starter_is_killed(notes: Path) -> None:
    script = f"""
        import asyncio
        from splitleaf.supervision.supervisor import Supervisor, Child
        async def main():
            supervisor = Supervisor([Child("a", ("a", "good"), {{"NOTES": {str(notes)!r}}})], program={PROGRAM!r})
            await supervisor.start()
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    starter = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    await until(lambda: len(events(notes, "started")) == 1)
    starter.kill()
    starter.wait()
    await until(lambda: len(events(notes, "ended")) == 1)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
