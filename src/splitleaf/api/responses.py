"""The public calls as entries of FastAPI's OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Response

from splitleaf.api.codes import CODES
from splitleaf.api.problems import title_of
from splitleaf.api.public import RETRY_AFTER, Call

PROBLEMS: Final = {
    400: "The request cannot be understood.",
    401: "A valid key is needed.",
    403: "The key does not allow that.",
    404: "There is no such thing, or it is no longer kept.",
    405: "The address knows no such method.",
    408: "The body did not arrive in time.",
    409: "The request contradicts the present state.",
    413: "The body is larger than the limit.",
    415: "Not an image of an accepted kind.",
    422: "The image is broken or out of bounds, or the request does not fit.",
    429: "Too many requests of this client; see `Retry-After`.",
    500: "Something broke on our side.",
    503: "Too much work, or a part is down; see `Retry-After`.",
}


def document_calls(app: FastAPI, calls: list[Call]) -> None:
    """Add the calls to the application's schema."""
    for call in calls:
        app.add_api_route(
            call.path,
            call.handler,
            methods=[call.method],
            summary=call.summary,
            description=f"{call.summary}.".replace("?.", "?"),  # not the handler's docstring
            tags=[call.tag],
            operation_id=call.name,
            response_model=None,
            response_class=Response,  # FastAPI's own would declare an empty JSON beside what a call declares
            status_code=next(iter(call.success), 200),
            responses=_responses(call),
            openapi_extra=call.extra or None,
        )


def _responses(call: Call) -> dict[int | str, dict[str, Any]]:
    documented: dict[int | str, dict[str, Any]] = {
        status: {
            "model": one.shape,
            "description": one.text,
            "content": {"application/json": {"example": one.example}},
            "headers": one.headers,
        }
        for status, one in call.success.items()
    }
    return documented | {status: problem(status) for status in call.problems}


def problem(status: int) -> dict[str, Any]:
    """Return the documentation of a problem response."""
    content = {"schema": {"$ref": "#/components/schemas/ProblemShape"}, "examples": _examples(status)}
    documented = {"description": PROBLEMS[status], "content": {"application/problem+json": content}}
    return documented | {"headers": RETRY_AFTER} if status in (429, 503) else documented


def _examples(status: int) -> dict[str, Any]:
    """Return one example for each code that comes with this status."""
    title = title_of(status)
    return {
        code: {
            "summary": meaning,
            "value": {"type": f"/problems/{code}", "title": title, "status": status, "code": code, "detail": meaning},
        }
        for code, (its_status, meaning, _) in CODES.items()
        if its_status == status
    }
