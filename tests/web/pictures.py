"""Leaf-like pictures, drawn: nobody's photo, the same on every machine."""

from __future__ import annotations

import io
import math
import random
from functools import cache

from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import FilePayload

_BLADE = (74, 122, 58)
_PALE = (120, 160, 84)


def chosen(
    name: str = "leaf.jpg", *, seed: int = 1, body: bytes | None = None, kind: str = "image/jpeg"
) -> FilePayload:
    """Return a file as a person chooses it: a leaf, unless its content is given."""
    return {"name": name, "mimeType": kind, "buffer": leaf(seed=seed) if body is None else body}


@cache
def leaf(*, side: int = 320, spots: int = 9, seed: int = 1, kind: str = "JPEG") -> bytes:
    """Return an encoded picture of one leaf on grey paper, with that many spots."""
    return _encoded(draw_leaf(side=side, spots=spots, seed=seed), kind)


@cache
def large_photo(*, width: int = 4608, height: int = 3456) -> bytes:
    """Return a JPEG of more than 12 megapixels."""
    return _encoded(draw_leaf(side=384, spots=9, seed=2).resize((width, height)), "JPEG")


@cache
def bare() -> bytes:
    return _encoded(Image.new("RGB", (320, 320), "black"), "PNG")


def draw_leaf(*, side: int, spots: int, seed: int) -> Image.Image:
    chance = random.Random(seed)
    big = side * 2
    paper = Image.frombytes("L", (big, big), chance.randbytes(big * big)).filter(ImageFilter.GaussianBlur(1))
    picture = paper.point(lambda value: 135 + value // 8).convert("RGB")
    draw = ImageDraw.Draw(picture)
    shadow = [(x + big * 0.015, y + big * 0.02) for x, y in _outline(big)]
    draw.polygon(shadow, fill=(112, 112, 108))
    draw.polygon(_outline(big), fill=_BLADE)
    _veins(draw, big)
    for _ in range(spots):
        _spot(draw, big, chance)
    return picture.filter(ImageFilter.GaussianBlur(big / 320)).resize((side, side), Image.Resampling.LANCZOS)


def _outline(side: int) -> list[tuple[float, float]]:
    points = []
    for step in range(181):
        turn = math.radians(step * 2)
        tooth = 1 + 0.025 * math.cos(26 * turn)
        half_width = 0.27 * math.sin(turn) * (1 + 0.35 * math.cos(turn)) * tooth
        points.append((side * (0.5 + half_width), side * (0.5 + 0.42 * math.cos(turn))))
    return points


def _veins(draw: ImageDraw.ImageDraw, side: int) -> None:
    draw.line([(side * 0.5, side * 0.1), (side * 0.5, side * 0.97)], fill=_PALE, width=side // 70)
    for step in range(6):
        foot = 0.82 - step * 0.12
        reach = 0.2 * math.sin(math.pi * (0.95 - step * 0.13))
        for direction in (-1, 1):
            tip = (side * (0.5 + direction * reach), side * (foot - 0.11))
            draw.line([(side * 0.5, side * foot), tip], fill=_PALE, width=side // 160)


def _spot(draw: ImageDraw.ImageDraw, side: int, chance: random.Random) -> None:
    x = side * (0.5 + chance.uniform(-0.17, 0.17))
    y = side * chance.uniform(0.3, 0.78)
    size = side * chance.uniform(0.014, 0.045)
    for share, colour in ((1.5, (170, 160, 70)), (1.0, (92, 62, 36)), (0.45, (140, 110, 80))):
        reach = size * share
        draw.ellipse([x - reach, y - reach * 0.9, x + reach, y + reach * 0.9], fill=colour)


def _encoded(picture: Image.Image, kind: str) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind, quality=88)
    return sink.getvalue()
