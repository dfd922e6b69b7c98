"""`/docs`: an API reference that loads no scripts from other hosts, unlike the common ones."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

_FOLDER: Final = Path(__file__).with_name("static")
_FILES: Final = {
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs/docs.css": ("docs.css", "text/css; charset=utf-8"),
    "/docs/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
}


def reference_routes() -> list[BaseRoute]:
    """Return the routes of the API reference."""
    return [_file_route(path, *file) for path, file in _FILES.items()]


def _file_route(path: str, name: str, media_type: str) -> Route:
    body = (_FOLDER / name).read_bytes()

    async def send(_request: Request) -> Response:
        return Response(body, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return Route(path, send, include_in_schema=False)
