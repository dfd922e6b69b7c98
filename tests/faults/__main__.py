"""`make chaos`: seeds, one after another: `python -m tests.faults [--seeds 20] [--first 1] [--seconds 40]`.

Prints a line for each seed, the history of what was broken, and a table over all seeds at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import structlog

from tests.faults.cluster import Database, postgres_on_a_small_disk
from tests.faults.drill import Drill, Finding, run_drill
from tests.faults.schedule import KINDS
from tests.faults.surroundings import Disk, end_in_order_when_told, offered_here
from tests.outcomes.servers import PostgresServer

COLUMNS: Final = {
    "lost": ("lost", "vanished"),
    "changed": ("changed", "two ids"),
    "differing": ("differing", "unrecorded", "recorded twice", "wrong answer"),
}
"""Of the table: the rules that each one counts."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seconds", type=float, default=40, help="for how long each is broken")
    parser.add_argument("--per-second", type=float, default=60, help="images")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two faults, on average")
    parser.add_argument("--store", choices=("sqlite", "postgres", "both"), default="both", help="both: in turn")
    parser.add_argument("--clocks", choices=("never", "sometimes", "always"), default="sometimes")
    parser.add_argument("--only", nargs="*", default=(), choices=[one.name for one in KINDS], metavar="KIND")
    parser.add_argument("--log", type=Path, help="where to keep what the roles of the last seed said")
    parser.add_argument("--out", type=Path, help="file to which each seed's findings are appended (JSON lines)")
    arguments = parser.parse_args()
    end_in_order_when_told()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    offered = offered_here()
    print(f"here: {', '.join(sorted(offered))}; faults that need anything else are left out", flush=True)
    findings = []
    with contextlib.ExitStack() as stack:
        server = _postgres(stack) if "postgres" in offered and arguments.store != "sqlite" else None
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            with _surroundings(arguments, seed, offered, server) as (has, database):
                drill = Drill(
                    seed, arguments.seconds, arguments.per_second, has, arguments.every, arguments.only, arguments.log
                )
                findings.append(asyncio.run(run_drill(drill, database)))
            _report(findings[-1], arguments.out)
    print(table_of(findings))
    return 1 if any(one.violations for one in findings) else 0


def _postgres(stack: contextlib.ExitStack) -> tuple[PostgresServer, Disk]:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="slp", dir="/tmp", ignore_cleanup_errors=True))
    Path(folder).chmod(0o755)
    return stack.enter_context(postgres_on_a_small_disk(Path(folder) / "disk"))


@contextlib.contextmanager
def _surroundings(
    arguments: argparse.Namespace, seed: int, offered: Collection[str], server: tuple[PostgresServer, Disk] | None
) -> Iterator[tuple[set[str], Database | None]]:
    """Give what this seed may use, and its database."""
    has, by_chance = set(offered), random.Random(f"surroundings {seed}")
    share = {"never": 0.0, "sometimes": 0.3, "always": 1.0}[arguments.clocks]
    has -= {"clock"} if by_chance.random() >= share else set()
    # A clock that can be moved makes Python's processes several times slower.
    has -= {"host clock"} if by_chance.random() >= share / 6 else set()
    if server is None or (arguments.store == "both" and seed % 2):
        yield has - {"postgres"}, None
        return
    running, disk = server
    with running.database() as url:
        yield has - {"sqlite"}, Database(url, disk, running)


def _report(finding: Finding, out: Path | None) -> None:
    states = ", ".join(f"{count} {state}" for state, count in sorted(finding.final.items()))
    faults = sum(finding.faults.values())
    print(
        f"seed {finding.seed}: {finding.accepted} accepted ({states}), {faults} faults, "
        f"{len(finding.violations)} violations, {finding.seconds:.0f} s",
        flush=True,
    )
    for line in (*finding.violations[:20], finding.stories, *finding.errors):
        if line:
            print(f"  {line}", flush=True)
    if out is not None:
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(vars(finding)) + "\n")


def table_of(findings: Sequence[Finding]) -> str:
    """Return a table in Markdown: kind of fault -> how often, predictions under way, and what became of them."""
    faults: Counter[str] = sum((Counter(one.faults) for one in findings), Counter())
    touched: Counter[str] = sum((Counter(one.touched) for one in findings), Counter())
    columns = ("fault", "injected", "accepted, under way", *COLUMNS, "longest pause afterwards")
    lines = [" | ".join(columns), "|".join(["---"] * len(columns))]
    for kind in (one.name for one in KINDS if faults[one.name]):
        broken = [
            sum(one.broken.get(rule, {}).get(kind, 0) for one in findings for rule in rules)
            for rules in COLUMNS.values()
        ]
        pause_s = max((one.pauses_s[kind] for one in findings if kind in one.pauses_s), default=0.0)
        numbers = (faults[kind], touched[kind], *broken)
        lines.append(" | ".join([kind, *(f"{number:,}" for number in numbers), f"{pause_s:.1f} s"]))
    accepted, calls = sum(one.accepted for one in findings), sum(one.calls for one in findings)
    violations = sum(len(one.violations) for one in findings)
    return "\n".join(
        [
            *(f"| {line} |" for line in lines),
            (
                f"\n{len(findings)} seeds, {accepted:,} accepted predictions, {calls:,} calls, {faults.total():,} faults, "
                f"{violations:,} violations"
            ),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
