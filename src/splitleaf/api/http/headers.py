"""A request's header by its name, without the table that Starlette makes of all of them."""

from __future__ import annotations

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of this name, which is in lower case as ASGI has them; None without one."""
    for present, value in scope["headers"]:
        if present == name:
            return str(value, "latin-1")
    return None
