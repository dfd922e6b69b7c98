"""Leaf-like images, drawn: nobody's photo, the same on every machine."""

from __future__ import annotations

import io
import math
import random
from functools import cache

from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import FilePayload

_BLADE = (58, 104, 48)
_PALE = (132, 168, 96)
_STALK = (112, 140, 78)


def chosen(
    name: str = "leaf.jpg", *, seed: int = 1, body: bytes | None = None, kind: str = "image/jpeg"
) -> FilePayload:
    """Return a file as a person chooses it: a leaf, unless its content is given."""
    return {"name": name, "mimeType": kind, "buffer": leaf(seed=seed) if body is None else body}


@cache
def leaf(*, side: int = 320, spots: int = 9, seed: int = 1, kind: str = "JPEG") -> bytes:
    """Return an encoded image of one leaf on grey paper, with that many spots."""
    return _encoded(draw_leaf(side=side, spots=spots, seed=seed), kind)


@cache
def large_photo(*, width: int = 4608, height: int = 3456) -> bytes:
    """Return a JPEG of more than 12 megapixels."""
    return _encoded(draw_leaf(side=384, spots=9, seed=2).resize((width, height)), "JPEG")


@cache
def bare() -> bytes:
    return _encoded(Image.new("RGB", (320, 320), "black"), "PNG")


def draw_leaf(*, side: int, spots: int, seed: int) -> Image.Image:
    """Draw a toothed leaf on grey paper: one half in the light, veins, a shadow, spots with yellow rims."""
    chance = random.Random(seed)
    big = side * 2
    paper = Image.frombytes("L", (big, big), chance.randbytes(big * big)).filter(ImageFilter.GaussianBlur(1))
    image = paper.point(lambda value: 165 + value // 9).convert("RGB")
    shadow = Image.new("L", (big, big), 0)
    ImageDraw.Draw(shadow).polygon([(x + big * 0.02, y + big * 0.025) for x, y in _outline(big)], fill=90)
    image.paste((60, 62, 58), mask=shadow.filter(ImageFilter.GaussianBlur(big / 60)))
    blade = Image.new("L", (big, big), 0)
    ImageDraw.Draw(blade).polygon(_outline(big), fill=255)
    flesh = _flesh(big, chance)
    for _ in range(spots):
        _spot(ImageDraw.Draw(flesh), big, chance)
    image.paste(flesh.filter(ImageFilter.GaussianBlur(big / 250)), mask=blade)
    stalk = [(big * 0.5, big * 0.9), (big * 0.485, big * 0.985)]
    ImageDraw.Draw(image).line(stalk, fill=_STALK, width=big // 55)
    return image.rotate(-14, Image.Resampling.BICUBIC, fillcolor=(180, 180, 180)).resize(
        (side, side), Image.Resampling.LANCZOS, box=_inner(big)
    )


def _inner(side: int) -> tuple[float, float, float, float]:
    # Turning leaves empty corners; the middle has none.
    return side * 0.05, side * 0.06, side * 0.95, side * 0.96


def _outline(side: int) -> list[tuple[float, float]]:
    points = []
    for step in range(361):
        turn = math.radians(step)
        tooth = 1 + 0.05 * abs(math.sin(9 * turn)) ** 0.7
        half_width = 0.25 * math.sin(turn) * (1 + 0.42 * math.cos(turn)) * tooth
        points.append((side * (0.5 + half_width), side * (0.52 + 0.39 * math.cos(turn))))
    return points


def _flesh(side: int, chance: random.Random) -> Image.Image:
    coarse = Image.frombytes("L", (40, 40), chance.randbytes(1600)).resize((side, side), Image.Resampling.BICUBIC)
    flesh = Image.merge("RGB", [coarse.point(lambda v, c=c: c + v // 14) for c in _BLADE])
    draw = ImageDraw.Draw(flesh, "RGBA")
    draw.rectangle([side * 0.5, 0, side, side], fill=(190, 220, 120, 34))
    for step in range(7):
        foot = 0.86 - step * 0.1
        reach = 0.1 + 0.25 * math.sin(math.pi * (0.9 - step * 0.12))
        for direction in (-1, 1):
            bend = [(side * (0.5 + direction * reach * t), side * (foot - 0.16 * t**1.5)) for t in (0, 0.3, 0.6, 1)]
            draw.line(bend, fill=(*_PALE, 190), width=side // 150, joint="curve")
    draw.line([(side * 0.5, side * 0.1), (side * 0.5, side)], fill=(*_PALE, 255), width=side // 75)
    return flesh


def _spot(draw: ImageDraw.ImageDraw, side: int, chance: random.Random) -> None:
    x = side * (0.5 + chance.uniform(-0.2, 0.2))
    y = side * chance.uniform(0.28, 0.8)
    size = side * chance.uniform(0.014, 0.05)
    lobes = [chance.uniform(0.75, 1.15) for _ in range(12)]
    for share, colour in ((1.35, (164, 158, 66)), (1.05, (104, 74, 40)), (0.7, (84, 56, 34)), (0.3, (150, 122, 88))):
        rim = [
            (
                x + size * share * lobe * math.cos(math.tau * k / 12),
                y + size * share * lobe * math.sin(math.tau * k / 12),
            )
            for k, lobe in enumerate(lobes)
        ]
        draw.polygon(rim, fill=colour)


def _encoded(image: Image.Image, kind: str) -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind, quality=88)
    return sink.getvalue()
