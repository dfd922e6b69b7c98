"""The public routes: their handlers and their documentation."""

from __future__ import annotations

from typing import Final

from splitleaf.api.http.problem_docs import RETRY_AFTER
from splitleaf.api.public import examples, schemas
from splitleaf.api.public.call import UPLOAD, Call, Success, header_parameter, json_body, path_id, query_parameter
from splitleaf.api.public.health import Health
from splitleaf.api.public.predictions import Predictions
from splitleaf.api.public.problem_page import problem_page

_UPLOAD_PROBLEMS: Final = (400, 408, 413, 415, 422, 429, 500, 503)
_LOCATION: Final = {"Location": {"description": "Address of the prediction.", "schema": {"type": "string"}}}
_APPLIED: Final = {
    "Preference-Applied": {"description": "The granted wait, as `wait=N`.", "schema": {"type": "string"}}
}


def public_calls(predictions: Predictions, health: Health) -> list[Call]:
    """Return all public routes."""
    return [
        _create(predictions),
        _read(predictions),
        _cancel(predictions),
        _follow(predictions),
        _send_feedback(predictions),
        _explain(predictions),
        _predict(predictions),
        _list_labels(predictions),
        *_health_checks(health),
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
                schemas.PredictionSchema,
                "Finished within the time of `Prefer: wait=N`.",
                examples.SUCCEEDED,
                _LOCATION | _APPLIED,
            ),
            202: Success(schemas.PredictionSchema, "Accepted; see `Location`.", examples.QUEUED, _LOCATION | _APPLIED),
        },
        _UPLOAD_PROBLEMS,
        UPLOAD
        | {
            "parameters": [
                header_parameter("Prefer", "`wait=N`: wait up to N seconds for the result.", "wait=10"),
                header_parameter(
                    "Idempotency-Key",
                    "A retry with the same key and image returns the same prediction.",
                    "b9c1a7e2-5f04-4d0b-9f4e-2f6f0d3c8a11",
                    r"^[\x21-\x7e]{1,255}$",
                ),
                header_parameter(
                    "Splitleaf-Unit",
                    "Pseudonym of the client, such as a device or a person. Browsers get a cookie instead.",
                    "device-17",
                    r"^[\x21-\x7e]{1,200}$",
                ),
                query_parameter(
                    "priority",
                    "`batch` predictions are processed after `interactive` ones.",
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
        {200: Success(schemas.PredictionSchema, "The current state of the prediction.", examples.SUCCEEDED)},
        (400, 404, 500, 503),
        {
            "parameters": [
                path_id(),
                query_parameter(
                    "wait", "Seconds to wait for a final state.", {"type": "integer", "minimum": 0, "default": 0}
                ),
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
        {
            200: Success(
                schemas.PredictionSchema, "The prediction is canceled, or was already final.", examples.CANCELED
            )
        },
        (404, 500, 503),
        {"parameters": [path_id()]},
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
            "parameters": [
                path_id(),
                header_parameter("Last-Event-ID", "The last event that the client received.", "queued"),
            ],
            "responses": {
                "200": {
                    "description": "The events `queued`, `running` and `done`. Their data is the prediction.",
                    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": examples.EVENTS}},
                }
            },
        },
    )


def _send_feedback(predictions: Predictions) -> Call:
    return Call(
        "POST",
        "/v1/predictions/{id}/feedback",
        predictions.feedback,
        "sendFeedback",
        "Say whether the answer was right",
        {
            201: Success(
                schemas.FeedbackSchema,
                "The feedback is recorded. Feedback may be sent again; the latest counts.",
                examples.FEEDBACK_NOTED,
            )
        },
        (400, 404, 408, 409, 413, 415, 422, 429, 500, 503),
        {"parameters": [path_id()], "requestBody": json_body(schemas.FeedbackBody, examples.FEEDBACK)},
    )


def _explain(predictions: Predictions) -> Call:
    return Call(
        "GET",
        "/v1/predictions/{id}/explanation",
        predictions.explanation,
        "explainPrediction",
        "Explain the answer with a heat map",
        {
            200: Success(
                schemas.ExplanationSchema,
                "A coarse heat map. `heat` is null if none is available.",
                examples.EXPLANATION,
            )
        },
        (404, 409, 500, 503),
        {"parameters": [path_id()]},
    )


def _predict(predictions: Predictions) -> Call:
    return Call(
        "POST",
        "/predict",
        predictions.predict,
        "predict",
        "Classify an image in one request",
        {200: Success(schemas.SimpleAnswerSchema, "The answer.", examples.SIMPLE_ANSWER)},
        _UPLOAD_PROBLEMS,
        UPLOAD,
    )


def _list_labels(predictions: Predictions) -> Call:
    return Call(
        "GET",
        "/v1/labels",
        predictions.labels,
        "listLabels",
        "List the conditions",
        {200: Success(schemas.LabelsSchema, "The conditions, in the order of training.", examples.LABELS)},
        (500, 503),
    )


def _health_checks(health: Health) -> list[Call]:
    alive = Success(schemas.StatusSchema, "The process is alive.", {"status": "alive"})
    ready = Success(schemas.StatusSchema, "The service can accept images.", {"status": "ready"})
    not_ready = Success(
        schemas.StatusSchema, "The service cannot accept images. `problems` says why.", examples.NOT_READY, RETRY_AFTER
    )
    well = Success(schemas.HealthSchema, "A summary for people. Machines use `/readyz`.", examples.HEALTH)
    return [
        Call("GET", "/livez", health.live, "isAlive", "Check whether the process is alive", {200: alive}, tag="Health"),
        Call(
            "GET",
            "/readyz",
            health.ready,
            "isReady",
            "Check whether the service is ready",
            {200: ready, 503: not_ready},
            tag="Health",
        ),
        Call(
            "GET", "/health", health.summary, "health", "Summarize the health of the service", {200: well}, tag="Health"
        ),
    ]


def _problem_call() -> Call:
    meaning = {
        "description": "What the code means, and what to do about it.",
        "content": {"text/plain": {"schema": {"type": "string"}, "example": examples.PROBLEM_PAGE}},
    }
    parameter = {"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}
    return Call(
        "GET",
        "/problems/{code}",
        problem_page,
        "explainProblem",
        "Explain a problem code",
        {},
        (404, 500),
        {"parameters": [parameter | {"example": "image_too_small"}], "responses": {"200": meaning}},
        tag="Problems",
    )
