"""What clients asked and were told, call by call, and what was broken meanwhile."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import itemgetter
from typing import Any, Final

FINAL: Final = frozenset({"succeeded", "failed", "canceled", "expired"})


class Result(StrEnum):
    """How a call ended."""

    OK = "ok"
    FAIL = "fail"
    """Refused: nothing came of it."""
    UNKNOWN = "unknown"
    """No answer, or one that leaves open whether it was carried out."""


class Verb(StrEnum):
    SUBMIT = "submit"
    READ = "read"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client. Times are seconds since the history began."""

    verb: Verb
    began_s: float
    ended_s: float
    replica: int
    request: int
    """Number of the image that was to be answered."""
    status: int
    """Of HTTP; 0 where the connection broke."""
    body: Mapping[str, Any]
    prediction_id: str = ""
    """That was asked for or answered; empty: not known."""

    @property
    def result(self) -> Result:
        if 200 <= self.status < 300:
            return Result.OK
        is_open = self.status in (0, 500, 502, 504) or self.code == "unavailable"
        return Result.UNKNOWN if is_open else Result.FAIL

    @property
    def code(self) -> str:
        return str(self.body.get("code", "connection broken" if self.status == 0 else ""))

    @property
    def state(self) -> str:
        """The prediction's status, as this call was told; empty where it was told none."""
        return str(self.body["status"]) if self.result is Result.OK else ""

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    def __str__(self) -> str:
        said = self.state or f"{self.status} {self.code}"
        if self.body.get("result"):
            said += f" {self.body['result']['label']} {self.body['result']['confidence']}"
        span = f"{self.began_s:8.3f} to {self.ended_s:8.3f} s"
        return f"{span}  {self.verb} of {self.request} at replica {self.replica}: {self.result}, {said}"


@dataclass(slots=True)
class Mark:
    """A fault, from when to when."""

    kind: str
    detail: str
    began_s: float
    ended_s: float = float("inf")

    def __str__(self) -> str:
        return f"{self.began_s:8.3f} to {self.ended_s:8.3f} s  FAULT {self.kind}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client wants: one image's answer."""

    number: int
    image: int
    unit: str
    key: str
    """Idempotency-Key; empty: none."""


@dataclass
class History:
    """Everything that was said and done in one run."""

    requests: dict[int, Request] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    started_at: float = field(default_factory=time.monotonic)
    looked_at_s: float = float("inf")
    """When everything was over, and each prediction was asked for once more."""

    _last: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def now_s(self) -> float:
        return time.monotonic() - self.started_at

    def add(self, call: Call) -> None:
        """Keep a call. What is said of a prediction again and again is kept once, for an hour's calls are many."""
        if self._last.get(call.prediction_id) == call.body:
            call = replace(call, body=self._last[call.prediction_id])
        elif call.prediction_id:
            self._last[call.prediction_id] = call.body
        self.calls.append(call)

    def accepted(self) -> Mapping[str, Sequence[Call]]:
        """Return id -> the submits that were answered with it."""
        found: defaultdict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            if call.verb is Verb.SUBMIT and call.result is Result.OK:
                found[call.prediction_id].append(call)
        return found

    def by_id(self) -> Mapping[str, Sequence[Call]]:
        """Return id -> every call about it, in the order of their ends."""
        found: defaultdict[str, list[Call]] = defaultdict(list)
        for call in sorted(self.calls, key=lambda call: call.ended_s):
            if call.prediction_id:
                found[call.prediction_id].append(call)
        return found

    def lives(self) -> Mapping[str, tuple[float, float]]:
        """Return id -> from when to when clients had to do with it, before the last look at all."""
        found: dict[str, tuple[float, float]] = {}
        for call in self.calls:
            if call.prediction_id and call.began_s < self.looked_at_s:
                first, last = found.get(call.prediction_id, (call.began_s, call.ended_s))
                found[call.prediction_id] = (min(first, call.began_s), max(last, call.ended_s))
        return found

    def story_of(self, prediction_id: str) -> str:
        """Return all calls about a prediction and about its request, among the faults of that time."""
        numbers = {call.request for call in self.calls if call.prediction_id == prediction_id}
        calls = [call for call in self.calls if call.request in numbers]
        first, last = self.lives().get(prediction_id, (0.0, float("inf")))
        marks = [mark for mark in self.marks if mark.ended_s >= first - 3 and mark.began_s <= last]
        lines = sorted(
            [*((one.began_s, one) for one in calls), *((one.began_s, one) for one in marks)], key=itemgetter(0)
        )
        told: list[str] = []
        for kind, group in itertools.groupby((one for _, one in lines), _without_answer):
            same = list(group)
            told += (
                [str(same[0]), f"... {len(same) - 2} more ...", str(same[-1])]
                if kind and len(same) > 3
                else map(str, same)
            )
        return "\n".join([f"  {prediction_id}", *(f"    {text}" for text in told)])


def _without_answer(one: object) -> bool:
    return isinstance(one, Call) and one.status == 0
