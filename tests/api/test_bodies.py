from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.types import Message

from splitleaf.api.http.bodies import MAX_JSON_BYTES, read_body, receive_bounded
from splitleaf.core.errors import MalformedRequest, PayloadTooLarge, RequestTimedOut


def request(*pieces: bytes, headers: dict[str, str] | None = None, rest_s: float = 0, breaks: bool = False) -> Request:
    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    messages = _messages(pieces, breaks=breaks)

    async def receive() -> Message:
        await asyncio.sleep(rest_s)
        return next(messages)

    return Request({"type": "http", "method": "POST", "path": "/", "headers": fields}, receive)


def _messages(pieces: tuple[bytes, ...], *, breaks: bool) -> Iterator[Message]:
    for piece in pieces:
        yield {"type": "http.request", "body": piece, "more_body": True}
    while True:
        yield {"type": "http.disconnect"} if breaks else {"type": "http.request", "body": b"", "more_body": False}


async def test_a_body_is_read_as_a_whole() -> None:
    assert await read_body(request(b"one ", b"leaf"), max_bytes=8, timeout_s=5) == b"one leaf"


@pytest.mark.parametrize("asked", [request(b"x" * 9), request(headers={"content-length": "9"})])
async def test_a_body_that_is_too_long_is_refused_by_its_length_or_as_it_comes(asked: Request) -> None:
    with pytest.raises(PayloadTooLarge):
        await read_body(asked, max_bytes=8, timeout_s=5)


async def test_a_body_that_drips_is_refused_when_its_whole_time_is_over() -> None:
    with pytest.raises(RequestTimedOut):
        await read_body(request(*[b"."] * 1000, rest_s=0.01), max_bytes=1000, timeout_s=0.05)


async def test_a_body_that_breaks_off_is_said_to() -> None:
    with pytest.raises(MalformedRequest) as caught:
        await read_body(request(b"{", breaks=True), max_bytes=8, timeout_s=5)
    assert caught.value.error_code == "incomplete_body"


async def test_what_was_read_ahead_is_handed_over_once_and_then_what_follows() -> None:
    receive = await receive_bounded(request(b"{", b"}"), timeout_s=5)
    assert await receive() == {"type": "http.request", "body": b"{}", "more_body": False}
    assert (await receive())["body"] == b""


async def test_a_file_of_labels_may_be_longer_than_json() -> None:
    body = b"x" * (MAX_JSON_BYTES + 1)
    receive = await receive_bounded(request(body, headers={"content-type": "text/csv; charset=utf-8"}), timeout_s=5)
    assert (await receive())["body"] == body
    with pytest.raises(PayloadTooLarge):
        await receive_bounded(request(body, headers={"content-type": "application/json"}), timeout_s=5)
