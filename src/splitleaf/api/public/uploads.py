"""Read the bytes of one image from a request body, within limits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

from starlette.requests import ClientDisconnect, Request

from splitleaf.api.http.bodies import bounded_chunks
from splitleaf.api.http.headers import header
from splitleaf.core.errors import (
    MalformedRequest,
    PayloadTooLarge,
    RejectedImage,
    RequestTimedOut,
    UnsupportedMedia,
)

FIELD = "file"
MAX_PARTS = 16
MAX_PART_HEADER_BYTES = 8_192
MAX_TEXT_BYTES = 16_384
MULTIPART_OVERHEAD_BYTES = 65_536


async def read_upload(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Return the bytes of the image, from the multipart field `file` or from a raw body.

    The whole body must arrive within `timeout_s`, however slowly the client sends. A body that is too large is refused
    as soon as that is known. File names are not read. Raises subclasses of `RejectedInput`.
    """
    _refuse_encodings(request)
    media_type, options = parse_options_header(header(request.scope, b"content-type") or "")
    try:
        async with asyncio.timeout(timeout_s):
            if media_type == b"multipart/form-data":
                return await _read_multipart(request, options.get(b"boundary", b""), max_bytes)
            _require_raw(media_type.decode("latin-1"))
            return await _read_raw(request, max_bytes)
    except TimeoutError as error:
        raise RequestTimedOut("the image did not arrive in time") from error
    except ClientDisconnect as error:
        raise MalformedRequest(
            "the connection closed before the whole image had arrived", code="incomplete_body"
        ) from error


def _refuse_encodings(request: Request) -> None:
    if (header(request.scope, b"content-encoding") or "identity").lower() != "identity":
        raise UnsupportedMedia("send the image without Content-Encoding", code="unsupported_encoding")


def _require_raw(media_type: str) -> None:
    if media_type and not media_type.startswith("image/") and media_type != "application/octet-stream":
        raise UnsupportedMedia("send the image as the multipart field `file`, or as the body with an image/* type")


async def _read_raw(request: Request, max_bytes: int) -> bytes:
    return b"".join([chunk async for chunk in bounded_chunks(request, max_bytes, _too_large(max_bytes))])


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the image is larger than {max_bytes / 1e6:g} MB")


def _file_required() -> RejectedImage:
    return RejectedImage(f"send the image as the multipart field `{FIELD}`", code="file_required")


async def _read_multipart(request: Request, boundary: bytes, max_bytes: int) -> bytes:
    if not boundary or len(boundary) > 256:
        raise MalformedRequest("the multipart body has no boundary")
    form = _MultipartForm(max_bytes)
    whole = max_bytes + MULTIPART_OVERHEAD_BYTES
    parser = MultipartParser(boundary, form.callbacks(), max_size=whole)
    try:
        async for chunk in bounded_chunks(request, whole, _too_large(max_bytes)):
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise MalformedRequest("the multipart body is malformed") from error
    return form.image()


@dataclass(slots=True)
class _MultipartForm:
    """Receives the callbacks of the multipart parser. It keeps only the one image."""

    max_bytes: int
    pieces: list[bytes] = field(default_factory=list)
    files: int = 0
    parts: int = 0
    is_file: bool = False
    has_file_name: bool = False
    is_closed: bool = False
    part_bytes: int = 0
    header_bytes: int = 0
    header_name: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)
    name: bytes = b""

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self.on_part_begin,
            "on_part_data": self.on_part_data,
            "on_header_field": self.on_header_field,
            "on_header_value": self.on_header_value,
            "on_header_end": self.on_header_end,
            "on_headers_finished": self.on_headers_finished,
            "on_end": self.on_end,
        }

    def on_part_begin(self) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise MalformedRequest(f"the multipart body has more than {MAX_PARTS} parts")
        self.name, self.header_bytes, self.part_bytes, self.has_file_name = b"", 0, 0, False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self.header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self.header_value += data[start:end]

    def on_header_end(self) -> None:
        if self.header_name.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self.header_value))
            self.name, self.has_file_name = options.get(b"name", b""), b"filename" in options
        self.header_name.clear()
        self.header_value.clear()

    def on_headers_finished(self) -> None:
        self.is_file = self.name == FIELD.encode()
        if self.is_file:
            self.files += 1
            if self.files > 1:
                raise MalformedRequest("send only one image per request", code="duplicate_file")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.part_bytes += end - start
        if self.is_file:
            if self.part_bytes > self.max_bytes:
                raise _too_large(self.max_bytes)
            self.pieces.append(data[start:end])
        elif self.part_bytes > MAX_TEXT_BYTES and self.has_file_name:
            raise _file_required()
        elif self.part_bytes > MAX_TEXT_BYTES:
            raise MalformedRequest(f"a text field is larger than {MAX_TEXT_BYTES} bytes")

    def on_end(self) -> None:
        self.is_closed = True

    def image(self) -> bytes:
        """Return the image. Raises if the body was incomplete or had none."""
        if not self.is_closed:
            raise MalformedRequest("the multipart body has no closing boundary")
        if not self.files:
            raise _file_required()
        return b"".join(self.pieces)

    def _count_header(self, count: int) -> None:
        self.header_bytes += count
        if self.header_bytes > MAX_PART_HEADER_BYTES:
            raise MalformedRequest(f"the headers of a part are larger than {MAX_PART_HEADER_BYTES} bytes")
