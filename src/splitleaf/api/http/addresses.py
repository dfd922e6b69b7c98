"""The network address by which rate limits count a client."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from starlette.requests import Request
from starlette.types import Scope

_NETWORK_BITS_V6 = 64


def client_network(request: Request) -> str:
    """Return the network of a request's client, as `network_of` does."""
    return network_of(request.scope)


def network_of(scope: Scope) -> str:
    """Return the network of one client: its IPv4 address, or the /64 of its IPv6 address.

    The address is that of the connection, or the one that a trusted proxy reports
    (`SPLITLEAF_API__FORWARDED_ALLOW_IPS`), never one that the client chooses. A connection without an address, such as
    a Unix socket, is `local`.
    """
    client = scope.get("client")
    return _network(client[0] if client else "")


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return "local"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _NETWORK_BITS_V6), strict=False))
