"""The FastAPI application: the admin API and the OpenAPI document.

FastAPI takes longer to import than the rest of an API process, and predictions do not need it. So it is imported in a
thread when the first request for it arrives, and the process is ready a second earlier.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from splitleaf import __version__
from splitleaf.api.admin.router import admin_router
from splitleaf.api.http import problems
from splitleaf.api.openapi import OpenApiDocument, document_calls
from splitleaf.api.public.call import Call
from splitleaf.api.services import ApiServices
from splitleaf.core.errors import SplitleafError


def build_fastapi_app(services: ApiServices, calls: list[Call]) -> FastAPI:
    """Return the application that answers `/admin/api` and `/openapi.json`.

    The Starlette routes in front of it answer `calls`; here they are only documented.
    """
    app = FastAPI(title="Splitleaf", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    document_calls(app, calls)
    app.include_router(admin_router(services))
    app.add_route("/openapi.json", OpenApiDocument(app, calls).send, include_in_schema=False)
    app.add_exception_handler(SplitleafError, problems.respond_to_error)
    app.add_exception_handler(HTTPException, problems.respond_to_refusal)
    app.add_exception_handler(RequestValidationError, _respond_to_validation)
    app.add_exception_handler(Exception, problems.respond_to_crash)
    return app


def _respond_to_validation(_request: Request, error: Exception) -> Response:
    """Turn a request that violates its schema into a problem document that lists the faults."""
    if not isinstance(error, RequestValidationError):
        return problems.respond_to_crash(_request, error)
    faults = [{"at": ".".join(map(str, fault["loc"])), "message": fault["msg"]} for fault in error.errors()]
    return problems.problem_response(422, "invalid_request", "the request does not match its schema", faults=faults)
