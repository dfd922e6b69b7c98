"""Where the broker is: `redis://user:password@host:6379/0`, `rediss://...` (TLS), `unix:///path`, or whom to ask:
`redis+sentinel://user:password@host:26379,host,host/name`.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_SENTINEL_SCHEMES: Final = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""And what the servers that the sentinels name are reached by, as the sentinels are."""
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
_SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """What a URL says. `path` of a unix socket, or `host` and `port`, or `sentinels` and the `name` that they know."""

    path: str = ""
    host: str = "localhost"
    port: int = _PORT
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: Mapping[str, str] | None = None
    """Files and strictness of TLS, by the names that clients of Redis use in URLs; None: no TLS."""
    sentinels: tuple[BrokerAddress, ...] = ()
    name: str = ""
    """Of the primary, as the sentinels call it."""

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
    scheme, colon, rest = url.partition(":")
    if scheme in _SENTINEL_SCHEMES:
        return _parse_sentinels(urlsplit(_SENTINEL_SCHEMES[scheme] + colon + rest))
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("the scheme is redis, rediss, unix, redis+sentinel or rediss+sentinel")
    options = _options(parts, _OPTIONS)
    is_local = parts.scheme == "unix"
    if is_local and not parts.path:
        raise ValueError("a unix socket has a path")
    return BrokerAddress(
        path=unquote(parts.path) if is_local else "",
        host=parts.hostname or "localhost",
        port=parts.port or _PORT,
        username=unquote(parts.username or "") or options.get("username", ""),
        password=unquote(parts.password or "") or options.get("password", ""),
        database=_database(options.get("db") or ("" if is_local else parts.path.strip("/"))),
        tls=_tls(parts, options),
    )


def _parse_sentinels(parts: SplitResult) -> BrokerAddress:
    """Read `//user:password@host:port,host/name/database`; user and password are the broker's."""
    options = _options(parts, _OPTIONS | _SENTINEL_OPTIONS)
    name, _, database = parts.path.strip("/").partition("/")
    user, _, hosts = parts.netloc.rpartition("@")
    if not name or not hosts:
        raise ValueError("sentinels are named with the name by which they know the primary: host,host,host/name")
    username, _, password = user.partition(":")
    places = [urlsplit(f"//{host}") for host in hosts.split(",")]
    sentinels = tuple(
        BrokerAddress(
            host=place.hostname or "localhost",
            port=place.port or _SENTINEL_PORT,
            username=options.get("sentinel_username", ""),
            password=options.get("sentinel_password", ""),
            tls=_tls(parts, options),
        )
        for place in places
    )
    return BrokerAddress(
        username=unquote(username) or options.get("username", ""),
        password=unquote(password) or options.get("password", ""),
        database=_database(options.get("db") or database),
        tls=_tls(parts, options),
        sentinels=sentinels,
        name=unquote(name),
    )


def _options(parts: SplitResult, known: frozenset[str]) -> dict[str, str]:
    options = dict(parse_qsl(parts.query))
    if unknown := sorted(options.keys() - known - (_TLS_OPTIONS if parts.scheme == "rediss" else set())):
        raise ValueError(f"unknown options: {', '.join(unknown)}")
    return options


def _tls(parts: SplitResult, options: Mapping[str, str]) -> Mapping[str, str] | None:
    return {name: options[name] for name in _TLS_OPTIONS & options.keys()} if parts.scheme == "rediss" else None


def _database(named: str) -> int:
    if not named:
        return 0
    if not (named.isascii() and named.isdigit()):
        raise ValueError("the database is a number")
    return int(named)
