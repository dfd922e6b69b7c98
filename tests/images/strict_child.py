"""A decoding child that dies of an error that is ours, which the real one would report as a damaged image."""

from __future__ import annotations

import os
from collections.abc import Callable

from splitleaf.images import child, frames
from splitleaf.images.limits import ImageLimits

_real_answer = child.answer


def answer(
    number: int, count: int, body: bytes, limits: ImageLimits, resident_kib: Callable[[], int]
) -> list[bytes | memoryview]:
    parts = _real_answer(number, count, body, limits, resident_kib)
    if frames.unpack_response(parts[0]).status == frames.BROKEN:
        os._exit(70)
    return parts


if __name__ == "__main__":
    child.answer = answer
    child.main()
