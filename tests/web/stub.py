"""A small stand-in for the service: the public API's contract with answers that a test decides."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from splitleaf.web.pages import page_routes

LABELS = (
    ("Bacterial_spot", "Bacterial spot"),
    ("Early_blight", "Early blight"),
    ("Late_blight", "Late blight"),
    ("Leaf_Mold", "Leaf mold"),
    ("Septoria_leaf_spot", "Septoria leaf spot"),
    ("Spider_mites_Two_spotted_spider_mite", "Spider mites (two-spotted)"),
    ("Target_Spot", "Target spot"),
    ("Tomato_Yellow_Leaf_Curl_Virus", "Yellow leaf curl virus"),
    ("Tomato_mosaic_virus", "Mosaic virus"),
    ("healthy", "Healthy"),
)
NAMES = dict(LABELS)
FINAL = ("succeeded", "failed", "canceled", "expired")


def result(
    label: str = "Late_blight",
    confidence: float = 97.31,
    *,
    sure: bool = True,
    bare: bool = False,
    unfamiliar: bool = False,
) -> dict[str, Any]:
    others = [name for name, _ in LABELS if name != label][:2]
    rest = 100 - confidence
    top = [(label, confidence), (others[0], round(rest * 0.7, 2)), (others[1], round(rest * 0.2, 2))]
    return {
        "label": label,
        "display_name": NAMES.get(label, label),
        "confidence": confidence,
        "is_sure": sure,
        "verdict": "unfamiliar" if unfamiliar else "sure" if sure else "unsure",
        "top": [{"label": name, "display_name": NAMES.get(name, name), "confidence": share} for name, share in top],
        "remarks": ["low_information"] if bare else [],
    }


@dataclass
class Journey:
    """What happens to one upload. Stages that are named in `hold` last until the test opens the gate."""

    refusals: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    """Answers to the first attempts: (status, code, headers); status 0 cuts the connection."""
    hold: frozenset[str] = frozenset()
    result: dict[str, Any] = field(default_factory=result)
    ends: str = "succeeded"
    error: dict[str, str] | None = None
    events: str = "stream"
    """stream, missing (404) or silent (a proxy that holds everything back)."""
    gate: threading.Event = field(default_factory=threading.Event)
    status: str = "queued"


class StubService:
    """The service's state as a test sees and sets it."""

    def __init__(self) -> None:
        self.default = Journey
        self.plan: list[Journey] = []
        self.journeys: dict[str, Journey] = {}
        self.keys: dict[str, str] = {}
        self.uploads: list[dict[str, Any]] = []
        self.reads: list[str] = []
        self.canceled: list[str] = []
        self.heat: list[list[int]] | None = [[10 * column for column in range(1, 11)]] * 10
        self.feedback: list[tuple[str, dict[str, Any]]] = []
        self.feedback_status = 201
        self.labels_status = 200
        self.most_at_once = 0
        self._attempts: dict[str, Journey] = {}

    def expect(self, **details: Any) -> Journey:
        """Decide the fate of the next upload that has not come yet."""
        details["hold"] = frozenset(details.get("hold", ()))
        journey = Journey(**details)
        self.plan.append(journey)
        return journey

    def app(self) -> Starlette:
        prediction = "/v1/predictions/{id}"
        return Starlette(
            routes=[
                *page_routes(),
                Route("/v1/predictions", self._submit, methods=["POST"]),
                Route(prediction, self._read, methods=["GET"]),
                Route(prediction, self._cancel, methods=["DELETE"]),
                Route(f"{prediction}/events", self._events, methods=["GET"]),
                Route(f"{prediction}/feedback", self._feedback, methods=["POST"]),
                Route(f"{prediction}/explanation", self._explanation, methods=["GET"]),
                Route("/v1/labels", self._labels, methods=["GET"]),
            ]
        )

    async def _submit(self, request: Request) -> Response:
        key = request.headers["idempotency-key"]
        form = await request.form()
        upload = form["file"]
        assert not isinstance(upload, str)
        body = await upload.read()
        self.uploads.append(
            {"key": key, "bytes": len(body), "type": upload.content_type, "name": upload.filename, "head": body[:16]}
            | {"prefer": request.headers.get("prefer")}
        )
        journey = self._attempts.setdefault(
            key, self.plan.pop(0) if key not in self._attempts and self.plan else self.default()
        )
        if journey.refusals:
            return problem(*journey.refusals.pop(0))
        identifier = self.keys.setdefault(key, f"{len(self.keys):a>26}"[-26:])
        self.journeys[identifier] = journey
        busy = sum(each.status not in FINAL for each in self.journeys.values())
        self.most_at_once = max(self.most_at_once, busy)
        headers = {"Location": f"/v1/predictions/{identifier}"}
        return JSONResponse(_prediction(identifier, journey), status_code=202, headers=headers)

    async def _read(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        self.reads.append(identifier)
        journey = self.journeys.get(identifier)
        if journey is None:
            return problem(404, "not_found", {})
        before = journey.status
        for _ in range(50):
            _advance(journey)
            if journey.status != before:
                break
            await asyncio.sleep(0.02)
        return JSONResponse(_prediction(identifier, journey))

    async def _events(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        journey = self.journeys[identifier]
        if journey.events == "missing":
            return problem(404, "not_found", {})
        return StreamingResponse(_stream(request, identifier, journey), media_type="text/event-stream")

    async def _cancel(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        self.canceled.append(identifier)
        journey = self.journeys[identifier]
        journey.status = "canceled"
        return JSONResponse(_prediction(identifier, journey))

    async def _explanation(self, request: Request) -> Response:
        journey = self.journeys[request.path_params["id"]]
        best = {name: journey.result[name] for name in ("label", "display_name")}
        return JSONResponse({"prediction_id": request.path_params["id"], **best, "heat": self.heat})

    async def _feedback(self, request: Request) -> Response:
        answer = await request.json()
        if self.feedback_status != 201:
            return problem(self.feedback_status, "not_found" if self.feedback_status == 404 else "unavailable", {})
        identifier = request.path_params["id"]
        self.feedback.append((identifier, answer))
        given = self.journeys[identifier].result["label"]
        label = given if answer.get("correct") else answer.get("label")
        body = {
            "prediction_id": identifier,
            "correct": label == given,
            "label": label,
            "created_at": "2026-05-01T08:00:00Z",
        }
        return JSONResponse(body, status_code=201)

    async def _labels(self, request: Request) -> Response:
        if self.labels_status != 200:
            return problem(self.labels_status, "unavailable", {})
        return JSONResponse({"labels": [{"label": label, "display_name": name} for label, name in LABELS]})


async def _stream(request: Request, identifier: str, journey: Journey) -> AsyncIterator[str]:
    sent, number = None, 0
    while not await request.is_disconnected():
        if journey.status != sent and journey.events == "stream":
            sent, number = journey.status, number + 1
            name = "done" if sent in FINAL else sent
            yield f"id: {number}\nevent: {name}\ndata: {json.dumps(_prediction(identifier, journey))}\n\n"
        if sent in FINAL:
            return
        _advance(journey)
        await asyncio.sleep(0.02)


def _advance(journey: Journey) -> None:
    if journey.status in FINAL or (journey.status in journey.hold and not journey.gate.is_set()):
        return
    journey.status = "running" if journey.status == "queued" else journey.ends


def _prediction(identifier: str, journey: Journey) -> dict[str, Any]:
    own = f"/v1/predictions/{identifier}"
    return {
        "id": identifier,
        "status": journey.status,
        "created_at": "2026-05-01T08:00:00Z",
        "finished_at": "2026-05-01T08:00:01Z" if journey.status in FINAL else None,
        "result": journey.result if journey.status == "succeeded" else None,
        "error": journey.error if journey.status == "failed" else None,
        "links": {
            "self": own,
            "events": f"{own}/events",
            "cancel": own,
            "feedback": f"{own}/feedback",
            "explanation": f"{own}/explanation",
        },
    }


def problem(status: int, code: str, headers: dict[str, str]) -> Response:
    body = {
        "type": f"/problems/{code}",
        "title": code,
        "status": status,
        "code": code,
        "detail": f"What is wrong: {code}.",
    }
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


@contextmanager
def running(app: Starlette) -> Iterator[str]:
    """Serve the app on a free port of this machine; yields its address, which ends in a slash."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the stand-in service did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
