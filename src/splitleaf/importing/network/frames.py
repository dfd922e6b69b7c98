"""What an importing process and its child say to each other: JSON, and float32 arrays behind it.

A frame is the length of the JSON (4 bytes, big-endian), the JSON, and the arrays' bytes, whose shapes the JSON names.
Who reads believes no length: the other side may have been taken over by the file that it looks at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_LENGTH: Final = 4
MAX_TEXT: Final = 16 << 20
MAX_ARRAYS: Final = 1 << 30


class BrokenFrame(Exception):
    """The other side has ended, or does not speak as agreed."""


def write_frame(stream: BinaryIO, message: dict[str, Any], arrays: Sequence[Floats] = ()) -> None:
    """Write one frame. Raises `OSError`."""
    shapes = [list(one.shape) for one in arrays]
    text = json.dumps({**message, "arrays": shapes}, default=str).encode()
    stream.write(len(text).to_bytes(_LENGTH, "big") + text)
    stream.writelines(np.ascontiguousarray(one, dtype="<f4").data for one in arrays)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], list[Floats]]:
    """Read one frame. Raises `BrokenFrame`."""
    length = int.from_bytes(_exactly(stream, _LENGTH), "big")
    if length > MAX_TEXT:
        raise BrokenFrame("a frame is too long")
    try:
        message = json.loads(_exactly(stream, length))
        shapes = [tuple(map(int, shape)) for shape in message.pop("arrays")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BrokenFrame("a frame is not understood") from error
    sizes = [4 * math.prod(shape) for shape in shapes]
    if any(side < 0 for shape in shapes for side in shape) or sum(sizes) > MAX_ARRAYS:
        raise BrokenFrame("a frame's arrays are too large")
    data = [_exactly(stream, size) for size in sizes]
    return message, [np.ndarray(shape, "<f4", one) for shape, one in zip(shapes, data, strict=True)]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise BrokenFrame("it has ended")
    return data


__all__ = ["BrokenFrame", "Floats", "read_frame", "write_frame"]
