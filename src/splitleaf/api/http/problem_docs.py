"""Problem responses as entries of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from splitleaf.api.http.problem_codes import CODES
from splitleaf.api.http.problems import title_of

RETRY_AFTER: Final = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
PROBLEMS: Final = {
    400: "The request is invalid.",
    401: "A valid key is required.",
    403: "The scope of the key does not allow this.",
    404: "The resource does not exist, or is no longer kept.",
    405: "The resource does not support this method.",
    408: "The request body did not arrive in time.",
    409: "The request conflicts with the current state.",
    413: "The request body is too large.",
    415: "The media type is not supported.",
    422: "The image or the request cannot be processed.",
    429: "The client sent too many requests; see `Retry-After`.",
    500: "The server failed.",
    503: "The service is overloaded or partly unavailable; see `Retry-After`.",
}


def problem(status: int) -> dict[str, Any]:
    """Return the documentation of a problem response."""
    content = {"schema": {"$ref": "#/components/schemas/ProblemSchema"}, "examples": _examples(status)}
    documented = {"description": PROBLEMS[status], "content": {"application/problem+json": content}}
    return documented | {"headers": RETRY_AFTER} if status in (429, 503) else documented


def _examples(status: int) -> dict[str, Any]:
    """Return one example for each code of this status."""
    title = title_of(status)
    return {
        code: {
            "summary": meaning,
            "value": {"type": f"/problems/{code}", "title": title, "status": status, "code": code, "detail": meaning},
        }
        for code, (its_status, meaning, _) in CODES.items()
        if its_status == status
    }
