"""What an upload is refused for, told so that its sender can mend it."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.types import Message

from splitleaf.api.public.uploads import MAX_TEXT_BYTES, MULTIPART_OVERHEAD_BYTES, read_upload
from splitleaf.core.errors import MalformedRequest, PayloadTooLarge, RejectedImage

LIMIT = 1_000_000


def request(disposition: str, body: bytes) -> Request:
    head = f"--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
    whole = head + body + b"\r\n--b--\r\n"

    async def receive() -> Message:
        return {"type": "http.request", "body": whole, "more_body": False}

    headers = [(b"content-type", b"multipart/form-data; boundary=b"), (b"content-length", b"%d" % len(whole))]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def upload(disposition: str, body: bytes) -> bytes:
    return await read_upload(request(disposition, body), max_bytes=LIMIT, timeout_s=5)


async def test_the_image_comes_back_whole() -> None:
    assert await upload('name="file"; filename="leaf.jpg"', bytes(LIMIT)) == bytes(LIMIT)


@pytest.mark.parametrize("size", [10, MAX_TEXT_BYTES + 1, LIMIT])
async def test_an_image_in_another_field_is_told_the_right_one_whatever_its_size(size: int) -> None:
    with pytest.raises(RejectedImage) as refused:
        await upload('name="image"; filename="leaf.jpg"', bytes(size))
    assert refused.value.error_code == "file_required"


async def test_a_long_text_is_no_image() -> None:
    with pytest.raises(MalformedRequest, match="text field"):
        await upload('name="note"', bytes(MAX_TEXT_BYTES + 1))


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + MULTIPART_OVERHEAD_BYTES])
async def test_the_limit_that_is_told_is_the_images(size: int) -> None:
    with pytest.raises(PayloadTooLarge, match="larger than 1 MB"):
        await upload('name="file"; filename="leaf.jpg"', bytes(size))
