"""Health checks. Liveness uses no dependency; readiness asks the broker; overload fails neither."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from splitleaf.api.http.problems import retry_after
from splitleaf.api.public.views import json_response
from splitleaf.api.services import ApiServices
from splitleaf.core.errors import SplitleafError


class Health:
    """`/livez`, `/readyz`, `/health`."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services

    async def live(self, _request: Request) -> Response:
        return json_response({"status": "alive"})

    async def ready(self, _request: Request) -> Response:
        problems = await self._problems()
        if problems:
            return json_response({"status": "not ready", "problems": problems}, 503, {"Retry-After": retry_after(1)})
        return json_response({"status": "ready"})

    async def summary(self, _request: Request) -> Response:
        """Return 200 in any case: this is for people. Machines use `/readyz`."""
        problems = await self._problems()
        monitor = self._services.monitor
        if monitor.route_problem:
            problems.append("the database does not answer")
        body = {
            "status": "ok" if not problems else "degraded",
            "problems": problems,
            "workers": len(monitor.workers),
        }
        return json_response(body)

    async def _problems(self) -> list[str]:
        problems = list(self._services.monitor.snapshot.problems)
        if self._services.is_draining():
            problems.append("shutting down")
        try:
            await self._services.queue.ping()
        except SplitleafError:
            problems.append("the broker does not answer")
        return problems
