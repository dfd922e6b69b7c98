"""An expert at the review queue, who is always right: the truth of every image is known here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx

AT_ONCE: Final = 20


@dataclass(slots=True)
class Expert:
    """Labels what the queue gives out: images on which the versions differ, and a random audit."""

    admin: httpx.Client
    experiment: str
    name: str = "simulated-expert"
    _labelled: set[str] = field(default_factory=set)
    _waiting: set[str] = field(default_factory=set)
    """Given out before their visitor had noted the answer: labelled at the next turn."""

    @property
    def labelled(self) -> int:
        """Return how many images are labelled."""
        return len(self._labelled)

    def label(self, true_labels: Mapping[str, str]) -> int:
        """Label what waits for a label; return how many images that were. `true_labels` are by prediction."""
        asked = {"experiment": self.experiment, "expert": self.name, "count": AT_ONCE}
        items = self.admin.post("/review/next", json=asked).raise_for_status().json()["items"]
        self._waiting |= {one["id"] for one in items}
        known = self._waiting & true_labels.keys()
        for image in sorted(known):
            said = {"label": true_labels[image], "expert": self.name}
            self.admin.post(f"/review/items/{image}/label", json=said).raise_for_status()
        self._waiting -= known
        self._labelled |= known
        return len(known)

    def finish(
        self, true_labels: Mapping[str, str], due: Callable[[], set[str]], within_s: float, quiet_s: float = 2.0
    ) -> None:
        """Label until all that is `due` has a label and nothing else has come for a while.

        The controller fills the queue each second, on a busy machine less often.
        """
        deadline = time.monotonic() + within_s
        quiet_since = time.monotonic()
        while time.monotonic() < deadline:
            if self.label(true_labels):
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since >= quiet_s and due() <= self._labelled:
                return
            else:
                time.sleep(0.2)
