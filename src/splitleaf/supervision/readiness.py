"""Asks a running API whether it is ready. No HTTP library: importing one takes longer than the request."""

from __future__ import annotations

import asyncio
import json

_WITHIN_S = 2.0


def reachable(host: str) -> str:
    """Return the address at which a server that listens on `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


async def ask_ready(host: str, port: int) -> tuple[str, ...] | None:
    """Return why it is not ready (empty if it is), or None if no Splitleaf answers there."""
    try:
        answer = await asyncio.wait_for(_ask(reachable(host), port), _WITHIN_S)
        head, _, text = answer.partition(b"\r\n\r\n")
        body = json.loads(text)
        if b" 200 " in head.splitlines()[0] and body["status"] == "ready":
            return ()
        return tuple(str(problem) for problem in body["problems"])
    except (OSError, TimeoutError, ValueError, KeyError, TypeError, IndexError):
        return None


async def _ask(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return await reader.read(65_536)
    finally:
        writer.close()
