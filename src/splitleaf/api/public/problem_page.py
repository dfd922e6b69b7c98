"""`GET /problems/{code}`: the meaning of a problem code in plain text."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from splitleaf.api.http.problem_codes import CODES


async def problem_page(request: Request) -> Response:
    """Return what a code means and what to do about it."""
    known = CODES.get(request.path_params["code"])
    if known is None:
        raise HTTPException(404)
    status, meaning, advice = known
    text = f"{request.path_params['code']} ({status})\n\n{meaning}\n{advice}\n"
    return Response(text, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "max-age=3600"})
