from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.production.broker import Broker, start_broker
from tests.production.door import Door, open_door
from tests.support.repositories import add_version
from tests.system.running import RunningSystem, start_system


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker of a deployment: named users, named commands, a log of changes."""
    running = start_broker(tmp_path_factory.mktemp("broker"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def system(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A whole system that believes its proxy, on that broker; bodies may take 3 s."""
    models = tmp_path_factory.mktemp("models")
    add_version(models, "v1")
    settings = {"SPLITLEAF_REDIS_URL": broker.url, "SPLITLEAF_API__BODY_TIMEOUT_S": "3"}
    running = start_system(models, tmp_path_factory.mktemp("data"), **settings)
    yield running
    running.stop()


OpenDoor = Callable[..., Door]


@pytest.fixture(scope="session")
def door(system: RunningSystem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """NGINX in front of the system, with room for all probes."""
    opened = open_door(tmp_path_factory.mktemp("door"), upstream_of(system), changes=UNHINDERED)
    yield opened
    opened.stop()


@pytest.fixture
def another_door(system: RunningSystem, tmp_path: Path) -> Iterator[OpenDoor]:
    """Opens a door with some texts of its configuration replaced."""
    opened: list[Door] = []

    def make(changes: dict[str, str] | None = None, upstream: str = "") -> Door:
        folder = tmp_path / f"door-{len(opened)}"
        opened.append(open_door(folder, upstream or upstream_of(system), changes=changes))
        return opened[-1]

    yield make
    for one in opened:
        one.stop()


UNHINDERED = {"rate=20r/s": "rate=1000r/s", "rate=100r/s": "rate=1000r/s"}
"""The probes are all of one address, and more than a client may send. The limits have tests of their own."""


def upstream_of(system: RunningSystem) -> str:
    return f'map "" $api {{ default {system.url.removeprefix("http://")}; }}\n'
