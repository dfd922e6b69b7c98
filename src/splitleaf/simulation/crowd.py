"""Visitors who bring images whose truth is known, and some of whom say what they think of the answers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

GIVE_UP_S: Final = 60.0
LONGEST_PAUSE_S: Final = 2.0
_FINAL: Final = frozenset({"succeeded", "failed", "canceled", "expired"})


@dataclass(frozen=True, slots=True)
class Habits:
    """How visitors behave."""

    happy_share: float = 0.2
    """Of the visitors with a right answer, how many confirm it."""
    angry_share: float = 0.6
    """Of the visitors with a wrong answer, how many report it. Feedback is biased, as in production."""
    returning_share: float = 0.2
    """Of the images, how many are brought by who brought the one before."""


@dataclass(slots=True)
class Visit:
    """An image's way through the system, as its visitor saw it."""

    number: int
    truth: str
    prediction_id: str = ""
    status: str = ""
    """Empty: without an answer to the end."""
    label: str = ""
    answered_at: float = 0.0
    """Monotonic."""

    @property
    def is_right(self) -> bool:
        return self.status == "succeeded" and self.label == self.truth


@dataclass(slots=True)
class Crowd:
    """Sends images by number until there are no more or it is told to stop."""

    url: str
    bring: Callable[[int], tuple[bytes, str]]
    """Number -> image and truth."""
    count: int
    seed: int
    habits: Habits = field(default_factory=Habits)
    clients: int = 16
    visits: list[Visit] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)
    """Answers that made a visitor try again, by code."""

    @property
    def true_labels(self) -> dict[str, str]:
        """Prediction -> what its image shows, of all that have an answer."""
        return {one.prediction_id: one.truth for one in list(self.visits) if one.prediction_id}

    async def run(self, stop: asyncio.Event) -> None:
        """Send; return when all that was begun has its answer."""
        numbers = iter(range(self.count))
        limits = httpx.Limits(max_connections=self.clients)
        async with httpx.AsyncClient(base_url=self.url, timeout=GIVE_UP_S, limits=limits) as client:

            async def visitor() -> None:
                for number in numbers:
                    if stop.is_set():
                        return
                    await self._visit(client, number)

            await asyncio.gather(*(visitor() for _ in range(self.clients)))

    def unit(self, number: int) -> str:
        """Return who brings the image of this number."""
        returning = number and random.Random(f"{self.seed}/returns/{number}").random() < self.habits.returning_share  # noqa: S311
        return f"visitor-{self.seed}-{number - 1 if returning else number}"

    async def _visit(self, client: httpx.AsyncClient, number: int) -> None:
        image, truth = await asyncio.to_thread(self.bring, number)
        visit = Visit(number, truth)
        self.visits.append(visit)
        # With a key a repetition is safe: what was accepted before an answer got lost is not accepted again.
        headers = {
            "Splitleaf-Unit": self.unit(number),
            "Prefer": "wait=30",
            "Idempotency-Key": f"{self.seed}-{number}",
        }
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline and visit.status not in _FINAL:
            try:
                response = await client.post("/v1/predictions", files={"file": ("leaf", image)}, headers=headers)
                body: dict[str, Any] = response.json()
            except (httpx.TransportError, ValueError):
                self.repeated["connection broken"] += 1
                await asyncio.sleep(0.2)
                continue
            if response.is_success:
                visit.prediction_id, visit.status = body["id"], body["status"]
                visit.label = (body.get("result") or {}).get("label", "")
            else:
                self.repeated[str(body.get("code"))] += 1
                await asyncio.sleep(_pause_s(response))
        visit.answered_at = time.monotonic()
        if visit.status == "succeeded":
            await self._speak(client, visit, headers["Splitleaf-Unit"])

    async def _speak(self, client: httpx.AsyncClient, visit: Visit, unit: str) -> None:
        mood = random.Random(f"{self.seed}/speaks/{visit.number}").random()  # noqa: S311 - who speaks is no secret
        if mood >= (self.habits.happy_share if visit.is_right else self.habits.angry_share):
            return
        path = f"/v1/predictions/{visit.prediction_id}/feedback"
        with contextlib.suppress(httpx.TransportError):
            await client.post(path, json={"correct": visit.is_right}, headers={"Splitleaf-Unit": unit})


def _pause_s(response: httpx.Response) -> float:
    named = response.headers.get("Retry-After", "")
    return min(float(named) if named.isdigit() else 0.5, LONGEST_PAUSE_S)
