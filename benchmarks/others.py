"""Images that are no tomato leaves, drawn here, so that a version's refusals can be measured by anybody.

Seeded; 256 x 256 pixels. Nobody's photos: what they prove about real photos of other things is little, so
`benchmarks.refusals` takes folders of such photos too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIDE = 256
PER_KIND = 40
_SEED = 20_261_125

Rng = np.random.Generator
Points = list[tuple[float, float]]
_WORDS = ("notes", "of", "the", "morning", "tie", "up", "stems", "count", "fruits", "sell", "by", "weight")


def draw_others(per_kind: int = PER_KIND) -> Iterator[tuple[str, Image.Image]]:
    """Yield (kind, image), `per_kind` of each kind."""
    for place, (kind, draw) in enumerate(KINDS.items()):
        for number in range(per_kind):
            yield kind, draw(np.random.default_rng([_SEED, place, number]))


def _noise(rng: Rng) -> Image.Image:
    scale = int(rng.choice([1, 2, 4, 8, 16, 64]))
    cells = rng.integers(0, 256, (SIDE // scale, SIDE // scale, 3)).astype(np.uint8)
    return Image.fromarray(cells).resize((SIDE, SIDE), Image.Resampling.BICUBIC if scale > 2 else 0)


def _blank(rng: Rng) -> Image.Image:
    color = rng.integers(0, 256, 3).astype(np.float64)
    slope = rng.uniform(-60, 60, (2, 3)) * rng.integers(0, 2)
    y, x = np.mgrid[0:1:256j, 0:1:256j][..., None]
    return _image(color + slope[0] * y + slope[1] * x + rng.normal(0, rng.uniform(0, 4), (SIDE, SIDE, 3)))


def _text(rng: Rng) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), _color(rng, 200, 256))
    pen, ink = ImageDraw.Draw(image), _color(rng, 0, 90)
    size = int(rng.integers(9, 26))
    for top in range(8, SIDE - size, int(size * 1.4)):
        line = " ".join(rng.choice(_WORDS, 9))
        pen.text((8, top), line, fill=ink, font_size=size)
    return image.rotate(float(rng.uniform(-8, 8)), fillcolor=(225, 220, 210))


def _face(rng: Rng) -> Image.Image:
    image = _ground(rng)
    pen = ImageDraw.Draw(image)
    skin = tuple(int(part * rng.uniform(0.5, 1)) for part in (240, 195, 160))
    x, y, r = SIDE / 2 + rng.uniform(-20, 20), SIDE / 2 + rng.uniform(-10, 20), rng.uniform(60, 100)
    pen.ellipse((x - r, y - r * 1.55, x + r, y), fill=_color(rng, 10, 120))
    pen.ellipse((x - r * 0.85, y - r * 1.2, x + r * 0.85, y + r * 1.2), fill=skin)
    for side in (-1, 1):
        eye = x + side * r * 0.35
        pen.ellipse((eye - r * 0.16, y - r * 0.32, eye + r * 0.16, y - r * 0.12), fill="white")
        pen.ellipse((eye - r * 0.07, y - r * 0.28, eye + r * 0.07, y - r * 0.14), fill=_color(rng, 0, 110))
    pen.polygon([(x, y - r * 0.1), (x - r * 0.12, y + r * 0.3), (x + r * 0.12, y + r * 0.3)], fill=_darker(skin))
    pen.chord((x - r * 0.4, y + r * 0.35, x + r * 0.4, y + r * 0.8), 10, 170, fill=(170, 60, 70))
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2.5))))


def _shapes(rng: Rng) -> Image.Image:
    image = _ground(rng)
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 14))):
        x, y = rng.uniform(0, SIDE, 2)
        w, h = rng.uniform(15, 110, 2)
        shape = (pen.rectangle, pen.ellipse)[int(rng.integers(0, 2))]
        shape((x, y, x + w, y + h), fill=_color(rng, 0, 256), outline=_color(rng, 0, 256), width=3)
    return image


def _things(rng: Rng) -> Image.Image:
    """A house, a cup or a wheel in front of sky and ground."""
    image = Image.new("RGB", (SIDE, SIDE), (int(rng.integers(120, 200)), 190, int(rng.integers(200, 256))))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 170, SIDE, SIDE), fill=_color(rng, 60, 160))
    x, wall, kind = rng.uniform(40, 90), _color(rng, 60, 250), int(rng.integers(0, 3))
    if kind == 0:
        pen.rectangle((x, 100, x + 110, 210), fill=wall)
        pen.polygon([(x - 12, 100), (x + 55, 40), (x + 122, 100)], fill=_color(rng, 40, 180))
        pen.rectangle((x + 20, 125, x + 50, 155), fill=(190, 220, 240), outline=(60, 60, 60))
        pen.rectangle((x + 68, 140, x + 95, 210), fill=_darker(wall))
    elif kind == 1:
        pen.rounded_rectangle((x, 90, x + 90, 205), 14, fill=wall, outline=_darker(wall), width=4)
        pen.arc((x + 70, 110, x + 130, 180), -90, 90, fill=_darker(wall), width=12)
        pen.ellipse((x, 80, x + 90, 102), fill=_darker(wall))
    else:
        pen.ellipse((x, 60, x + 140, 200), outline=(20, 20, 20), width=14)
        for turn in np.linspace(0, math.pi, 9):
            dx, dy = 66 * math.cos(turn), 66 * math.sin(turn)
            pen.line((x + 70 - dx, 130 - dy, x + 70 + dx, 130 + dy), fill=(120, 120, 125), width=2)
    return _grained(image, rng, 6)


def _stripes(rng: Rng) -> Image.Image:
    y, x = np.mgrid[0:SIDE, 0:SIDE][..., None].astype(np.float64)
    turn, pitch = rng.uniform(0, math.pi), rng.uniform(4, 40)
    wave = np.sin(2 * math.pi * (x * math.cos(turn) + y * math.sin(turn)) / pitch)
    if rng.integers(0, 2):
        wave = wave * np.sin(2 * math.pi * (y * math.cos(turn) - x * math.sin(turn)) / pitch)
    low, high = rng.uniform(0, 255, (2, 3))
    return _image(np.where(wave > 0, high, low))


def _sheet(rng: Rng) -> Image.Image:
    """The ground of the training photos with nothing on it."""
    grey = rng.uniform(90, 190) + rng.normal(0, 6, 3)
    y, x = np.mgrid[-1:1:256j, -1:1:256j][..., None]
    fall = rng.uniform(0, 40) * (x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1))
    return _image(grey + fall + rng.normal(0, rng.uniform(3, 12), (SIDE, SIDE, 1)))


def _grass(rng: Rng) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), _green(rng, 0.5))
    pen = ImageDraw.Draw(image)
    for _ in range(420):
        x, y = rng.uniform(-20, SIDE + 20), rng.uniform(0, SIDE + 60)
        bend, high = rng.normal(0, 18), rng.uniform(40, 130)
        blade: Points = [(x, y), (x + bend * 0.3, y - high * 0.5), (x + bend, y - high)]
        pen.line(blade, fill=_green(rng, rng.uniform(0.5, 1.2)), width=int(rng.integers(1, 5)), joint="curve")
    return _grained(image, rng, 8)


def _blade_leaf(rng: Rng) -> Image.Image:
    """One long smooth leaf with parallel veins, as of maize or a lily, on paper."""
    return _leaf_on_paper(rng, lambda t: 0.16 * math.sin(math.pi * t) ** 0.6, veins=0)


def _round_leaf(rng: Rng) -> Image.Image:
    """One round leaf with a smooth edge, as of a lime tree or a water lily, on paper."""
    return _leaf_on_paper(rng, lambda t: 0.48 * math.sin(math.pi * t) ** 0.45, veins=5)


def _star_leaf(rng: Rng) -> Image.Image:
    """One leaf with five points, as of maple or ivy, on paper."""
    image, green = _paper(rng), _green(rng, rng.uniform(0.7, 1.3))
    turn, points = rng.uniform(0, 2 * math.pi), int(rng.choice([5, 5, 7]))
    ring = np.linspace(0, 2 * math.pi, 240, endpoint=False)
    radius = 55 + 50 * np.abs(np.cos(ring * points / 2)) ** 1.6 + rng.normal(0, 1.2, ring.size)
    outline = [(128 + r * math.cos(a + turn), 128 + r * math.sin(a + turn)) for a, r in zip(ring, radius, strict=True)]
    return _filled_leaf(image, outline, green, rng, [(a + turn, 95.0) for a in ring[:: 240 // points]])


def _fern(rng: Rng) -> Image.Image:
    image, green = _paper(rng), _green(rng, rng.uniform(0.7, 1.2))
    pen = ImageDraw.Draw(image)
    for step in np.linspace(0, 1, 26):
        x, y, long = 128 + 12 * math.sin(3 * step), 240 - 220 * step, 85 * (1 - step) + 6
        for side in (-1, 1):
            tip = (x + side * long, y - long * 0.45)
            pen.polygon([(x, y), (x + side * long * 0.5, y - long * 0.42), tip, (x + side * long * 0.5, y)], fill=green)
    return _grained(image.rotate(float(rng.uniform(-40, 40)), fillcolor=image.getpixel((2, 2))), rng, 7)


def _flower(rng: Rng) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), _green(rng, 0.6)).filter(ImageFilter.GaussianBlur(2))
    pen, petals, color = ImageDraw.Draw(image), int(rng.integers(5, 14)), _color(rng, 120, 256)
    for turn in np.linspace(0, 2 * math.pi, petals, endpoint=False):
        x, y = 128 + 55 * math.cos(turn), 128 + 55 * math.sin(turn)
        pen.ellipse((x - 38, y - 38, x + 38, y + 38), fill=color, outline=_darker(color))
    pen.ellipse((98, 98, 158, 158), fill=(215, 170, 40))
    return _grained(image, rng, 8)


KINDS: dict[str, Callable[[Rng], Image.Image]] = {
    "noise": _noise,
    "blank": _blank,
    "text": _text,
    "stripes": _stripes,
    "shapes": _shapes,
    "faces": _face,
    "things": _things,
    "empty paper": _sheet,
    "grass": _grass,
    "flowers": _flower,
    "fern": _fern,
    "blade leaf": _blade_leaf,
    "round leaf": _round_leaf,
    "star leaf": _star_leaf,
}


def _leaf_on_paper(rng: Rng, half_width: Callable[[float], float], veins: int) -> Image.Image:
    image, green = _paper(rng), _green(rng, rng.uniform(0.7, 1.3))
    steps, long = np.linspace(0, 1, 80), rng.uniform(180, 235)
    left = [(128 - long * half_width(t), 128 + long * (0.5 - t)) for t in steps]
    right = [(128 + long * half_width(t), 128 + long * (0.5 - t)) for t in steps[::-1]]
    pen = ImageDraw.Draw(image)
    pen.polygon(left + right, fill=green)
    pen.line((128, 128 + long / 2 + 14, 128, 128 - long / 2), fill=_lighter(green), width=3)
    for place in np.linspace(0.15, 0.8, veins) if veins else ():
        for side in (-1, 1):
            end = (128 + side * long * half_width(min(1.0, place + 0.12)) * 0.9, 128 + long * (0.5 - place - 0.14))
            pen.line((128, 128 + long * (0.5 - place), *end), fill=_lighter(green), width=2)
    turned = image.rotate(float(rng.uniform(-180, 180)), fillcolor=image.getpixel((2, 2)))
    return _grained(turned.filter(ImageFilter.GaussianBlur(0.8)), rng, 7)


def _filled_leaf(
    image: Image.Image, outline: Points, green: tuple[int, ...], rng: Rng, veins: list[tuple[float, float]]
) -> Image.Image:
    pen = ImageDraw.Draw(image)
    pen.polygon(outline, fill=green)
    for turn, long in veins:
        pen.line((128, 128, 128 + long * math.cos(turn), 128 + long * math.sin(turn)), fill=_lighter(green), width=2)
    return _grained(image.filter(ImageFilter.GaussianBlur(0.8)), rng, 7)


def _paper(rng: Rng) -> Image.Image:
    grey = int(rng.integers(110, 200))
    return Image.new("RGB", (SIDE, SIDE), (grey, grey + int(rng.integers(-8, 8)), grey + int(rng.integers(-4, 14))))


def _ground(rng: Rng) -> Image.Image:
    return _blank(rng).filter(ImageFilter.GaussianBlur(2))


def _grained(image: Image.Image, rng: Rng, level: float) -> Image.Image:
    return _image(np.asarray(image, dtype=np.float64) + rng.normal(0, level, (SIDE, SIDE, 1)))


def _image(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _color(rng: Rng, low: int, high: int) -> tuple[int, ...]:
    return tuple(rng.integers(low, high, 3).tolist())


def _green(rng: Rng, light: float) -> tuple[int, ...]:
    return tuple(int(min(255, part * light)) for part in (rng.uniform(50, 100), rng.uniform(110, 150), 55))


def _darker(color: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(part * 0.7) for part in color)


def _lighter(color: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(255, int(part * 1.3) + 10) for part in color)
