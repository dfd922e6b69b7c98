"""Pictures of one colour as uploads."""

from __future__ import annotations

import io

from PIL import Image

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


def jpeg(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (64, 64)) -> bytes:
    return encoded("JPEG", colour, size)


def encoded(kind: str, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (64, 64)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()
