"""Decoding: a file that passed its guard -> 8-bit RGB or grey pixels, with that format's decoder alone."""

from __future__ import annotations

import io
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pillow_heif
import simplejpeg
from PIL import AvifImagePlugin, Image, ImageFile, PngImagePlugin, WebPImagePlugin

from splitleaf.images.exif import orientation
from splitleaf.images.formats import ImageFormat
from splitleaf.images.isobmff import inspect_isobmff
from splitleaf.images.jpeg import JpegFacts, inspect_jpeg
from splitleaf.images.limits import ImageLimits
from splitleaf.images.png import inspect_png
from splitleaf.images.refusals import CORRUPT, TRUNCATED, Refusal
from splitleaf.images.webp import inspect_webp

Pixels = npt.NDArray[np.uint8]

# The guards have bounded the size already; Pillow's own warning would only add noise.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pillow_heif.options.DECODE_THREADS = 1

_CMYK_COMPONENTS = 4
_REDUCTIONS = (8, 4, 2)


class Raster(Protocol):
    """A checked picture whose pixels can be had. `width` and `height` are those stored, not yet oriented."""

    width: int
    height: int
    orientation: int

    def pixels(self, *, gray: bool, least: tuple[int, int] | None = None) -> Pixels:
        """Return (h, w, 3) RGB or (h, w, 1) grey pixels.

        With `least` = (height, width), a reduced picture of at least that size may be returned.

        Raises:
            Refusal: the decoder found damage.
        """
        ...


def open_raster(data: bytes, kind: ImageFormat, limits: ImageLimits) -> Raster:
    """Check a file's structure and prepare its decoding.

    Raises:
        Refusal: with the code that the picture owes.
    """
    if kind is ImageFormat.JPEG:
        return JpegRaster(data, inspect_jpeg(data, limits))
    if kind is ImageFormat.PNG:
        png = inspect_png(data, limits)
        return DecodedRaster(_decode_png(data[: png.end]), png.orientation)
    if kind is ImageFormat.WEBP:
        webp = inspect_webp(data, limits)
        opened = _open(WebPImagePlugin.WebPImageFile, data[: webp.end])
        return DecodedRaster(_flatten(opened), webp.orientation)
    inspect_isobmff(data, limits)
    if kind is ImageFormat.HEIF:
        return DecodedRaster(_decode_heif(data), 1)
    opened = _open(AvifImagePlugin.AvifImageFile, data)
    turned = orientation(opened.info.get("exif", b""))
    return DecodedRaster(_flatten(opened), turned)


class JpegRaster:
    """A JPEG, decoded by libjpeg-turbo with the accurate DCT and smooth chroma, and any warning an error."""

    def __init__(self, data: bytes, facts: JpegFacts) -> None:
        self.width, self.height, self.orientation = facts.width, facts.height, facts.orientation
        # The view ends at EOI: what follows (a second picture, an archive) is never looked at.
        self._data = memoryview(data)[: facts.end]
        self._is_cmyk = facts.components == _CMYK_COMPONENTS

    def pixels(self, *, gray: bool, least: tuple[int, int] | None = None) -> Pixels:
        least_height, least_width = self._reduced_size(least)
        if self._is_cmyk:
            return self._cmyk(gray, least_height, least_width)
        return self._decode("GRAY" if gray else "RGB", least_height, least_width)

    def _decode(self, space: str, least_height: int, least_width: int) -> Pixels:
        try:
            decoded = simplejpeg.decode_jpeg(
                self._data, space, min_height=least_height, min_width=least_width, strict=True
            )
        except ValueError as error:
            code = TRUNCATED if "premature end" in str(error).lower() else CORRUPT
            raise Refusal(code, str(error)) from None
        return np.asarray(decoded, dtype=np.uint8)

    def _cmyk(self, gray: bool, least_height: int, least_width: int) -> Pixels:
        inks = self._decode("CMYK", least_height, least_width)
        # Adobe stores inks inverted, and every CMYK JPEG met in practice is Adobe's.
        image = Image.fromarray(255 - inks, mode="CMYK").convert("RGB")
        return _pixels_of(image, gray=gray)

    def _reduced_size(self, least: tuple[int, int] | None) -> tuple[int, int]:
        """Return the size of the smallest picture that the DCT can scale to and that is not below `least`."""
        if least is not None:
            for reduction in _REDUCTIONS:
                height, width = -(-self.height // reduction), -(-self.width // reduction)
                if height >= least[0] and width >= least[1]:
                    return height, width
        return self.height, self.width


class DecodedRaster:
    """A picture of another format, decoded whole."""

    def __init__(self, image: Image.Image, orientation: int) -> None:
        self.width, self.height = image.size
        self.orientation = orientation
        self._image = image

    def pixels(self, *, gray: bool, least: tuple[int, int] | None = None) -> Pixels:
        del least  # decoded whole already
        return _pixels_of(self._image, gray=gray)


def _pixels_of(image: Image.Image, *, gray: bool) -> Pixels:
    pixels = np.asarray(image.convert("L" if gray else "RGB"))
    return pixels.reshape(image.height, image.width, 1 if gray else 3)


def _open(plugin: type[ImageFile.ImageFile], data: bytes) -> Image.Image:
    """Open and decode with one plugin of Pillow, never by its own guess."""
    try:
        image = plugin(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError, ValueError, IndexError, KeyError, EOFError) as error:
        code = TRUNCATED if "truncated" in str(error) else CORRUPT
        raise Refusal(code, str(error)) from None
    return image


def _decode_png(data: bytes) -> Image.Image:
    image = _open(PngImagePlugin.PngImageFile, data)
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit grey to white; the high byte is what libpng's own reduction keeps.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return _flatten(image)


def _decode_heif(data: bytes) -> Image.Image:
    try:
        opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=True, bgr_mode=False)
        image = opened.to_pillow()
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError) as error:
        raise Refusal(CORRUPT, str(error)) from None
    return _flatten(image)


def _flatten(image: Image.Image) -> Image.Image:
    """Return the picture as RGB or grey, with transparent parts on white."""
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    layered = image if image.mode == "RGBA" else image.convert("RGBA")
    flat = Image.new("RGB", image.size, (255, 255, 255))
    flat.paste(layered, (0, 0), layered)
    return flat
