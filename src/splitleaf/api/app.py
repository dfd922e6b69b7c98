"""The application: plain routes in front, FastAPI behind, one edge around both."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from splitleaf import __version__
from splitleaf.api import problems, schemas
from splitleaf.api.admin import admin_router
from splitleaf.api.codes import problem_page
from splitleaf.api.edge import Edge
from splitleaf.api.health import Health
from splitleaf.api.predictions import Predictions
from splitleaf.api.public import add_public_calls, public_calls
from splitleaf.api.reference import reference_routes
from splitleaf.api.services import ApiServices
from splitleaf.core.errors import SplitleafError
from splitleaf.web.pages import page_routes


def build_app(services: ApiServices) -> ASGIApp:
    """Return the ASGI application over these services."""
    return Edge(build_fastapi(services))


def build_fastapi(services: ApiServices) -> FastAPI:
    """Return the application without its edge, for its routes and its OpenAPI document."""
    app = FastAPI(title="Splitleaf", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    add_public_calls(app, public_calls(Predictions(services), Health(services)))
    app.router.routes.extend(page_routes())
    app.include_router(admin_router(services))
    app.add_route("/problems/{code}", problem_page, include_in_schema=False)

    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(_document(app))
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    app.router.routes.extend(reference_routes(openapi))
    _handle_errors(app)
    return app


def _handle_errors(app: FastAPI) -> None:
    app.add_exception_handler(SplitleafError, problems.respond_to_error)
    app.add_exception_handler(HTTPException, problems.respond_to_refusal)
    app.add_exception_handler(RequestValidationError, problems.respond_to_validation)
    app.add_exception_handler(Exception, problems.respond_to_crash)


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="Splitleaf",
        version=__version__,
        summary="Which condition does this leaf show?",
        description=(
            "Send a photo, get the condition that it shows. Every error is an RFC 9457 problem document with a "
            "stable `code`; `GET /problems/{code}` says what it means and what to do."
        ),
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
    for path in document["paths"].values():
        for call in path.values():
            _tidy(call)
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return document


def _tidy(call: dict[str, Any]) -> None:
    response = call["responses"].get("422")
    if response and "HTTPValidationError" in str(response):
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemShape"}}}
        call["responses"]["422"] = {"description": "The request does not fit its schema.", "content": content}
