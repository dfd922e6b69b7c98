"""The ASGI application: middleware, Starlette routes for predictions and pages, then FastAPI for all other calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from splitleaf.api.http import problems
from splitleaf.api.http.bodies import receive_bounded
from splitleaf.api.http.middleware import RequestFacts, RequestMiddleware
from splitleaf.api.public.call import Call
from splitleaf.api.public.calls import public_calls
from splitleaf.api.public.health import Health
from splitleaf.api.public.predictions import Predictions
from splitleaf.api.public.reference import reference_routes
from splitleaf.api.services import ApiServices
from splitleaf.core.errors import SplitleafError
from splitleaf.web.pages import dashboard_routes, page_routes


def build_app(services: ApiServices, on_answer: Callable[[RequestFacts], None] | None = None) -> ASGIApp:
    """Return the ASGI application over these services. Call `on_answer` for each answered request."""
    calls = public_calls(Predictions(services), Health(services))
    app = Starlette(
        routes=[
            *(Route(call.path, call.handler, methods=[call.method]) for call in calls),
            *page_routes(),
            *dashboard_routes(),
            *reference_routes(),
        ],
        exception_handlers={
            SplitleafError: problems.respond_to_error,
            HTTPException: problems.respond_to_refusal,
            Exception: problems.respond_to_crash,
        },
    )
    app.router.default = _LazyFastApi(services, calls)
    paths = {route.endpoint: route.path for route in app.routes if isinstance(route, Route)}
    return RequestMiddleware(_FastRoutes(app, calls), paths, on_answer, services.tracer, services.body_budget)


class _FastRoutes:
    """Calls handlers of paths without parameters directly. Starlette's layers cost a tenth of the time of an upload."""

    def __init__(self, app: ASGIApp, calls: list[Call]) -> None:
        self._app = app
        self._handlers = {(call.method, call.path): call.handler for call in calls if "{" not in call.path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["endpoint"] = handler
        request = Request(scope, receive, send)
        try:
            response = await handler(request)
        except SplitleafError as error:
            response = problems.respond_to_error(request, error)
        except Exception as error:  # noqa: BLE001 - logged; the client gets a problem document
            response = problems.respond_to_crash(request, error)
        await response(scope, receive, send)


class _LazyFastApi:
    """Imports and builds the FastAPI application on its first request."""

    def __init__(self, services: ApiServices, calls: list[Call]) -> None:
        self._services = services
        self._calls = calls
        self._app: ASGIApp | None = None
        self._building = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(("/admin", "/openapi.json")):
            raise HTTPException(404)
        async with self._building:
            if self._app is None:
                self._app = await asyncio.to_thread(self._build)
        bounded = await receive_bounded(Request(scope, receive), self._services.limits.body_timeout_s)
        await self._app(scope, bounded, send)

    def _build(self) -> ASGIApp:
        from splitleaf.api.fastapi_app import build_fastapi_app

        return build_fastapi_app(self._services, self._calls)
