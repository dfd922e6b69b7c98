"""How each kind of fault of processes, broker, database, network and clocks is done, and undone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sqlalchemy.engine import make_url

from tests.faults.cluster import ROLES, Cluster
from tests.faults.schedule import CLOCK_STEPS_S, Fault
from tests.faults.surroundings import Disk
from tests.support.clocks import ProcessClock

Way = Callable[[Cluster, Fault], Awaitable[str]]
"""Break, wait for the fault's time, mend; return what was struck."""
BACK_WITHIN_S: Final = 15.0
_STARTER: Final = ThreadPoolExecutor(1)
"""Starts databases: a server that ends with its parent ends with the very thread that started it."""
SIGNALS: Final = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGSTOP": signal.SIGSTOP}


async def signal_a_role(cluster: Cluster, fault: Fault) -> str:
    role, name = fault.kind.name.split()
    count, pids = len(cluster.pids(role)), sorted(cluster.pids(role))
    if not pids:
        return "none was there"
    pid = pids[int(fault.choice * count)]
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, SIGNALS[name])
        if name == "SIGSTOP":
            await asyncio.sleep(fault.seconds)
            os.kill(pid, signal.SIGCONT)
        elif role != "decoder":
            await _until_back(cluster, role, pid, count)
    return f"process {pid}"


async def _until_back(cluster: Cluster, role: str, gone: int, count: int) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BACK_WITHIN_S):
            while gone in (now := cluster.pids(role)) or len(now) < count:
                await asyncio.sleep(0.05)


async def end_broker(cluster: Cluster, fault: Fault) -> str:
    process = cluster.broker.process
    assert process is not None
    process.send_signal(SIGNALS[fault.kind.name.split()[1]])
    await asyncio.to_thread(process.wait)
    await asyncio.sleep(fault.seconds)
    await asyncio.to_thread(cluster.broker.start)
    return f"process {process.pid}"


async def freeze_broker(cluster: Cluster, fault: Fault) -> str:
    with cluster.broker.frozen():
        await asyncio.sleep(fault.seconds)
    return ""


async def starve_broker(cluster: Cluster, fault: Fault) -> str:
    await _tell(cluster, "CONFIG", "SET", "maxmemory", "1mb")
    try:
        await asyncio.sleep(fault.seconds)
    finally:
        await _tell(cluster, "CONFIG", "SET", "maxmemory", "0")
    return ""


async def flush_scripts(cluster: Cluster, _fault: Fault) -> str:
    return await _tell(cluster, "SCRIPT", "FLUSH")


async def kill_connections(cluster: Cluster, fault: Fault) -> str:
    kind = "pubsub" if fault.choice < 0.3 else "normal"
    return await _tell(cluster, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


async def _tell(cluster: Cluster, *words: str) -> str:
    with contextlib.closing(cluster.broker_client()) as client:
        await asyncio.to_thread(client.execute_command, *words)
    return " ".join(words)


async def fill_broker_disk(cluster: Cluster, fault: Fault) -> str:
    return await _fill(cluster.broker_disk, fault.seconds)


async def fill_database_disk(cluster: Cluster, fault: Fault) -> str:
    said = await _fill(cluster.database.disk, fault.seconds)
    server = cluster.database.server
    if server is not None and server.process is not None and server.process.poll() is not None:
        # It ends itself where it cannot write its log.
        await asyncio.get_running_loop().run_in_executor(_STARTER, server.start)
        said += ", started again"
    return said


async def _fill(disk: Disk, seconds: float) -> str:
    await asyncio.to_thread(disk.fill)
    try:
        await asyncio.sleep(seconds)
    finally:
        disk.empty()
    return str(disk.folder)


async def kill_database(cluster: Cluster, fault: Fault) -> str:
    server = cluster.database.server
    assert server is not None
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(fault.seconds)
    await asyncio.get_running_loop().run_in_executor(_STARTER, server.start)
    return ""


async def freeze_database(cluster: Cluster, fault: Fault) -> str:
    assert cluster.database.server is not None
    with cluster.database.server.frozen():
        await asyncio.sleep(fault.seconds)
    return ""


async def lock_database(cluster: Cluster, fault: Fault) -> str:
    with _write_lock(cluster.database.url):
        await asyncio.sleep(fault.seconds)
    return ""


@contextlib.contextmanager
def _write_lock(url: str) -> Iterator[None]:
    path = make_url(url).database
    assert path is not None
    connection = sqlite3.connect(path, timeout=5, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


async def worsen_network(cluster: Cluster, fault: Fault) -> str:
    role = ROLES[int(fault.choice * len(ROLES))]
    proxy, kind = cluster.proxies[role], fault.kind.name
    try:
        if kind == "network delay":
            proxy.delay_s = 0.02 + fault.choice / 5
        elif kind == "network hole":
            proxy.is_black_hole = True
        elif fault.seconds > 1:
            proxy.cut_in_answer = 8
        else:
            proxy.cut_after_send = 8
        await asyncio.sleep(fault.seconds)
    finally:
        proxy.delay_s, proxy.is_black_hole, proxy.cut_in_answer, proxy.cut_after_send = 0.0, False, 0, 0
    return f"between {role} and broker"


async def refuse_connections(cluster: Cluster, fault: Fault) -> str:
    role = ROLES[int(fault.choice * len(ROLES))]
    await cluster.proxies[role].refuse()
    try:
        await asyncio.sleep(fault.seconds)
    finally:
        await cluster.proxies[role].start()
    return f"between {role} and broker"


async def move_broker_clock(cluster: Cluster, fault: Fault) -> str:
    return await _move(cluster.broker_clock, fault)


async def move_host_clock(cluster: Cluster, fault: Fault) -> str:
    assert cluster.host_clock is not None
    return await _move(cluster.host_clock, fault)


async def _move(clock: ProcessClock, fault: Fault) -> str:
    step_s = CLOCK_STEPS_S[int(fault.choice * len(CLOCK_STEPS_S))]
    clock.move(step_s)
    await asyncio.sleep(fault.seconds)
    return f"{step_s:+d} s"


WAYS: Final[dict[str, Way]] = {
    "broker SIGKILL": end_broker,
    "broker SIGTERM": end_broker,
    "broker SIGSTOP": freeze_broker,
    "broker out of memory": starve_broker,
    "broker's disk full": fill_broker_disk,
    "broker's clock": move_broker_clock,
    "SCRIPT FLUSH": flush_scripts,
    "CLIENT KILL": kill_connections,
    "database killed": kill_database,
    "database frozen": freeze_database,
    "database locked": lock_database,
    "database's disk full": fill_database_disk,
    "network delay": worsen_network,
    "network hole": worsen_network,
    "network cut in a reply": worsen_network,
    "network refused": refuse_connections,
    "host clock": move_host_clock,
}
"""Every other kind is a signal to a role, or the operator's doing."""
