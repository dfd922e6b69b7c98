"""What each case gets from a running service, and what it costs the processes that decode for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.images.corpus.cases import Case
from tests.images.corpus.measuring import MemoryGauge

_WAIT_S = 30
_DECODER = b"splitleaf.images.child"


@dataclass(frozen=True)
class Served:
    """The answer to one case."""

    case: Case
    status: int
    """Zero where no answer came."""
    got: str
    """The label of the answer, or the code of the problem."""
    ms: float
    """From the first byte sent to the answer of the network, or to the refusal."""
    remarks: tuple[str, ...] = ()
    extra_mib: float | None = None
    """Memory that the decoding child took for this image; None where nobody watched."""

    @property
    def owed(self) -> str:
        return f"{self.case.status} {self.case.code or 'an answer'}"

    @property
    def is_right(self) -> bool:
        if self.status != self.case.status:
            return False
        if self.case.code:
            return self.got == self.case.code
        return bool(self.got) and self.remarks == self.case.flags


class Watch:
    """The memory of a running system's API and of the children that decode for it (Linux)."""

    def __init__(self, system_pid: int) -> None:
        self._system_pid = system_pid
        self._before: dict[int, float] = {}

    def begin(self) -> None:
        """Set the peaks back."""
        self._before.clear()
        for pid in self.decoders():
            gauge = MemoryGauge(pid)
            gauge.reset_peak()
            self._before[pid] = gauge.mib("VmRSS")

    def extra_mib(self) -> float:
        """Return by how much the child that grew most has grown at its peak since `begin`."""
        return max((MemoryGauge(pid).mib("VmHWM") - before for pid, before in self._before.items()), default=0.0)

    def decoders(self) -> list[int]:
        return [pid for pid in _descendants(self._system_pid) if _DECODER in _words(pid)]

    def decoders_mib(self) -> list[float]:
        """Return what each child holds."""
        return [MemoryGauge(pid).mib("VmRSS") for pid in self.decoders()]

    def resident_mib(self) -> float:
        """Return what the API and its children hold together."""
        apis = [pid for pid in _descendants(self._system_pid) if b"api" in _words(pid)]
        return sum(MemoryGauge(pid).mib("VmRSS") for pid in apis) + sum(self.decoders_mib())


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


def _words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def send_all(cases: Iterable[Case], url: str, watch: Watch | None = None) -> list[Served]:
    """Upload the cases one after another to the service at `url`."""
    with httpx.Client(base_url=url, timeout=2 * _WAIT_S, headers={"Prefer": f"wait={_WAIT_S}"}) as client:
        return [send(case, client, watch) for case in cases]


def send(case: Case, client: httpx.Client, watch: Watch | None = None) -> Served:
    """Upload one case as multipart and wait for its answer."""
    files = {"file": (case.filename, case.data, case.content_type)}
    if watch:
        watch.begin()
    start = time.perf_counter()
    try:
        answer = client.post("/v1/predictions", files=files)
    except httpx.TransportError as error:
        return Served(case, 0, type(error).__name__, 1e3 * (time.perf_counter() - start))
    ms = 1e3 * (time.perf_counter() - start)
    extra = watch.extra_mib() if watch else None
    if not answer.is_success:
        is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
        code = answer.json()["code"] if is_problem else "no problem+json"
        return Served(case, answer.status_code, code, ms, extra_mib=extra)
    result = answer.json()["result"] or {}
    remarks = tuple(result.get("remarks", ()))
    return Served(case, answer.status_code, result.get("label", ""), ms, remarks, extra)


def served_table(rows: Sequence[Served]) -> str:
    """The rows as Markdown."""
    lines = ["| image | status | answer or code | owed | ms | MiB of the child |", "|---|---:|---|---|---:|---:|"]
    for row in rows:
        mark = "" if row.is_right else " **WRONG**"
        got = ", ".join((row.got, *row.remarks))
        extra = "" if row.extra_mib is None else f"{row.extra_mib:.0f}"
        lines.append(f"| {row.case.name} | {row.status} | {got}{mark} | {row.owed} | {row.ms:.0f} | {extra} |")
    refused = [row for row in rows if row.case.code]
    taken = [row for row in rows if not row.case.code]
    right = sum(row.is_right for row in rows)
    lines.append(f"\n{right} of {len(rows)} as owed; {_worst('refused', refused)}; {_worst('accepted', taken)}")
    return "\n".join(lines)


def _worst(name: str, rows: Sequence[Served]) -> str:
    slowest = max((row.ms for row in rows), default=0.0)
    largest = max((row.extra_mib or 0.0 for row in rows), default=0.0)
    return f"the worst {name}: {slowest:.0f} ms, {largest:.0f} MiB"
