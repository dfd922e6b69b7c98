"""Where an image came from, as far as its request shows."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import Scope

from splitleaf.api.http.headers import header
from splitleaf.api.public.units import HEADER
from splitleaf.core.prediction import Origin

_HOST: Final = re.compile(r"(?:https?://)?(\[[^]]*\]|[^][:/]+)")


def find_origin(scope: Scope) -> Origin:
    """Return the origin of an image sent to the versioned API. Never `PREDICT`, which has its own route."""
    if header(scope, HEADER) is not None:
        return Origin.UNIT
    return Origin.PAGE if _is_from_page(scope) else Origin.API


def _is_from_page(scope: Scope) -> bool:
    """Decide by two headers that browsers do not let scripts set."""
    fetched_from = header(scope, b"sec-fetch-site")
    if fetched_from is not None:
        return fetched_from == "same-origin"
    # Over plain HTTP, browsers send only `Origin`. A proxy may drop the port from `Host`.
    named, here = _host(header(scope, b"origin")), _host(header(scope, b"host"))
    return named is not None and named == here


def _host(address: str | None) -> str | None:
    found = _HOST.match(address or "")
    return found[1].lower() if found else None
