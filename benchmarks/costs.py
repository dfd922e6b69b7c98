"""What one prediction costs: `python -m benchmarks.costs` prints processor microseconds by process.

On a machine that does other work too, a rate says little; processor time per prediction says what to make cheaper.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.support.images import jpeg, leaf_like_jpeg
from tests.support.repositories import write_version
from tests.system.running import start_system

from benchmarks.bare import processor_us
from benchmarks.load import drive, prepared_request
from benchmarks.networks import mobilenet_v2, null_network

NETWORKS = {"null": (null_network, 32), "mobilenet": (mobilenet_v2, 224)}
"""Each with the side of its input."""
SMALL = 32
LABELS = [f"condition {number}" for number in range(10)]
SETTLED_S = 2.0
"""After the last answer the recorder still writes, and that belongs to the predictions."""
ROLES = ("api", "worker", "controller")
MICROSECONDS = 1_000_000 / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="length of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--side", type=int, default=256, help="side of the image; 32 leaves little to decode")
    parser.add_argument("--network", choices=NETWORKS, default="null")
    arguments = parser.parse_args()
    image = leaf_like_jpeg(arguments.side) if arguments.side > SMALL else jpeg(size=(SMALL, SMALL))
    make, side = NETWORKS[arguments.network]
    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch) / "models"
        write_version(models, "v1", make(side), labels=LABELS, side=side)
        system = start_system(models, Path(scratch) / "data", SPLITLEAF_LOG_LEVEL="warning")
        try:
            request = prepared_request(system.url, image)
            drive(system.url, request, arguments.connections, 1)
            rounds, bare = [], []
            for _ in range(arguments.rounds):
                time.sleep(SETTLED_S)
                before = processor_time(system.process.pid)
                answered = drive(system.url, request, arguments.connections, arguments.seconds).statuses[200]
                time.sleep(SETTLED_S)
                used = processor_time(system.process.pid)
                used.subtract(before)
                bare.append(processor_us(make(side), image, side))
                rounds.append((answered / arguments.seconds, {one: ticks / answered for one, ticks in used.items()}))
        finally:
            system.stop()
    print(as_table(rounds))
    totals = [sum(used.values()) for _, used in rounds]
    shares = ", ".join(f"{alone / total:.2f}" for alone, total in zip(bare, totals, strict=True))
    print(f"The bare loop, measured after each round: {min(bare):.0f} us; over the whole of the system: {shares}.")


def processor_time(top: int) -> Counter[str]:
    """Return the processor microseconds that each part of a running system has used so far."""
    stats = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
                stats[int(entry.name)] = (int(fields[1]), (entry / "cmdline").read_bytes(), fields[11:15])
            except (OSError, IndexError):
                continue
    used: Counter[str] = Counter()
    for pid, (parent, command, (user, kernel, user_of_ended, kernel_of_ended)) in stats.items():
        if pid != top and not _descends(parent, top, {one: found[0] for one, found in stats.items()}):
            continue
        name = _part(command)
        used[name] += round((int(user) + int(kernel)) * MICROSECONDS)
        if name == "api":
            # Decoding children are replaced now and then.
            used["decoding children"] += round((int(user_of_ended) + int(kernel_of_ended)) * MICROSECONDS)
    return used


def _descends(pid: int, top: int, parents: dict[int, int]) -> bool:
    while pid != top and pid in parents:
        pid = parents[pid]
    return pid == top


def _part(command: bytes) -> str:
    words = command.split(b"\0")
    if b"splitleaf.images.child" in words:
        return "decoding children"
    if any(b"valkey-server" in word or b"redis-server" in word for word in words):
        return "broker"
    return next((role for role in ROLES if role.encode() in words), "up")


def as_table(rounds: list[tuple[float, dict[str, float]]]) -> str:
    """Return a row for each part: its cheapest round, and all of them: what others do can only add to a round."""
    lines = ["| part | processor time of a prediction | rounds |", "|---|---|---|"]
    for part in sorted({part for _, used in rounds for part in used}):
        values = [used.get(part, 0.0) for _, used in rounds]
        lines.append(_row(part, values))
    lines.append(_row("all", [sum(used.values()) for _, used in rounds]))
    rates = ", ".join(f"{rate:.0f}" for rate, _ in rounds)
    return "\n".join([*lines, f"\nAnswered per second, beside whatever else the machine did: {rates}."])


def _row(part: str, values: list[float]) -> str:
    return f"| {part} | {min(values):.0f} us | {', '.join(f'{value:.0f}' for value in values)} |"


if __name__ == "__main__":
    main()
