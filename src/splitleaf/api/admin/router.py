"""The routes under `/admin/api`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from splitleaf.api.admin.control import add_control
from splitleaf.api.admin.drift import add_drift
from splitleaf.api.admin.experiments import add_experiments
from splitleaf.api.admin.keys import add_keys
from splitleaf.api.admin.outcomes import add_outcomes
from splitleaf.api.admin.overview import add_overview
from splitleaf.api.admin.queue import add_queue
from splitleaf.api.admin.review import add_review
from splitleaf.api.admin.routing import add_routing
from splitleaf.api.admin.session import add_session
from splitleaf.api.http.problem_docs import problem
from splitleaf.api.security.access import require
from splitleaf.api.services import ApiServices
from splitleaf.core.access import Scope


def admin_router(services: ApiServices) -> APIRouter:
    """Return the routes under `/admin/api`."""
    problems: dict[int | str, dict[str, Any]] = {
        s: problem(s) for s in (400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503)
    }
    router = APIRouter(prefix="/admin/api", tags=["Admin"], responses=problems)
    may_read = Depends(require(Scope.READ, services.access))
    may_write = Depends(require(Scope.WRITE, services.access))
    add_session(router, services)
    add_overview(router, services, may_read)
    add_drift(router, services, may_read)
    add_keys(router, services, Depends(require(Scope.ADMIN, services.access)))
    add_routing(router, services, may_read, may_write)
    add_queue(router, services, may_read, may_write)
    add_outcomes(router, services, may_read)
    add_experiments(router, services, may_read, may_write)
    add_control(router, services, may_read)
    add_review(router, services, may_read, may_write)
    return router
