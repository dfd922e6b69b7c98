"""Ports to listen on."""

from __future__ import annotations

import errno
import os
import socket

from splitleaf.core.errors import ConfigurationError

PORTS_TRIED = 20


def require_free(host: str, port: int) -> None:
    """Raise `ConfigurationError` if a server cannot listen there."""
    if (number := _bind_error(host, port)) == 0:
        return
    if number == errno.EADDRINUSE:
        raise ConfigurationError(
            f"port {port} is in use; choose another one with --port or SPLITLEAF_API__PORT", code="port_taken"
        )
    raise ConfigurationError(f"cannot listen on {host}:{port}: {os.strerror(number)}", code="port_unusable")


def next_free(host: str, first: int) -> int:
    """Return the first free port from `first` on. Raises `ConfigurationError` if the next `PORTS_TRIED` are in use."""
    for port in range(first, first + PORTS_TRIED):
        number = _bind_error(host, port)
        if number == 0:
            return port
        if number != errno.EADDRINUSE:
            require_free(host, port)
    raise ConfigurationError(f"ports {first} to {first + PORTS_TRIED - 1} are in use", code="port_taken")


def is_free(host: str, port: int) -> bool:
    return _bind_error(host, port) == 0


def _bind_error(host: str, port: int) -> int:
    """Return 0 or the error's number."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise ConfigurationError(
            f"{host} is not an address of this machine: {error.strerror}", code="bad_host"
        ) from error
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return error.errno or errno.EADDRNOTAVAIL
    return 0
