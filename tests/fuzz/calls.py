"""Fuzzes the public and the admin API from their OpenAPI document: schemathesis generates the requests.

The run is stateful: path parameters mostly take values that earlier responses returned. It checks that no response has a
status of 500 or above, that each problem is a problem document, and that the document declares every status.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from splitleaf.api.http.protocol import ProblemProtocol
from splitleaf.core.prediction import MAP_SIDE
from tests.api.served import WRITE_KEY, Served
from tests.experiments.plans import table
from tests.images.corpus.mutations import mutants
from tests.outcomes.facts import failed_outcome, outcome

UNSENT = frozenset({"content-length", "transfer-encoding", "host", "connection"})
_KNOWN_TO_ALL = frozenset({400, 401, 403, 404, 405, 408, 413, 415, 422, 431})
"""Refusals that any request may get."""
_EXPERIMENTS = ("leaf", "leaf-2", "leaf-3")
RECORDED = [
    *(outcome(experiment="leaf", variant="control", heat=base64.b64encode(bytes(MAP_SIDE**2)).decode()) for _ in "ab"),
    *(outcome(experiment="leaf", variant="candidate", assigned_version="v2", served_version="v2") for _ in "ab"),
    failed_outcome(),
]
"""Predictions that the API reads from the outcome store. They are final: an event stream about them ends."""


@dataclass
class Findings:
    """The statuses of all responses, and the faults."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@dataclass
class Known:
    """Values of path parameters that exist, so that one request leads to the next."""

    values: dict[str, list[str]] = field(
        default_factory=lambda: (
            {"version": ["v1", "v2"], "alias": ["champion"]}
            | {key: [one.prediction_id for one in RECORDED] for key in ("id", "prediction_id")}
        )
    )

    def pick(self, name: str, choice: int) -> str | None:
        """Return an existing value for most choices; None to keep the generated one."""
        values = self.values.get(name)
        return values[choice % len(values)] if values and choice % 10 else None

    def learn(self, response: httpx.Response) -> None:
        """Remember what a request has created."""
        if response.status_code != 201:
            return
        match response.request.url.path:
            case "/admin/api/experiments":
                self.values.setdefault("key", []).append(response.json()["key"])
            case "/admin/api/keys":
                self.values.setdefault("key_id", []).append(response.json()["record"]["id"])


@contextmanager
def served_api() -> Iterator[str]:
    """Serve both APIs from parts in memory with the real HTTP server, in a thread. Yield the base URL."""
    with tempfile.TemporaryDirectory(prefix="slz") as folder:
        ready, ports = threading.Event(), []
        servers: list[uvicorn.Server] = []

        async def serve() -> None:
            made = await Served(Path(folder)).start()
            made.store.record_outcomes(RECORDED)
            config = uvicorn.Config(made.app, port=0, http=ProblemProtocol, ws="none", lifespan="off", log_config=None)
            servers.append(uvicorn.Server(config))
            running = asyncio.create_task(servers[0].serve())
            while not servers[0].started:
                await asyncio.sleep(0.01)
            ports.append(servers[0].servers[0].sockets[0].getsockname()[1])
            ready.set()
            await running

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        assert ready.wait(60)
        try:
            yield f"http://127.0.0.1:{ports[0]}"
        finally:
            servers[0].should_exit = True
            thread.join(30)


def fuzz_calls(url: str, cases: int, number: int, *, admin: bool) -> Findings:
    """Send requests that match the document, and some that do not."""
    document = httpx.get(f"{url}/openapi.json", timeout=60).json()
    paths = {path: calls for path, calls in document["paths"].items() if path.startswith("/admin/") == admin}
    schema = schemathesis.openapi.from_dict({**document, "paths": paths})
    operations = [one.ok() for one in schema.get_all_operations()]
    findings, client = Findings(), httpx.Client(base_url=url, timeout=30)
    known = Known()
    if admin:
        _prepare(client, known)
    strategies = [one.as_strategy() for one in operations]

    @seed(number)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(strategies), st.integers(0, 999))
    def send(case: Any, choice: int) -> None:
        _send(client, case, known, choice, findings, admin=admin)

    send()
    client.close()
    return findings


def _prepare(client: httpx.Client, known: Known) -> None:
    """Create the experiments that the admin API is asked about."""
    for name in _EXPERIMENTS:
        body = {"plan": table(key=name, layer=name), "reason": "fuzz"}
        known.learn(client.post("/admin/api/experiments", json=body, headers={"Authorization": f"Bearer {WRITE_KEY}"}))


def _send(client: httpx.Client, case: Any, known: Known, choice: int, findings: Findings, *, admin: bool) -> None:
    """Send one request, with path parameters that mostly exist."""
    given = case.as_transport_kwargs(base_url=str(client.base_url))
    url, headers = (
        given["url"],
        {name: value for name, value in (given["headers"] or {}).items() if name.lower() not in UNSENT},
    )
    existing = {name: known.pick(name, choice) for name in case.path_parameters or {}}
    if any(existing.values()):
        url = case.path
        for name, value in case.path_parameters.items():
            url = url.replace(f"{{{name}}}", existing[name] or quote(str(value), safe="") or "x")
    if admin:
        headers["Authorization"] = f"Bearer {WRITE_KEY}"
    body = {name: given[name] for name in ("json", "data", "files") if given.get(name)}
    if isinstance(body.get("data"), (bytes, str)):
        body = {"content": body["data"]}
    try:
        response = client.request(case.method, url, params=given.get("params"), headers=headers, **body)
    except (UnicodeError, httpx.InvalidURL, httpx.LocalProtocolError, TypeError, ValueError, AttributeError):
        findings.statuses[0] += 1  # no client can send that
        return
    findings.statuses[response.status_code] += 1
    known.learn(response)
    findings.faults += _faults_of(case, response)


def _faults_of(case: Any, response: httpx.Response) -> Iterator[str]:
    where = f"{case.method} {case.path}: {response.status_code} {response.text[:300]} ({case.as_curl_command()[:1500]})"
    if response.status_code >= 500:
        yield f"crash: {where}"
    if response.status_code >= 400:
        kind = response.headers.get("content-type", "")
        if kind != "application/problem+json" or "code" not in json.loads(response.content):
            yield f"no problem document: {where}"
    declared = case.operation.definition.raw.get("responses", {})
    if str(response.status_code) not in declared and response.status_code not in _KNOWN_TO_ALL:
        yield f"undeclared: {where}"


def fuzz_images(url: str, cases: int, number: int) -> Findings:
    """Send damaged images, as files of a form and bare."""
    findings, rng = Findings(), random.Random(number)
    with httpx.Client(base_url=url, timeout=60) as client:
        for (_, data), _ in zip(mutants(number), range(cases), strict=False):
            path = rng.choice(("/v1/predictions", "/v1/predictions?priority=batch"))
            if rng.random() < 0.5:
                response = client.post(path, files={"file": data}, headers={"Idempotency-Key": str(rng.random())})
            else:
                response = client.post(path, content=data, headers={"Content-Type": "image/jpeg"})
            findings.statuses[response.status_code] += 1
            if response.status_code not in (202, 415, 422, 503) or (
                response.status_code != 202 and "code" not in response.json()
            ):
                findings.faults.append(f"{response.status_code}: {response.text[:300]}")
    return findings
