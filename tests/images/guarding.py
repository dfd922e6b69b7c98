"""What the tests of the guards share."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import Refusal

LIMITS = ImageLimits()
Guard = Callable[[bytes, ImageLimits], object]


def code_of(guard: Guard, data: bytes, limits: ImageLimits = LIMITS) -> str:
    """Return the code with which a guard refuses."""
    with pytest.raises(Refusal) as caught:
        guard(data, limits)
    return caught.value.code


def with_bytes(data: bytes, at: int, new: bytes) -> bytes:
    """Return the data with other bytes at an offset."""
    return data[:at] + new + data[at + len(new) :]


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a WebP container of chunks."""
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
