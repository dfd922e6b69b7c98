"""Hands that break a cluster by a schedule, mend it again, and write down when they did what."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.cluster import Cluster
from tests.faults.history import History, Mark
from tests.faults.operator import Operator
from tests.faults.schedule import Fault
from tests.faults.ways import WAYS, signal_a_role


@dataclass
class Breaker:
    """One fault after another; several at once where their lanes differ."""

    cluster: Cluster
    history: History
    seed: int
    errors: list[str] = field(default_factory=list)
    """What went wrong with the breaking itself."""

    def __post_init__(self) -> None:
        self._lanes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._operator = Operator(self.cluster, random.Random(f"operator {self.seed}"))

    async def run(self, schedule: Sequence[Fault]) -> None:
        """Return when the last fault is over and everything is mended."""
        began_s = self.history.now_s()
        async with asyncio.TaskGroup() as group:
            for fault in schedule:
                await asyncio.sleep(max(0.0, began_s + fault.at_s - self.history.now_s()))
                group.create_task(self._inject(fault))

    async def _inject(self, fault: Fault) -> None:
        # Where a part took longer to come back than the schedule thought, the next fault of its lane waits.
        async with self._lanes[fault.kind.lane]:
            mark = Mark(fault.kind.name, "", self.history.now_s())
            self.history.marks.append(mark)
            try:
                mark.detail = await self._do(fault)
            except Exception as error:  # noqa: BLE001 - the others go on
                self.errors.append(f"{fault.kind.name}: {error!r}")
            mark.ended_s = self.history.now_s()

    async def _do(self, fault: Fault) -> str:
        if fault.kind.name == "alias moved":
            return await self._operator.move_alias()
        if fault.kind.name == "experiment changed":
            return await self._operator.change_experiment()
        if fault.kind.name == "model file broken":
            return await self._operator.break_model(fault.seconds, fault.choice)
        return await WAYS.get(fault.kind.name, signal_a_role)(self.cluster, fault)
