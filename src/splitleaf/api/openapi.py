"""The OpenAPI document of both APIs. FastAPI derives the admin API's part; `public.calls` declares the public part."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import FastAPI
from fastapi import Response as FastApiResponse
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response

from splitleaf import __version__
from splitleaf.api.http.problem_docs import problem
from splitleaf.api.public.calls import Call
from splitleaf.api.public.schemas import FeedbackBody
from splitleaf.api.schemas import ProblemShape
from splitleaf.api.security.sessions import SESSION_COOKIE

DESCRIPTION = (
    "Send a photo, get the condition that it shows. Every error is an RFC 9457 problem document with a stable "
    "`code`; `GET /problems/{code}` says what it means and what to do."
)


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
            response_class=FastApiResponse,  # FastAPI's own would declare an empty JSON beside what a call declares
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


class OpenApiDocument:
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


def _document(app: FastAPI, calls: list[Call]) -> dict[str, Any]:
    document = get_openapi(
        title="Splitleaf",
        version=__version__,
        summary="Which condition does this leaf show?",
        description=DESCRIPTION,
        routes=app.routes,
    )
    shapes = document.setdefault("components", {}).setdefault("schemas", {})
    for shape in (ProblemShape, FeedbackBody):
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
