"""Images such as growers take, drawn from photos: changed light, crops, and leaves on other backgrounds.

Uses Pillow and NumPy only; one core draws about 70 images a second.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from training.field import Box
from training.segmentation import leaf_mask

Color = tuple[int, ...]
BILINEAR = Image.Resampling.BILINEAR
BACKGROUNDS = ("paper", "paper", "paper", "wood", "soil", "hand", "plain", "leaves")
CUT_OUT_SIDE = 224


def crop_field(image: Image.Image, boxes: tuple[Box, ...], rng: Generator, side: int) -> Image.Image:
    """Return a part of a photo: around one of its boxes with probability 0.5, otherwise 45 to 100 % of its area."""
    if boxes and rng.random() < 0.5:
        left, top, right, bottom = boxes[rng.integers(len(boxes))]
        grow = rng.uniform(1.0, 1.6)
        wide, high = (right - left) * grow, (bottom - top) * grow
        x, y = (left + right) / 2, (top + bottom) / 2
    else:
        share = math.sqrt(rng.uniform(0.45, 1.0))
        stretch = math.exp(rng.uniform(-0.15, 0.15))
        wide, high = min(1.0, share * stretch), min(1.0, share / stretch)
        x, y = rng.uniform(wide / 2, 1 - wide / 2), rng.uniform(high / 2, 1 - high / 2)
    across, down = image.size
    area = (
        max(0.0, x - wide / 2) * across,
        max(0.0, y - high / 2) * down,
        min(1.0, x + wide / 2) * across,
        min(1.0, y + high / 2) * down,
    )
    if area[2] - area[0] < 24 or area[3] - area[1] < 24:
        return image.resize((side, side), BILINEAR)
    return image.resize((side, side), BILINEAR, box=area)


def turn(image: Image.Image, rng: Generator, degrees: float) -> Image.Image:
    """Mirror at random and rotate by up to so many degrees, zoomed so that no border shows."""
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    angle = rng.uniform(-degrees, degrees)
    if abs(angle) < 3:
        return image
    side = image.size[0]
    radians = math.radians(angle)
    zoom = 1 / (abs(math.cos(radians)) + abs(math.sin(radians)))
    cos, sin, middle = math.cos(radians) * zoom, math.sin(radians) * zoom, side / 2
    matrix = (cos, sin, middle - middle * (cos + sin), -sin, cos, middle - middle * (cos - sin))
    return image.transform(image.size, Image.Transform.AFFINE, matrix, BILINEAR)


def move_plain(image: Image.Image, rng: Generator, side: int) -> Image.Image:
    """Return a photo of one leaf with random quarter turns, mirroring, and a little zoom and shift."""
    if rng.random() < 0.75:
        image = image.transpose(Image.Transpose(int(rng.integers(0, 7))))
    share = rng.uniform(0.8, 1.0)
    wide, high = image.size
    x, y = rng.uniform(0, 1 - share) * wide, rng.uniform(0, 1 - share) * high
    image = image.resize((side, side), BILINEAR, box=(x, y, x + share * wide, y + share * high))
    return turn(image, rng, 30) if rng.random() < 0.3 else image


def relight(image: Image.Image, rng: Generator, strength: float) -> Image.Image:
    """Change brightness, contrast, saturation and tint; add a gradient of light, noise, and blur or compression."""
    gain = 0.4 * strength
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(math.exp(rng.uniform(-gain, gain)))
    pixels = np.asarray(image, np.float32) * (1 + rng.uniform(-0.1, 0.1, 3) * strength).astype(np.float32)
    if rng.random() < 0.3 * strength:
        line, angle = np.linspace(-1, 1, image.size[0], dtype=np.float32), rng.uniform(0, 2 * math.pi)
        plane = math.cos(angle) * line[:, None] + math.sin(angle) * line[None]
        pixels *= 1 + rng.uniform(0, 0.4) * plane[..., None]
    if rng.random() < 0.3:
        pixels += rng.standard_normal((*pixels.shape[:2], 1), dtype=np.float32) * rng.uniform(0, 8 * strength)
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return degrade(image, rng, strength)


def degrade(image: Image.Image, rng: Generator, strength: float) -> Image.Image:
    """Blur, downscale, compress or sharpen an image, or leave it unchanged."""
    choice, side = rng.random(), image.size[0]
    if choice < 0.15 * strength:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.8)))
    if choice < 0.3 * strength:
        small = int(side * rng.uniform(0.4, 0.9))
        return image.resize((small, small), BILINEAR).resize((side, side), BILINEAR)
    if choice < 0.45 * strength:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(35, 90)))
        return Image.open(file).convert("RGB")
    return image.filter(ImageFilter.SHARPEN) if choice < 0.5 * strength else image


@lru_cache(3000)
def cut_out(path: Path) -> Image.Image | None:
    """Return the leaf on a transparent background, or None if the segmentation fails."""
    image = open_photo(path).resize((CUT_OUT_SIDE, CUT_OUT_SIDE), BILINEAR)
    mask = leaf_mask(np.asarray(image))
    if mask is None:
        return None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    image.putalpha(Image.fromarray(mask.astype(np.uint8) * 255))
    return image.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


def open_photo(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def compose(leaves: list[Image.Image], background: Image.Image, rng: Generator) -> Image.Image:
    """Place cut-out leaves (RGBA) on a background: one, several side by side, or leaflets on a stalk."""
    scene, side = background.copy(), background.size[0]
    if len(leaves) == 1:
        size = rng.uniform(0.35, 1.0) * side
        slack = max(0.0, side - size) / 2 + 0.08 * side
        places = [(side / 2 + rng.uniform(-slack, slack), side / 2 + rng.uniform(-slack, slack), size)]
    else:
        places = _stalk(len(leaves), scene, rng) if len(leaves) > 3 else _scattered(len(leaves), side, rng)
    depth = rng.uniform(0.0, 0.6)
    light = rng.uniform(-0.06, 0.06, 2) * side
    for leaf, (x, y, size) in zip(leaves, places, strict=True):
        cut = leaf.resize((int(size), int(size)), BILINEAR).rotate(rng.uniform(0, 360), BILINEAR, expand=True)
        corner = (int(x - cut.width / 2), int(y - cut.height / 2))
        alpha = cut.getchannel("A")
        shadow = alpha.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.01, 0.04))).point(lambda v: int(v * depth))
        scene.paste((0, 0, 0), (int(corner[0] + light[0]), int(corner[1] + light[1])), shadow)
        scene.paste(cut.convert("RGB"), corner, alpha)
    return scene


def _scattered(count: int, side: int, rng: Generator) -> list[tuple[float, float, float]]:
    size = rng.uniform(0.35, 0.6) * side
    angle = rng.uniform(0, 2 * math.pi) + np.arange(count) * 2 * math.pi / count
    return [(side * (0.5 + 0.24 * math.cos(a)), side * (0.5 + 0.24 * math.sin(a)), size) for a in angle]


def _stalk(count: int, scene: Image.Image, rng: Generator) -> list[tuple[float, float, float]]:
    """Draw a stalk and return the places of its leaflets: one at the tip, the others in pairs."""
    side, angle = scene.size[0], rng.uniform(0, 2 * math.pi)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    root = 0.5 * side - along * side * rng.uniform(0.32, 0.45)
    length = side * rng.uniform(0.6, 0.8)
    green = (int(rng.integers(70, 130)), int(rng.integers(100, 150)), int(rng.integers(40, 80)))
    ImageDraw.Draw(scene).line([tuple(root), tuple(root + along * length)], fill=green, width=max(2, side // 70))
    size = rng.uniform(0.28, 0.42) * side
    places = [root + along * length]
    for index in range(count - 1):
        share = 0.2 + 0.6 * (index // 2) / max(1, (count - 1) // 2)
        places.append(root + along * length * share + across * size * 0.55 * (1 if index % 2 else -1))
    return [(float(x), float(y), size * float(rng.uniform(0.8, 1.1))) for x, y in places]


def pick_background(rng: Generator) -> str:
    return BACKGROUNDS[rng.integers(len(BACKGROUNDS))]


def draw_background(rng: Generator, side: int, kind: str, foliage: Image.Image | None = None) -> Image.Image:
    """Return a background of one of the kinds in `BACKGROUNDS`."""
    if kind == "leaves" and foliage is not None:
        return foliage.resize((side, side), BILINEAR).filter(ImageFilter.GaussianBlur(rng.uniform(0, 5)))
    if kind == "paper":
        level = rng.uniform(150, 255)
        color = level + rng.uniform(-12, 6, 3)
        return _textured(color, color * rng.uniform(0.85, 1.0), (2, 3), rng, side)
    if kind == "wood":
        color = np.array([rng.uniform(90, 210), 0, 0])
        color[1], color[2] = color[0] * rng.uniform(0.65, 0.85), color[0] * rng.uniform(0.4, 0.65)
        streaks = _textured(color, color * rng.uniform(0.55, 0.85), (3, 40), rng, side, across=3)
        return streaks.rotate(int(rng.integers(0, 4)) * 90)
    if kind == "soil":
        color = np.array([rng.uniform(40, 140), 0, 0])
        color[1], color[2] = color[0] * rng.uniform(0.7, 0.95), color[0] * rng.uniform(0.5, 0.8)
        return _textured(color * 1.3, color * 0.4, (8, 30, 90), rng, side)
    if kind == "hand":
        return _hand(rng, side)
    return _textured(rng.uniform(0, 255, 3), rng.uniform(0, 255, 3), (3, 8, 24), rng, side)


def _hand(rng: Generator, side: int) -> Image.Image:
    scene = _textured(rng.uniform(20, 200, 3), rng.uniform(20, 200, 3), (3, 10), rng, side)
    red = int(rng.integers(80, 240))
    skin = (red, int(red * rng.uniform(0.6, 0.8)), int(red * rng.uniform(0.45, 0.68)))
    pen = ImageDraw.Draw(scene)
    x, y, wide = rng.uniform(0.3, 0.7) * side, rng.uniform(0.5, 0.9) * side, rng.uniform(0.25, 0.5) * side
    pen.ellipse((x - wide, y - wide, x + wide, y + wide), fill=skin)
    for finger in range(4):
        left = x - wide + finger * wide / 2
        pen.rounded_rectangle((left, y - 1.9 * wide, left + 0.42 * wide, y), radius=0.2 * wide, fill=skin)
    return scene.filter(ImageFilter.GaussianBlur(2)).rotate(rng.uniform(0, 360))


def _textured(
    one: np.ndarray, two: np.ndarray, cells: tuple[int, ...], rng: Generator, side: int, across: int = 0
) -> Image.Image:
    """Return noise of several scales between two colours."""
    shape = np.zeros((side, side), np.float32)
    for count in cells:
        grid = rng.random((across or count, count), dtype=np.float32) / math.sqrt(count)
        shape += np.asarray(Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC))
    shape = (shape - shape.min()) / (np.ptp(shape) + 1e-6)
    pixels = one * shape[..., None] + two * (1 - shape[..., None])
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def draw_thing(rng: Generator, side: int, photos: list[Image.Image]) -> Image.Image:
    """Return an image without a plant: a part of an everyday photo, an empty background, or shapes."""
    choice = rng.random()
    if photos and choice < 0.5:
        image = photos[rng.integers(len(photos))]
        return turn(crop_field(image, (), rng, side), rng, 20)
    scene = draw_background(rng, side, pick_background(rng))
    if choice < 0.7:
        return scene
    pen = ImageDraw.Draw(scene)
    for _ in range(int(rng.integers(1, 9))):
        x, y, wide, high = rng.uniform(0, side, 2).tolist() + rng.uniform(0.05, 0.5, 2).tolist()
        area = (x, y, x + wide * side, y + high * side)
        color: Color = tuple(int(v) for v in rng.integers(0, 256, 3))
        shape = (pen.ellipse, pen.rectangle, pen.line)[rng.integers(3)]
        shape(area, fill=color)
    return scene
