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
from splitleaf.api.public.call import Call
from splitleaf.api.public.schemas import FeedbackBody
from splitleaf.api.schemas import ProblemSchema
from splitleaf.api.security.sessions import SESSION_COOKIE

DESCRIPTION = (
    "Send a photo of a leaf to get the condition that it shows. Every error is an RFC 9457 problem document with a "
    "stable `code`; `GET /problems/{code}` says what it means and what to do about it."
)


def document_calls(app: FastAPI, calls: list[Call]) -> None:
    """Add the public routes to the OpenAPI document of the application."""
    for call in calls:
        app.add_api_route(
            call.path,
            call.handler,
            methods=[call.method],
            summary=call.summary,
            description=f"{call.summary}.".replace("?.", "?"),  # instead of the handler's docstring
            tags=[call.tag],
            operation_id=call.name,
            response_model=None,
            response_class=FastApiResponse,  # FastAPI's default would add an empty JSON response
            status_code=next(iter(call.success), 200),
            responses=_responses(call),
            openapi_extra=call.extra or None,
        )


def _responses(call: Call) -> dict[int | str, dict[str, Any]]:
    documented: dict[int | str, dict[str, Any]] = {
        status: {
            "model": one.schema,
            "description": one.text,
            "content": {"application/json": {"example": one.example}},
            "headers": one.headers,
        }
        for status, one in call.success.items()
    }
    return documented | {status: problem(status) for status in call.problems}


class OpenApiDocument:
    """Builds the OpenAPI document on its first request, because that takes ten times as long as building the routes."""

    def __init__(self, app: FastAPI, calls: list[Call]) -> None:
        self._app = app
        self._calls = calls
        self._body = b""
        self._lock = asyncio.Lock()

    async def send(self, _request: Request) -> Response:
        async with self._lock:
            self._body = self._body or await asyncio.to_thread(self._build)
        return Response(self._body, media_type="application/json")

    def _build(self) -> bytes:
        return json.dumps(_document(self._app, self._calls), ensure_ascii=False, separators=(",", ":")).encode()


def _document(app: FastAPI, calls: list[Call]) -> dict[str, Any]:
    document = get_openapi(
        title="Splitleaf",
        version=__version__,
        summary="Classification of leaf conditions",
        description=DESCRIPTION,
        routes=app.routes,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (ProblemSchema, FeedbackBody):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    # FastAPI documents its own validation errors for every route; this API sends problem documents instead.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
    }
    for path, methods in document["paths"].items():
        if path.startswith("/admin/"):
            for documented in methods.values():
                documented["security"] = [{"key": []}, {"session": []}]
    _restore_examples(document, calls)
    return document


def _restore_examples(document: dict[str, Any], calls: list[Call]) -> None:
    """Restore null fields in examples. FastAPI drops them, and the examples then violate their schemas."""
    for call in calls:
        for status, one in call.success.items():
            answer = document["paths"][call.path][call.method.lower()]["responses"][str(status)]
            answer["content"]["application/json"]["example"] = dict(one.example)
