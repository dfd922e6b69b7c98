"""The same key to both replicas at once, while the champion moves: `python -m tests.faults.pairs [--seconds 30]`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.faults.cluster import Cluster, running_cluster
from tests.faults.images import IMAGES
from tests.faults.line import Line
from tests.faults.operator import Operator
from tests.faults.quiet import recorded, until_quiet

CLIENTS: Final = 12
MOVE_EVERY_S: Final = 1.3


@dataclass
class Pairs:
    """What came of them. Every number but the first two should be 0."""

    asked: int = 0
    moves: int = 0
    two_answers: int = 0
    """Pairs whose two final answers differ."""
    two_states: int = 0
    """Ids with a final state in more than one version."""
    not_as_recorded: int = 0
    """Ids of which somebody was told another final state than the store has."""
    told: dict[str, set[tuple[str, str | None]]] = field(default_factory=dict)
    """Id -> final states that were told, with their labels."""

    @property
    def faults(self) -> int:
        return self.two_answers + self.two_states + self.not_as_recorded


async def ask_in_pairs(cluster: Cluster, is_enough: Callable[[Pairs], bool]) -> Pairs:
    """Send pairs until it is enough, and compare what was told with what is kept."""
    pairs, numbers = Pairs(), itertools.count()
    moving = asyncio.create_task(_move_champion(cluster, pairs))
    await asyncio.gather(*(_client(cluster, pairs, numbers, is_enough) for _ in range(CLIENTS)))
    moving.cancel()
    await asyncio.gather(moving, return_exceptions=True)
    pairs.two_states = await asyncio.to_thread(_two_states, cluster)
    await until_quiet(cluster)
    rows, _ = await recorded(cluster)
    kept = {row["prediction_id"]: {(row["status"], row["label"])} for row in rows}
    pairs.not_as_recorded = sum(kept.get(one) != told for one, told in pairs.told.items())
    return pairs


async def _move_champion(cluster: Cluster, pairs: Pairs) -> None:
    operator = Operator(cluster, random.Random(pairs.moves))
    while True:
        await asyncio.sleep(MOVE_EVERY_S)
        await operator.move_alias()
        pairs.moves += 1


async def _client(
    cluster: Cluster, pairs: Pairs, numbers: itertools.count[int], is_enough: Callable[[Pairs], bool]
) -> None:
    lines = [Line(url) for url in cluster.urls]
    while not is_enough(pairs):
        number = next(numbers)
        headers = f"Content-Type: image/jpeg\r\nIdempotency-Key: pair-{number}\r\nSplitleaf-Unit: pairs\r\nPrefer: wait=15\r\n"
        image = IMAGES[number % len(IMAGES)]
        answers = await asyncio.gather(*(line.ask("POST", "/v1/predictions", headers, image) for line in lines))
        finals = [_final(body) for status, body in answers if status == 200]
        for _, body in (one for one in answers if one[0] == 200):
            pairs.told.setdefault(body["id"], set()).add(_final(body))
        pairs.asked += 1
        pairs.two_answers += len(set(finals)) > 1
    for line in lines:
        line.close()


def _final(body: dict[str, Any]) -> tuple[str, str | None]:
    return body["status"], (body["result"] or {}).get("label")


def _two_states(cluster: Cluster) -> int:
    with contextlib.closing(cluster.broker_client()) as client:
        ids = Counter(key.rpartition(b":")[2] for key in client.scan_iter(b"{q:*}:r:*", count=1000))
    return sum(count > 1 for count in ids.values())


async def _main(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="slf", dir="/tmp", ignore_cleanup_errors=True) as folder:
        async with running_cluster(Path(folder)) as cluster:
            until = time.monotonic() + seconds
            pairs = await ask_in_pairs(cluster, lambda _: time.monotonic() > until)
    print("| pairs | moves of the champion | two answers | two final states | differ from the store |")
    print("|---|---|---|---|---|")
    print(f"| {pairs.asked} | {pairs.moves} | {pairs.two_answers} | {pairs.two_states} | {pairs.not_as_recorded} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults.pairs", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    asyncio.run(_main(parser.parse_args().seconds))
