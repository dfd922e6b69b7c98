"""What a decoding child and its parent say to each other: fixed-size binary headers, then bytes.

Request:  u32 bytes that follow, u32 number, u16 specs; then 8 bytes a spec; then the upload.
Response: u32 bytes of tensors that follow, u32 number, u8 status, u8 flags, u16 zero, u32 width, u32 height,
u32 resident KiB; then the tensors one after another. Little-endian.

The parent believes nothing of it: a child has parsed an untrusted client's file. Sizes must be those that the request
implies; no text and no object crosses, and a status is an index into a table of this module.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec, ResizeFilter
from splitleaf.images.intake import LOW_INFORMATION
from splitleaf.images.refusals import CODES

REQUEST: Final = struct.Struct("<IIH")
RESPONSE: Final = struct.Struct("<IIBBHIII")
_SPEC: Final = struct.Struct("<HHBBBB")

OK: Final = 0
READY: Final = 255
"""Status of the first frame of a child: everything is loaded and every limit is active."""
BROKEN: Final = 254
"""Status for an error that is ours, not the image's."""

_COLORS: Final = tuple(ColorOrder)
_FILTERS: Final = tuple(ResizeFilter)
_FITS: Final = tuple(Fit)
_FLAGS: Final = (LOW_INFORMATION,)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The fixed part of a response."""

    body_bytes: int
    number: int
    status: int
    flags: tuple[str, ...]
    width: int
    height: int
    resident_kib: int


@lru_cache(maxsize=1024)
def pack_specs(specs: tuple[InputSpec, ...]) -> bytes:
    """Return the specs as 8 bytes each."""
    return b"".join(
        _SPEC.pack(
            spec.height,
            spec.width,
            _COLORS.index(spec.color),
            _FILTERS.index(spec.resize),
            _FITS.index(spec.fit),
            spec.exif_orientation,
        )
        for spec in specs
    )


@lru_cache(maxsize=1024)
def unpack_specs(raw: bytes) -> tuple[InputSpec, ...]:
    """Return what `pack_specs` packed."""
    return tuple(
        InputSpec(height, width, _COLORS[color], _FILTERS[resize], _FITS[fit], bool(exif))
        for height, width, color, resize, fit, exif in _SPEC.iter_unpack(raw)
    )


def pack_request(number: int, specs: tuple[InputSpec, ...], upload_bytes: int) -> bytes:
    """Return a request up to where the upload follows."""
    raw = pack_specs(specs)
    return REQUEST.pack(len(raw) + upload_bytes, number, len(specs)) + raw


def split_request(body: bytes, count: int) -> tuple[tuple[InputSpec, ...], bytes]:
    """Return (specs, upload) of a request's body."""
    at = count * _SPEC.size
    return unpack_specs(body[:at]), body[at:]


def pack_response(
    number: int,
    status: int,
    *,
    body_bytes: int = 0,
    flags: Sequence[str] = (),
    width: int = 0,
    height: int = 0,
    resident_kib: int = 0,
) -> bytes:
    """Return the head of a response."""
    bits = sum(1 << index for index, flag in enumerate(_FLAGS) if flag in flags)
    return RESPONSE.pack(body_bytes, number, status, bits, 0, width, height, resident_kib)


def unpack_response(raw: bytes | bytearray | memoryview) -> ResponseHead:
    """Return the head of a response."""
    body_bytes, number, status, bits, _, width, height, resident_kib = RESPONSE.unpack(raw)
    flags = tuple(flag for index, flag in enumerate(_FLAGS) if bits >> index & 1)
    return ResponseHead(body_bytes, number, status, flags, width, height, resident_kib)


def refusal_status(code: str) -> int:
    """Return the number of a refusal's code."""
    return 1 + CODES.index(code)


def refusal_code(status: int) -> str | None:
    """Return the code behind a status, or None where it is no refusal."""
    return CODES[status - 1] if 1 <= status <= len(CODES) else None


@lru_cache(maxsize=1024)
def tensor_sizes(specs: tuple[InputSpec, ...]) -> tuple[int, ...]:
    """Return the bytes of each spec's tensor."""
    return tuple(spec.height * spec.width * spec.channels * (4 if spec.dtype == "float32" else 1) for spec in specs)
