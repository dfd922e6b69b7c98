"""Problem responses as entries of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from splitleaf.api.http.problem_codes import CODES
from splitleaf.api.http.problems import title_of

RETRY_AFTER: Final = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
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
