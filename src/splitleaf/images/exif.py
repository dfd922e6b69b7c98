"""The one thing that is read from EXIF: how the camera was held."""

from __future__ import annotations

import struct

_ORIENTATION_TAG = 0x0112
_SHORT = 3
_MAX_ENTRIES = 512


def orientation(tiff: bytes) -> int:
    """Return the EXIF orientation (1 to 8) of a TIFF block, with or without its `Exif` prefix.

    Anything that is damaged or missing counts as 1, as every viewer does it.
    """
    if tiff[:6] == b"Exif\0\0":
        tiff = tiff[6:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 10:
        return 1
    (offset,) = struct.unpack_from(order + "I", tiff, 4)
    if offset + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(order + "H", tiff, offset)
    for at in range(offset + 2, offset + 2 + 12 * min(entries, _MAX_ENTRIES), 12):
        if at + 12 > len(tiff):
            break
        tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, at)
        if tag == _ORIENTATION_TAG and kind == _SHORT:
            return int(value) if 1 <= value <= 8 else 1
    return 1
