"""Answers of both variants of an experiment, compared in all but what differs from image to image."""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from splitleaf.experiments.allocation import OUTSIDE
from splitleaf.images.decoded import decode_image
from splitleaf.importing.importer import import_model
from splitleaf.importing.labels import StatedLabels
from splitleaf.importing.request import ImportRequest
from splitleaf.registry.manifest import Preprocessing
from splitleaf.simulation.leaves import LABELS, draw_leaf
from splitleaf.simulation.networks import INPUT_SIDE, Fault, fit, write_network
from tests.experiments.plans import table
from tests.system.running import RunningSystem

TELLING = re.compile(
    r"\bv[12]\b|version|variant|experiment|champion|revision|digest|weight|shadow|(?<!cache-)control\b|candidate|hidden-one|fallback",
    re.IGNORECASE,
)
KEY = "hidden-one"
WHY = {"reason": "hiding"}


def form(response: httpx.Response) -> tuple[object, ...]:
    """Return everything but the values that differ from image to image."""
    headers = tuple(sorted(name for name in response.headers if name != "content-length"))
    return response.status_code, headers, shape(response.json() if response.content else None)


def shape(value: object) -> object:
    if isinstance(value, dict):
        return tuple((key, shape(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple(shape(inner) for inner in value)
    if isinstance(value, float):
        return f"float with {'two' if round(value, 2) == value else 'more'} decimals at most"
    return type(value).__name__


def visible(response: httpx.Response) -> str:
    """Return all that a client is told, without ids, which may hold any letters."""
    headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items() if name != "set-cookie")
    body = re.sub(r"[a-z2-7]{26}", "ID", json.dumps(response.json() if response.content else None))
    return (re.sub(r"x-request-id: \w+", "", headers) + body).replace("/v1/", "/")


def make_failing_pair(models: Path) -> None:
    """Write two versions that answer differently, and that both fail on many images."""
    models.mkdir(parents=True, exist_ok=True)
    (models / "repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")
    spec = Preprocessing(height=INPUT_SIDE, width=INPUT_SIDE).input_spec
    leaves = [draw_leaf(9, number) for number in range(100)]
    tensors = [decode_image(leaf.jpeg, [spec]).tensors[0] for leaf in leaves]
    images = np.stack([np.frombuffer(one.data, np.uint8).reshape(one.shape) for one in tensors]).astype(np.float64)
    for version, is_relative in (("v1", False), ("v2", True)):
        network = fit(images, [leaf.truth for leaf in leaves], is_relative=is_relative)
        source = models / f"{version}.onnx"
        source.write_bytes(write_network(network, Fault.ERRORS))
        import_model(ImportRequest(source, version, models, StatedLabels(LABELS, "a test")))
        source.unlink()


@dataclass
class Comparison:
    """What was found. `differing` and `telling` are to be 0."""

    count: int
    """Predictions of the variant that has fewer."""
    differing: int
    """Forms that only one variant has, or none of them but an answer outside the experiment."""
    telling: int
    """Answers that name what is hidden."""
    kinds: str
    times_ms: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class _Seen:
    forms: dict[str, set[tuple[object, ...]]] = field(default_factory=lambda: defaultdict(set))
    """Prediction -> forms of all answers about it, each with what was asked."""
    times_ms: dict[str, float] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    telling: int = 0


def compare_answers(system: RunningSystem, count: int) -> Comparison:
    """Ask until each variant has so many predictions, with errors, repeated requests, looks, feedback and cancels."""
    with system.admin() as admin, httpx.Client(base_url=system.url, timeout=30) as client:
        start_experiment(admin, KEY)
        seen = _Seen()
        for number in range(round(2.1 * count) + 10):
            _ask(client, number, seen)
        return _compare(seen, outcomes_of(admin, seen.forms.keys()))


def start_experiment(admin: httpx.Client, key: str) -> None:
    """Start v2 against v1, half and half, as soon as both are loaded."""
    admin.post("/experiments", json={"plan": table(key=key), **WHY}).raise_for_status()
    deadline = time.monotonic() + 30
    while (answer := admin.post(f"/experiments/{key}/start", json=WHY)).status_code in (404, 503):
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    answer.raise_for_status()


def _ask(client: httpx.Client, number: int, seen: _Seen) -> None:
    headers = {"Prefer": "wait=20", "Splitleaf-Unit": f"unit-{number}", "Idempotency-Key": f"key-{number}"}
    upload = {"file": draw_leaf(2, number % 200).jpeg}
    began = time.perf_counter()
    first = client.post("/v1/predictions", files=upload, headers=headers)
    prediction_id = first.json()["id"]
    seen.times_ms[prediction_id] = (time.perf_counter() - began) * 1000
    path, unit = f"/v1/predictions/{prediction_id}", {"Splitleaf-Unit": f"unit-{number}"}
    answers = {
        "sent": first,
        "sent again": client.post("/v1/predictions", files=upload, headers=headers),
        "another image": client.post("/v1/predictions", files={"file": draw_leaf(3, 0).jpeg}, headers=headers),
        "looked at": client.get(path),
        "explained": client.get(f"{path}/explanation"),
        "judged": client.post(f"{path}/feedback", json={"correct": True}, headers=unit),
        "canceled": client.delete(path),
        "as a form": client.post("/predict", files=upload, headers=unit),
    }
    seen.statuses[first.json()["status"]] += 1
    for asked, answer in answers.items():
        seen.forms[prediction_id].add((asked, first.json()["status"], *form(answer)))
        seen.telling += bool(TELLING.search(visible(answer)))


def outcomes_of(admin: httpx.Client, asked: AbstractSet[str]) -> dict[str, dict[str, Any]]:
    """Return prediction -> outcome once every prediction that was asked for is recorded."""
    deadline = time.monotonic() + 60
    while True:
        # Not by their number: answers to the form are recorded too, and so outnumber what is waited for.
        found = {one["prediction_id"]: one for one in _outcomes(admin)}
        if missing := asked - found.keys():
            assert time.monotonic() < deadline, f"{len(missing)} of {len(asked)} answers are not recorded"
            time.sleep(0.2)
        else:
            return found


def _outcomes(admin: httpx.Client) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        page = admin.get("/outcomes", params={"after": after, "limit": 5000}).json()
        if not page["outcomes"]:
            return
        yield from page["outcomes"]
        after = page["next"]


def _compare(seen: _Seen, outcomes: dict[str, dict[str, Any]]) -> Comparison:
    # Outside are those that were asked while the store was silent for too long: experiments are suspended then.
    forms: dict[str, set[tuple[object, ...]]] = {"control": set(), "candidate": set(), OUTSIDE: set()}
    times: dict[str, list[float]] = {"control": [], "candidate": []}
    for prediction_id, found in seen.forms.items():
        variant = str(outcomes[prediction_id]["variant"])
        forms[variant] |= found
        if variant != OUTSIDE:
            times[variant].append(seen.times_ms[prediction_id])
    kinds = ", ".join(f"{count:,} {status}" for status, count in sorted(seen.statuses.items()))
    control, candidate = forms["control"], forms["candidate"]
    differing = len(control ^ candidate) + len(forms[OUTSIDE] - (control | candidate))
    return Comparison(min(map(len, times.values())), differing, seen.telling, kinds, times)
