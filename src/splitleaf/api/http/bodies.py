"""Read request bodies within limits on size and time, before anything parses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from splitleaf.api.http.headers import header
from splitleaf.core.errors import MalformedRequest, PayloadTooLarge, RequestTimedOut

MAX_JSON_BYTES: Final = 250_000
MAX_CSV_BYTES: Final = 10_000_000


async def read_body(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Return the body. All of it must arrive within `timeout_s`, however slowly the client sends.

    Raises `PayloadTooLarge` as soon as the body is known to be too large, `RequestTimedOut` or `MalformedRequest`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return b"".join([chunk async for chunk in bounded_chunks(request, max_bytes, _too_large(max_bytes))])
    except TimeoutError as error:
        raise RequestTimedOut("the request body did not arrive in time") from error
    except ClientDisconnect as error:
        raise MalformedRequest(
            "the connection closed before the whole body had arrived", code="incomplete_body"
        ) from error


async def receive_bounded(request: Request, timeout_s: float) -> Receive:
    """Read the body of a request to the admin API, and return a `receive` that replays it.

    FastAPI reads and parses a body before it checks the key. Without a limit, anyone could fill the memory.
    """
    max_bytes = MAX_CSV_BYTES if media_type(request) == "text/csv" else MAX_JSON_BYTES
    body = await read_body(request, max_bytes=max_bytes, timeout_s=timeout_s)
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return pending.pop() if pending else await request.receive()

    return receive


def media_type(request: Request) -> str:
    """Return the declared media type, in lower case and without parameters."""
    return (header(request.scope, b"content-type") or "").partition(";")[0].strip().lower()


async def bounded_chunks(request: Request, max_bytes: int, refusal: PayloadTooLarge) -> AsyncIterator[bytes]:
    """Yield the chunks of the body. Raise `refusal` as soon as it is known to have more than `max_bytes`."""
    length = header(request.scope, b"content-length") or ""
    if length.isdigit() and int(length) > max_bytes:
        raise refusal
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes:
            raise refusal
        if chunk:
            yield chunk


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the request body is larger than {max_bytes / 1000:,.0f} KB")
