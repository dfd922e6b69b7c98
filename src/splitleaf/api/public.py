"""The public calls: what answers them, and what their documentation says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from splitleaf.api import schemas
from splitleaf.api.health import Health
from splitleaf.api.predictions import Predictions

Handler = Callable[[Request], Awaitable[Response]]

_PICTURE: Final = {"type": "string", "format": "binary"}
_UPLOAD: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": _PICTURE}}
            },
            "image/*": {"schema": _PICTURE},
            "application/octet-stream": {"schema": _PICTURE},
        },
    }
}
_UPLOAD_PROBLEMS: Final = (400, 408, 413, 415, 422, 429, 500, 503)
_ID: Final = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its handler, and what its documentation says."""

    method: str
    path: str
    handler: Handler
    summary: str
    success: dict[int, tuple[type[BaseModel], str]]
    problems: tuple[int, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    tag: str = "Predictions"


def public_calls(predictions: Predictions, health: Health) -> list[Call]:
    """Return every public call."""
    done = (schemas.PredictionShape, "The prediction.")
    ready = (schemas.StatusShape, "")
    return [
        Call(
            "POST",
            "/v1/predictions",
            predictions.create,
            "Classify a picture",
            {
                200: (schemas.PredictionShape, "Final within the time of `Prefer: wait=N`."),
                202: (schemas.PredictionShape, "Accepted; see `Location`."),
            },
            _UPLOAD_PROBLEMS,
            _UPLOAD
            | {
                "parameters": [
                    _header("Prefer", "`wait=N`: answer with the result if it is there within N seconds.", "wait=10"),
                    _header("Idempotency-Key", "The same key, sent again, returns the same prediction.", "b9c1…"),
                    _header("Splitleaf-Unit", "Who asks (a device, a person); browsers get a cookie.", "device-17"),
                    _query("priority", {"type": "string", "enum": ["interactive", "batch"]}),
                ]
            },
        ),
        Call(
            "GET",
            "/v1/predictions/{id}",
            predictions.read,
            "Read a prediction, or wait for it",
            {200: done},
            (400, 404, 500, 503),
            {"parameters": [_ID, _query("wait", {"type": "integer", "minimum": 0})]},
        ),
        Call(
            "DELETE",
            "/v1/predictions/{id}",
            predictions.cancel,
            "Cancel a prediction",
            {200: (schemas.PredictionShape, "Canceled, or final already.")},
            (404, 500, 503),
            {"parameters": [_ID]},
        ),
        Call(
            "GET",
            "/v1/predictions/{id}/events",
            predictions.events,
            "Follow a prediction as server-sent events",
            {},
            (404, 500, 503),
            {
                "parameters": [_ID, _header("Last-Event-ID", "The last event that was received.", "queued")],
                "responses": {
                    "200": {
                        "description": "Events `queued`, `running` and `done`; the data is the prediction.",
                        "content": {"text/event-stream": {"schema": {"type": "string"}}},
                    }
                },
            },
        ),
        Call(
            "POST",
            "/v1/predictions/{id}/feedback",
            predictions.feedback,
            "Say whether the answer was right",
            {201: (schemas.FeedbackShape, "Noted. May be sent again; the last one counts.")},
            (400, 404, 409, 413, 415, 422, 500, 503),
            {"parameters": [_ID], "requestBody": _json_body(schemas.FeedbackBody)},
        ),
        Call(
            "GET",
            "/v1/predictions/{id}/explanation",
            predictions.explanation,
            "Show what in the picture speaks for the answer",
            {200: (schemas.ExplanationShape, "A coarse heat map; `heat` is null where none is offered.")},
            (404, 409, 500, 503),
            {"parameters": [_ID]},
        ),
        Call(
            "POST",
            "/predict",
            predictions.predict,
            "Classify a picture in one call",
            {200: (schemas.SimpleAnswerShape, "The answer.")},
            _UPLOAD_PROBLEMS,
            _UPLOAD,
        ),
        Call(
            "GET",
            "/v1/labels",
            predictions.labels,
            "List the conditions",
            {200: (schemas.LabelsShape, "In the order of training.")},
            (500, 503),
        ),
        Call("GET", "/livez", health.live, "Is the process alive?", {200: ready}, tag="Health"),
        Call("GET", "/readyz", health.ready, "Can it answer?", {200: ready, 503: ready}, tag="Health"),
        Call("GET", "/health", health.summary, "How is it?", {200: (schemas.HealthShape, "")}, tag="Health"),
    ]


def _header(name: str, text: str, example: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": text, "schema": {"type": "string"}, "example": example}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _json_body(shape: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {"required": True, "content": {"application/json": {"schema": schema}}}
