"""Read one request header from the ASGI scope, without building Starlette's `Headers`."""

from __future__ import annotations

from starlette.types import Scope


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header with this name, or None. The name must be in lower case, as in ASGI."""
    for present, value in scope["headers"]:
        if present == name:
            return str(value, "latin-1")
    return None
