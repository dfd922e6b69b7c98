"""The FastAPI part: the admin calls, and the OpenAPI document of everything.

FastAPI takes longer to import than all the rest of an API process, and no image needs it. So it is
imported when its first request comes, in a thread, and the page is up a second earlier.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from splitleaf import __version__
from splitleaf.api import problems, schemas
from splitleaf.api.admin import admin_router
from splitleaf.api.public import Call
from splitleaf.api.responses import document_calls
from splitleaf.api.services import ApiServices
from splitleaf.api.sessions import SESSION_COOKIE
from splitleaf.core.errors import SplitleafError

DESCRIPTION = (
    "Send a photo, get the condition that it shows. Every error is an RFC 9457 problem document with a stable "
    "`code`; `GET /problems/{code}` says what it means and what to do."
)


def build_interface(services: ApiServices, calls: list[Call]) -> FastAPI:
    """Return the application that answers `/admin/api` and `/openapi.json`.

    `calls` are answered by the plain routes in front of it; here they are documented.
    """
    app = FastAPI(title="Splitleaf", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    document_calls(app, calls)
    app.include_router(admin_router(services))
    app.add_route("/openapi.json", _LateDocument(app, calls).send, include_in_schema=False)
    app.add_exception_handler(SplitleafError, problems.respond_to_error)
    app.add_exception_handler(HTTPException, problems.respond_to_refusal)
    app.add_exception_handler(RequestValidationError, _respond_to_validation)
    app.add_exception_handler(Exception, problems.respond_to_crash)
    return app


class _LateDocument:
    """Makes the OpenAPI document when it is first asked for: that takes ten times as long as all the routes."""

    def __init__(self, app: FastAPI, calls: list[Call]) -> None:
        self._app = app
        self._calls = calls
        self._body = b""
        self._making = asyncio.Lock()

    async def send(self, _request: Request) -> Response:
        async with self._making:
            self._body = self._body or await asyncio.to_thread(self._make)
        return Response(self._body, media_type="application/json")

    def _make(self) -> bytes:
        return json.dumps(_document(self._app, self._calls), ensure_ascii=False, separators=(",", ":")).encode()


def _respond_to_validation(_request: Request, error: Exception) -> Response:
    """Turn a request that does not fit its schema into a problem that names the entries."""
    if not isinstance(error, RequestValidationError):
        return problems.respond_to_crash(_request, error)
    faults = [{"at": ".".join(map(str, fault["loc"])), "message": fault["msg"]} for fault in error.errors()]
    return problems.problem_response(422, "invalid_request", "the request does not fit its schema", faults=faults)


def _document(app: FastAPI, calls: list[Call]) -> dict[str, Any]:
    document = get_openapi(
        title="Splitleaf",
        version=__version__,
        summary="Which condition does this leaf show?",
        description=DESCRIPTION,
        routes=app.routes,
    )
    shapes = document.setdefault("components", {}).setdefault("schemas", {})
    for shape in (schemas.ProblemShape, schemas.FeedbackBody):
        schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        shapes.update(schema.pop("$defs", {}))
        shapes[shape.__name__] = schema
    # FastAPI documents a validation error of its own form for every call; ours are problems.
    for name in ("HTTPValidationError", "ValidationError"):
        shapes.pop(name, None)
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
    }
    for path, methods in document["paths"].items():
        if path.startswith("/admin/"):
            for documented in methods.values():
                documented["security"] = [{"key": []}, {"session": []}]
    _put_examples_back(document, calls)
    return document


def _put_examples_back(document: dict[str, Any], calls: list[Call]) -> None:
    """FastAPI leaves out whatever is null, also in examples, which then lack what their schema wants."""
    for call in calls:
        for status, one in call.success.items():
            answer = document["paths"][call.path][call.method.lower()]["responses"][str(status)]
            answer["content"]["application/json"]["example"] = dict(one.example)
