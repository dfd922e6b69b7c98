"""Public representations of a prediction. Every response about a prediction is built here."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from splitleaf.core.clock import as_rfc3339
from splitleaf.core.errors import Conflict
from splitleaf.core.prediction import MAP_SIDE, Classification, PredictionStatus
from splitleaf.flows.submit_image import UNEXPLAINED
from splitleaf.jobs.queue import JobState

# Flags that are public, as remarks that may help the person who took the photo. All others are internal.
PUBLIC_FLAGS = frozenset({"low_information"})

_EXPIRED = {"code": "expired", "detail": "the image could not be analyzed in time; please try again"}


def prediction_view(state: JobState, top_k: int) -> dict[str, Any]:
    """Return the public form. It has the same keys for all versions, and names none."""
    result = state.classification
    own = f"/v1/predictions/{state.id}"
    return {
        "id": state.id,
        "status": state.status.value,
        "created_at": as_rfc3339(state.created_ms),
        "finished_at": None if state.finished_ms is None else as_rfc3339(state.finished_ms),
        "result": None if result is None else _result_view(result, state, top_k),
        "error": _error_view(state),
        "links": {
            "self": own,
            "events": f"{own}/events",
            "cancel": own,
            "feedback": f"{own}/feedback",
            "explanation": f"{own}/explanation",
        },
    }


def explanation_view(state: JobState) -> dict[str, Any]:
    """Return the heat map for the label, in the same form for every version that might have answered.

    Raises `Conflict` (`no_answer_to_explain`) if there is no answer.
    """
    result = state.classification
    if result is None:
        raise Conflict("this prediction has no answer to explain", code="no_answer_to_explain")
    best = result.best
    return {
        "prediction_id": state.id,
        "label": best.label,
        "display_name": best.display_name,
        "heat": None if UNEXPLAINED in state.context.flags else _heat_view(result.heat),
    }


def percent(probability: float) -> float:
    """Return a probability in percent with two decimals."""
    return round(probability * 100, 2)


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response that must not be cached."""
    content = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def _result_view(result: Classification, state: JobState, top_k: int) -> dict[str, Any]:
    best = result.best
    return {
        "label": best.label,
        "display_name": best.display_name,
        "confidence": percent(best.confidence),
        "is_sure": result.is_sure,
        "verdict": result.verdict.value,
        "top": [
            {"label": one.label, "display_name": one.display_name, "confidence": percent(one.confidence)}
            for one in result.top[:top_k]
        ],
        "remarks": [flag for flag in state.context.flags if flag in PUBLIC_FLAGS],
    }


def _heat_view(heat: bytes) -> list[list[int]] | None:
    """Return rows of cells, in percent of the hottest cell."""
    if len(heat) != MAP_SIDE * MAP_SIDE:
        return None
    percents = [round(value / 2.55) for value in heat]
    return [percents[start : start + MAP_SIDE] for start in range(0, len(percents), MAP_SIDE)]


def _error_view(state: JobState) -> dict[str, str] | None:
    if state.failure is not None:
        return {"code": state.failure.code, "detail": state.failure.detail}
    return _EXPIRED if state.status is PredictionStatus.EXPIRED else None
