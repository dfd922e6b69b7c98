"""Where the broker is: `redis://user:password@host:6379/0`, `rediss://...` (TLS) or `unix:///path`."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_PORT: Final = 6379
_TLS_OPTIONS: Final = frozenset(
    {
        "ssl_ca_certs",
        "ssl_certfile",
        "ssl_keyfile",
        "ssl_cert_reqs",
        "ssl_check_hostname",
    }
)
_OPTIONS: Final = frozenset({"db", "username", "password"})


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """What a URL says. `path` of a unix socket, or `host` and `port`."""

    path: str = ""
    host: str = "localhost"
    port: int = _PORT
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: Mapping[str, str] | None = None
    """Files and strictness of TLS, by the names that clients of Redis use in URLs; None: no TLS."""

    def tls_context(self) -> ssl.SSLContext | None:
        """Return how to speak TLS; None: not at all. Raises `OSError` (`ssl.SSLError`) for files that are no keys."""
        if self.tls is None:
            return None
        context = ssl.create_default_context(cafile=self.tls.get("ssl_ca_certs"))
        context.check_hostname = self.tls.get("ssl_check_hostname", "true").lower() not in {"false", "0", "no"}
        if self.tls.get("ssl_cert_reqs", "required") == "none":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if "ssl_certfile" in self.tls:
            context.load_cert_chain(self.tls["ssl_certfile"], self.tls.get("ssl_keyfile"))
        return context


def parse_address(url: str) -> BrokerAddress:
    """Return what the URL says. Raises `ValueError`, which does not repeat a password, when it cannot be read."""
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("the scheme is redis, rediss or unix")
    options = dict(parse_qsl(parts.query))
    if unknown := sorted(options.keys() - _OPTIONS - (_TLS_OPTIONS if parts.scheme == "rediss" else set())):
        raise ValueError(f"unknown options: {', '.join(unknown)}")
    is_local = parts.scheme == "unix"
    if is_local and not parts.path:
        raise ValueError("a unix socket has a path")
    return BrokerAddress(
        path=unquote(parts.path) if is_local else "",
        host=parts.hostname or "localhost",
        port=parts.port or _PORT,
        username=unquote(parts.username or "") or options.get("username", ""),
        password=unquote(parts.password or "") or options.get("password", ""),
        database=_database(parts, options),
        tls={name: options[name] for name in _TLS_OPTIONS & options.keys()} if parts.scheme == "rediss" else None,
    )


def _database(parts: SplitResult, options: Mapping[str, str]) -> int:
    named = options.get("db") or ("" if parts.scheme == "unix" else parts.path.strip("/"))
    if not named:
        return 0
    if not (named.isascii() and named.isdigit()):
        raise ValueError("the database is a number")
    return int(named)
