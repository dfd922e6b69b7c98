"""The public calls: what answers them, and what their documentation says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from splitleaf.api.http.problem_docs import RETRY_AFTER
from splitleaf.api.public import examples, schemas
from splitleaf.api.public.health import Health
from splitleaf.api.public.predictions import Predictions
from splitleaf.api.public.problem_page import problem_page

Handler = Callable[[Request], Awaitable[Response]]

_IMAGE: Final = {"type": "string", "format": "binary"}
_UPLOAD: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": {"file": _IMAGE}}},
            "image/*": {"schema": _IMAGE},
            "application/octet-stream": {"schema": _IMAGE},
        },
    }
}
_UPLOAD_PROBLEMS: Final = (400, 408, 413, 415, 422, 429, 500, 503)
_LOCATION: Final = {"Location": {"description": "Where the prediction is read.", "schema": {"type": "string"}}}
_APPLIED: Final = {
    "Preference-Applied": {"description": "The wait that was granted, `wait=N`.", "schema": {"type": "string"}}
}


@dataclass(frozen=True, slots=True)
class Success:
    """What a call answers when all is well."""

    shape: type[BaseModel]
    text: str
    example: Mapping[str, Any]
    headers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its handler, and what its documentation says."""

    method: str
    path: str
    handler: Handler
    name: str
    """What a generated client names it."""
    summary: str
    success: dict[int, Success]
    problems: tuple[int, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    tag: str = "Predictions"


def public_calls(predictions: Predictions, health: Health) -> list[Call]:
    """Return every public call."""
    return [
        _create(predictions),
        _read(predictions),
        _cancel(predictions),
        _follow(predictions),
        _judge(predictions),
        _explain(predictions),
        _predict(predictions),
        _list_labels(predictions),
        *_states(health),
        _problem_call(),
    ]


def _create(predictions: Predictions) -> Call:
    return Call(
        "POST",
        "/v1/predictions",
        predictions.create,
        "createPrediction",
        "Classify an image",
        {
            200: Success(
                schemas.PredictionShape,
                "Final within the time of `Prefer: wait=N`.",
                examples.SUCCEEDED,
                _LOCATION | _APPLIED,
            ),
            202: Success(schemas.PredictionShape, "Accepted; see `Location`.", examples.QUEUED, _LOCATION | _APPLIED),
        },
        _UPLOAD_PROBLEMS,
        _UPLOAD
        | {
            "parameters": [
                _header("Prefer", "`wait=N`: answer with the result if it is there within N seconds.", "wait=10"),
                _header(
                    "Idempotency-Key",
                    "Sent again with the same image, it returns the same prediction.",
                    "b9c1a7e2-5f04-4d0b-9f4e-2f6f0d3c8a11",
                    r"^[\x21-\x7e]{1,255}$",
                ),
                _header(
                    "Splitleaf-Unit",
                    "Who asks (a device, a person); browsers get a cookie.",
                    "device-17",
                    r"^[\x21-\x7e]{1,200}$",
                ),
                _query(
                    "priority",
                    "`batch` lets those who wait for an answer go first.",
                    {"type": "string", "enum": ["interactive", "batch"], "default": "interactive"},
                ),
            ]
        },
    )


def _read(predictions: Predictions) -> Call:
    return Call(
        "GET",
        "/v1/predictions/{id}",
        predictions.read,
        "readPrediction",
        "Read a prediction, or wait for it",
        {200: Success(schemas.PredictionShape, "The prediction as it is.", examples.SUCCEEDED)},
        (400, 404, 500, 503),
        {
            "parameters": [
                _id(),
                _query("wait", "Seconds to wait for a final state.", {"type": "integer", "minimum": 0, "default": 0}),
            ]
        },
    )


def _cancel(predictions: Predictions) -> Call:
    return Call(
        "DELETE",
        "/v1/predictions/{id}",
        predictions.cancel,
        "cancelPrediction",
        "Cancel a prediction",
        {200: Success(schemas.PredictionShape, "Canceled, or final already.", examples.CANCELED)},
        (404, 500, 503),
        {"parameters": [_id()]},
    )


def _follow(predictions: Predictions) -> Call:
    return Call(
        "GET",
        "/v1/predictions/{id}/events",
        predictions.events,
        "followPrediction",
        "Follow a prediction as server-sent events",
        {},
        (404, 500, 503),
        {
            "parameters": [_id(), _header("Last-Event-ID", "The last event that was received.", "queued")],
            "responses": {
                "200": {
                    "description": "Events `queued`, `running` and `done`; the data is the prediction.",
                    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": examples.EVENTS}},
                }
            },
        },
    )


def _judge(predictions: Predictions) -> Call:
    return Call(
        "POST",
        "/v1/predictions/{id}/feedback",
        predictions.feedback,
        "sendFeedback",
        "Say whether the answer was right",
        {
            201: Success(
                schemas.FeedbackShape, "Noted. May be sent again; the last one counts.", examples.FEEDBACK_NOTED
            )
        },
        (400, 404, 408, 409, 413, 415, 422, 429, 500, 503),
        {"parameters": [_id()], "requestBody": _json_body(schemas.FeedbackBody, examples.FEEDBACK)},
    )


def _explain(predictions: Predictions) -> Call:
    return Call(
        "GET",
        "/v1/predictions/{id}/explanation",
        predictions.explanation,
        "explainPrediction",
        "Show what in the image speaks for the answer",
        {
            200: Success(
                schemas.ExplanationShape,
                "A coarse heat map; `heat` is null where none is offered.",
                examples.EXPLANATION,
            )
        },
        (404, 409, 500, 503),
        {"parameters": [_id()]},
    )


def _predict(predictions: Predictions) -> Call:
    return Call(
        "POST",
        "/predict",
        predictions.predict,
        "predict",
        "Classify an image in one call",
        {200: Success(schemas.SimpleAnswerShape, "The answer.", examples.SIMPLE_ANSWER)},
        _UPLOAD_PROBLEMS,
        _UPLOAD,
    )


def _list_labels(predictions: Predictions) -> Call:
    return Call(
        "GET",
        "/v1/labels",
        predictions.labels,
        "listLabels",
        "List the conditions",
        {200: Success(schemas.LabelsShape, "In the order of training.", examples.LABELS)},
        (500, 503),
    )


def _states(health: Health) -> list[Call]:
    alive = Success(schemas.StatusShape, "It is.", {"status": "alive"})
    ready = Success(schemas.StatusShape, "It can.", {"status": "ready"})
    not_ready = Success(schemas.StatusShape, "It cannot; `problems` says why.", examples.NOT_READY, RETRY_AFTER)
    well = Success(schemas.HealthShape, "For people; `/readyz` is for machines.", examples.HEALTH)
    return [
        Call("GET", "/livez", health.live, "isAlive", "Is the process alive?", {200: alive}, tag="Health"),
        Call("GET", "/readyz", health.ready, "isReady", "Can it answer?", {200: ready, 503: not_ready}, tag="Health"),
        Call("GET", "/health", health.summary, "health", "How is it?", {200: well}, tag="Health"),
    ]


def _problem_call() -> Call:
    meaning = {
        "description": "What the code means, and what to do.",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": examples.PROBLEM_PAGE}},
    }
    parameter = {"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}
    return Call(
        "GET",
        "/problems/{code}",
        problem_page,
        "explainProblem",
        "Say what a problem's code means",
        {},
        (404, 500),
        {"parameters": [parameter | {"example": "image_too_small"}], "responses": {"200": meaning}},
        tag="Problems",
    )


def _id() -> dict[str, Any]:
    return {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "example": examples.ID}


def _header(name: str, text: str, example: str, pattern: str = r"^[\x20-\x7e]*$") -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "description": text, "schema": schema, "example": example}


def _query(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


def _json_body(shape: type[BaseModel], named: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": dict(named)}}}
