"""The pages as Starlette routes: the grower's with `/static/`, the dashboard with `/admin/static/`."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

STATIC_DIR: Final = Path(__file__).with_name("static")
DASHBOARD_DIR: Final = Path(__file__).with_name("dashboard")

DASHBOARD_PAGES: Final = (
    "/admin",
    "/admin/models",
    "/admin/models/{version}",
    "/admin/experiments",
    "/admin/new-experiment",
    "/admin/experiments/{key}",
    "/admin/review",
    "/admin/audit",
)
"""One document answers all of them: it shows what its address names. `shell/router.js` knows the same list."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}

# Named here because the machine's own table (/etc/mime.types) may know other names, or none.
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}

_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"


@dataclass(frozen=True)
class Asset:
    """One file of the page."""

    body: bytes
    media_type: str
    etag: str

    @cached_property
    def packed(self) -> bytes | None:
        """Its gzip form where that is smaller; made when it is first asked for, so that no start waits for it."""
        # mtime=0 keeps the packed bytes, and with them caches and tests, the same from start to start.
        packed = gzip.compress(self.body, compresslevel=9, mtime=0)
        return packed if len(packed) < len(self.body) * 0.9 else None


class PageAssets:
    """The files of a page, read once, under one fingerprint.

    The rendered index refers to `static/<fingerprint>/...`. Modules and style sheets name each
    other by relative paths, so one prefix renews all of them together, and each may be cached
    forever. The same files are also served without the prefix, for a server that does not know it.
    """

    def __init__(self, *folders: Path, root: str = "") -> None:
        """Read `folders` into one tree, in which a later one stands before an earlier; the grower's page without any.

        `root` is where the page stands, for one that is shown under several addresses.
        """
        sources = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for folder in folders or (STATIC_DIR,)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in _MEDIA_TYPES
        }
        self.fingerprint: Final = _fingerprint(sources)
        self._files = {name: _asset(name, body) for name, body in sources.items()}
        page = sources["index.html"].replace(b'"static/', f'"{root}static/{self.fingerprint}/'.encode())
        self.index: Final = _asset("index.html", page)

    def find(self, path: str) -> tuple[Asset, str] | None:
        """Return the asset at this path below `/static/` with its `Cache-Control`, or None."""
        prefix, _, rest = path.partition("/")
        if prefix == self.fingerprint and rest in self._files:
            return self._files[rest], _FOREVER
        asset = self._files.get(path)
        return None if asset is None else (asset, _ASK_FIRST)


def page_routes(assets: PageAssets | None = None) -> list[BaseRoute]:
    """Return the routes of the grower's page; mount them at the root of the application."""
    return _routes(assets or PageAssets(), ["/"], "/static", "page")


def dashboard_routes() -> list[BaseRoute]:
    """Return the routes of the dashboard. It uses the colours and a few modules of the grower's page."""
    assets = PageAssets(STATIC_DIR, DASHBOARD_DIR, root="/admin/")
    return _routes(assets, DASHBOARD_PAGES, "/admin/static", "dashboard")


def _routes(files: PageAssets, pages: Sequence[str], static_at: str, name: str) -> list[BaseRoute]:
    async def index(request: Request) -> Response:
        return _respond(request, files.index, _ASK_FIRST)

    async def static(request: Request) -> Response:
        found = files.find(request.path_params["path"])
        if found is None:
            raise HTTPException(404)  # the application answers it as it answers every error
        return _respond(request, *found)

    return [
        *(Route(page, index, name=name, include_in_schema=False) for page in pages),
        Route(f"{static_at}/{{path:path}}", static, name=f"{name}-static", include_in_schema=False),
    ]


def _respond(request: Request, asset: Asset, cache_control: str) -> Response:
    headers = SECURITY_HEADERS | {"Cache-Control": cache_control, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = asset.body
    if "gzip" in request.headers.get("accept-encoding", "") and asset.packed is not None:
        body, headers["Content-Encoding"] = asset.packed, "gzip"
    return Response(body, headers=headers, media_type=asset.media_type)


def _asset(name: str, body: bytes) -> Asset:
    return Asset(body, _MEDIA_TYPES[Path(name).suffix], f'W/"{hashlib.sha256(body).hexdigest()[:20]}"')


def _fingerprint(sources: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, body in sources.items():
        digest.update(f"{name}:{len(body)}:".encode())
        digest.update(body)
    return digest.hexdigest()[:12]
