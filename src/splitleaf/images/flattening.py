"""Whatever a decoder returns -> plain 8-bit RGB: transparent parts on white, 16 bits to 8, inks to light."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

_STRIP_PIXELS = 1 << 20
_WHITE = (255, 255, 255)


def flat_image(image: Image.Image) -> Pixels:
    """Return (h, w, 3) from an image of any mode that Pillow's PNG and AVIF plugins produce."""
    flat = np.empty((image.height, image.width, 3), np.uint8)
    for top, bottom in _strips(image.height, image.width):
        strip = image.crop((0, top, image.width, bottom))
        flat[top:bottom] = np.asarray(_flat_strip(strip))
    return flat


def flat_array(pixels: npt.NDArray[np.uint8]) -> Pixels:
    """Return (h, w, 3) from grey (h, w), grey with alpha (h, w, 2), RGB or RGBA pixels of 8 bits."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.shape[2] == 3:
        return pixels
    mode = {2: "LA", 4: "RGBA"}[pixels.shape[2]]
    flat = np.empty((*pixels.shape[:2], 3), np.uint8)
    for top, bottom in _strips(*pixels.shape[:2]):
        flat[top:bottom] = np.asarray(_flat_strip(_image(pixels[top:bottom], mode)))
    return flat


def gray_of(rgb: Pixels) -> Pixels:
    """Return (h, w, 1) luma as Pillow's `convert("L")` computes it (ITU-R BT.601)."""
    gray = np.empty((*rgb.shape[:2], 1), np.uint8)
    for top, bottom in _strips(*rgb.shape[:2]):
        gray[top:bottom, :, 0] = np.asarray(Image.fromarray(rgb[top:bottom]).convert("L"))
    return gray


def rgb_of_cmyk(inks: Pixels) -> Pixels:
    """Return (h, w, 3) from (h, w, 4) inks as Adobe stores them: inverted. Every CMYK JPEG in practice is Adobe's."""
    rgb = np.empty((*inks.shape[:2], 3), np.uint8)
    for top, bottom in _strips(*inks.shape[:2]):
        rgb[top:bottom] = np.asarray(_image(255 - inks[top:bottom], "CMYK").convert("RGB"))
    return rgb


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    rows = max(_STRIP_PIXELS // width, 1)
    return ((top, min(top + rows, height)) for top in range(0, height, rows))


def _image(pixels: Pixels, mode: str) -> Image.Image:
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels).tobytes())


def _flat_strip(strip: Image.Image) -> Image.Image:
    if strip.mode.startswith("I"):
        # Pillow would clip 16-bit grey to white; the high byte is what libpng's own reduction keeps.
        samples = np.asarray(strip)
        grey = np.where(samples == strip.info.get("transparency", -1), 255, samples >> 8)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if strip.mode not in ("RGBA", "LA", "PA") and "transparency" not in strip.info:
        return strip if strip.mode == "RGB" else strip.convert("RGB")
    layered = strip if strip.mode == "RGBA" else strip.convert("RGBA")
    flat = Image.new("RGB", strip.size, _WHITE)
    flat.paste(layered, (0, 0), layered)
    return flat
