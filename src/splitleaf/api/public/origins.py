"""How an image came, as far as its request shows it."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import Scope

from splitleaf.api.http.headers import header
from splitleaf.api.public.units import HEADER
from splitleaf.core.prediction import Origin

_HOST: Final = re.compile(r"(?:https?://)?(\[[^]]*\]|[^][:/]+)")


def find_origin(scope: Scope) -> Origin:
    """Return how the image of a call of the API came. Never `PREDICT`: that call has an address of its own."""
    if header(scope, HEADER) is not None:
        return Origin.UNIT
    return Origin.PAGE if _is_from_page(scope) else Origin.API


def _is_from_page(scope: Scope) -> bool:
    """Go by two headers that a browser lets no script write."""
    fetched_from = header(scope, b"sec-fetch-site")
    if fetched_from is not None:
        return fetched_from == "same-origin"
    # On plain HTTP browsers send only the other one. A proxy may leave the port out of the host.
    named, here = _host(header(scope, b"origin")), _host(header(scope, b"host"))
    return named is not None and named == here


def _host(address: str | None) -> str | None:
    found = _HOST.match(address or "")
    return found[1].lower() if found else None
