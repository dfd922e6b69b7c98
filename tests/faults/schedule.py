"""What goes wrong, when and for how long: drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

LEASE_S: Final = 1.5
"""Of the systems that are broken here; a silence beyond it moves a worker's tasks to another."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault. Of those that share a lane, one is active at a time."""

    name: str
    lane: str
    weight: float
    seconds: tuple[float, float]
    """For how long it lasts; what happens at a moment, such as a kill, lasts until the part is back."""
    needs: str = ""
    """What the surroundings must have."""
    rest_s: float = 0.0
    """Before the next one of its lane."""


KINDS: Final = (
    *(Kind(f"{role} SIGKILL", role, 2.0, (0.0, 0.0)) for role in ("api", "worker", "controller")),
    *(Kind(f"{role} SIGTERM", role, 1.0, (0.0, 0.0)) for role in ("api", "worker", "controller")),
    Kind("api SIGSTOP", "api", 1.0, (0.3, 3.0)),
    Kind("worker SIGSTOP", "worker", 2.0, (0.3, 2.5 * LEASE_S)),
    # Its lease as the leader is 3 s.
    Kind("controller SIGSTOP", "controller", 1.0, (0.5, 5.0)),
    Kind("decoder SIGKILL", "api", 1.0, (0.0, 0.0)),
    Kind("broker SIGKILL", "broker", 1.5, (0.1, 1.5)),
    Kind("broker SIGTERM", "broker", 0.5, (0.1, 1.0)),
    Kind("broker SIGSTOP", "broker", 1.0, (0.2, 3.0)),
    Kind("broker out of memory", "broker", 1.0, (0.5, 3.0)),
    # What was answered while it could not write is in its memory alone, until it writes again.
    Kind("broker's disk full", "broker", 0.5, (0.5, 2.5), "tmpfs", rest_s=3.0),
    Kind("SCRIPT FLUSH", "broker", 1.0, (0.0, 0.0)),
    Kind("CLIENT KILL", "broker", 1.0, (0.0, 0.0)),
    Kind("broker's clock", "broker", 1.5, (0.5, 2.0), "clock"),
    Kind("database killed", "database", 1.0, (0.1, 3.0), "postgres"),
    Kind("database frozen", "database", 1.0, (0.5, 4.0), "postgres"),
    Kind("database locked", "database", 1.0, (0.5, 4.0), "sqlite"),
    Kind("database's disk full", "database", 1.0, (0.5, 3.0), "tmpfs"),
    Kind("network delay", "network", 1.0, (0.5, 3.0)),
    Kind("network hole", "network", 1.0, (0.3, 3.0)),
    Kind("network cut in a reply", "network", 2.0, (0.5, 2.0)),
    Kind("network refused", "network", 1.0, (0.3, 3.0)),
    Kind("alias moved", "routing", 4.0, (0.0, 0.5)),
    Kind("experiment changed", "routing", 3.0, (0.0, 0.5)),
    Kind("model file broken", "models", 1.0, (1.5, 4.0)),
    Kind("host clock", "host", 1.0, (0.5, 2.0), "host clock"),
)
SMALL: Final = frozenset(
    {
        *(f"{role} {signal}" for role in ("api", "worker", "controller") for signal in ("SIGKILL", "SIGTERM")),
        *("decoder SIGKILL", "SCRIPT FLUSH", "CLIENT KILL", "network cut in a reply", "network delay"),
        *("alias moved", "experiment changed", "worker SIGSTOP"),
    }
)
"""What a system has to live with every day."""
CLOCK_STEPS_S: Final = (-3600, -40, -3, 2, 5, 40, 4_000, 95_000)
"""By which a clock jumps: also past a deadline, past the results' time to live, and past that of a record."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a schedule."""

    kind: Kind
    at_s: float
    seconds: float
    choice: float
    """Which of several parts it strikes, or how hard: 0 <= choice < 1."""


def draw_schedule(
    seed: int, seconds: float, has: Collection[str], *, every_s: float = 1.0, only: Collection[str] = ()
) -> Sequence[Fault]:
    """Return the faults of a seed in the order of their beginning, one each `every_s` on average.

    `has` says what the surroundings offer; `only` names kinds.
    """
    rng = random.Random(seed)
    kinds = [one for one in KINDS if (not one.needs or one.needs in has) and (not only or one.name in only)]
    return list(_draw(rng, kinds, seconds, every_s))


def _draw(rng: random.Random, kinds: Sequence[Kind], seconds: float, every_s: float) -> Iterator[Fault]:
    free_at = dict.fromkeys((one.lane for one in kinds), 0.0)
    now_s = 0.0
    while (now_s := now_s + rng.expovariate(1 / every_s)) < seconds:
        kind = rng.choices(kinds, [one.weight for one in kinds])[0]
        lasting, choice = rng.uniform(*kind.seconds), rng.random()
        if free_at[kind.lane] <= now_s:
            free_at[kind.lane] = now_s + lasting + kind.rest_s
            yield Fault(kind, now_s, lasting, choice)
