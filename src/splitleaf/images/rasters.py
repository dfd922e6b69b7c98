"""Decoding: a file that passed its guard -> 8-bit RGB or grey pixels, with that format's decoder alone.

The images can be large, so nothing is ever copied whole that can be converted in strips.
"""

from __future__ import annotations

import io
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import pillow_heif
import simplejpeg
from PIL import AvifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin

from splitleaf.images.exif import orientation
from splitleaf.images.flattening import flat_array, flat_image, gray_of, rgb_of_cmyk
from splitleaf.images.formats import ImageFormat
from splitleaf.images.isobmff import inspect_isobmff
from splitleaf.images.jpeg import JpegFacts, inspect_jpeg
from splitleaf.images.limits import ImageLimits
from splitleaf.images.png import inspect_png
from splitleaf.images.refusals import CORRUPT, Refusal
from splitleaf.images.webp import inspect_webp

Pixels = npt.NDArray[np.uint8]

# The guards have bounded the size already; Pillow's own warning would only add noise.
Image.MAX_IMAGE_PIXELS = None
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pillow_heif.options.DECODE_THREADS = 1

_CMYK_COMPONENTS = 4
_REDUCTIONS = (8, 4, 2)


class Raster(Protocol):
    """A checked image whose pixels can be had. `width` and `height` are those stored, not yet oriented."""

    width: int
    height: int
    orientation: int

    def pixels(self, *, gray: bool, least: tuple[int, int] | None = None) -> Pixels:
        """Return (h, w, 3) RGB or (h, w, 1) grey pixels.

        With `least` = (height, width), a reduced image of at least that size may be returned.

        Raises:
            Refusal: the decoder found damage.
        """
        ...


def open_raster(data: bytes, kind: ImageFormat, limits: ImageLimits) -> Raster:
    """Check a file's structure and prepare its decoding.

    Raises:
        Refusal: with the code that the image owes.
    """
    if kind is ImageFormat.JPEG:
        return JpegRaster(data, inspect_jpeg(data, limits))
    if kind is ImageFormat.PNG:
        png = inspect_png(data, limits)
        return DecodedRaster(flat_image(_open_png(data[: png.end], png.depth)), png.orientation)
    if kind is ImageFormat.WEBP:
        webp = inspect_webp(data, limits)
        return DecodedRaster(_decode_webp(memoryview(data)[: webp.end]), webp.orientation)
    inspect_isobmff(data, limits)
    if kind is ImageFormat.HEIF:
        # libheif has already turned the image as its container asks.
        return DecodedRaster(_decode_heif(data), 1)
    image = _open(AvifImagePlugin.AvifImageFile, data)
    return DecodedRaster(flat_image(image), orientation(image.info.get("exif", b"")))


class JpegRaster:
    """A JPEG, decoded by libjpeg-turbo with the accurate DCT and smooth chroma, and any warning an error."""

    def __init__(self, data: bytes, facts: JpegFacts) -> None:
        self.width, self.height, self.orientation = facts.width, facts.height, facts.orientation
        # The view ends at EOI: what follows (a second image, an archive) is never looked at.
        self._data = memoryview(data)[: facts.end]
        self._is_cmyk = facts.components == _CMYK_COMPONENTS

    def pixels(self, *, gray: bool, least: tuple[int, int] | None = None) -> Pixels:
        height, width = self._reduced_size(least)
        if self._is_cmyk:
            rgb = rgb_of_cmyk(self._decode("CMYK", height, width))
            return gray_of(rgb) if gray else rgb
        return self._decode("GRAY" if gray else "RGB", height, width)

    def _decode(self, space: str, height: int, width: int) -> Pixels:
        try:
            decoded = simplejpeg.decode_jpeg(self._data, space, min_height=height, min_width=width, strict=True)
        except ValueError as error:
            if "subsampling" in str(error) and not self._is_cmyk:
                return self._decode_uncommon(gray=space == "GRAY")
            # The guard has seen the end of the image, so data that run out early are damaged, not cut.
            raise Refusal(CORRUPT, str(error)) from None
        return np.asarray(decoded, dtype=np.uint8)

    def _decode_uncommon(self, *, gray: bool) -> Pixels:
        """Decode chroma layouts that TurboJPEG's interface has no name for; Pillow uses libjpeg itself."""
        rgb = flat_image(_open(JpegImagePlugin.JpegImageFile, bytes(self._data)))
        return gray_of(rgb) if gray else rgb

    def _reduced_size(self, least: tuple[int, int] | None) -> tuple[int, int]:
        """Return the size of the smallest image that the DCT can scale to and that is not below `least`."""
        if least is not None:
            for reduction in _REDUCTIONS:
                height, width = -(-self.height // reduction), -(-self.width // reduction)
                if height >= least[0] and width >= least[1]:
                    return height, width
        return self.height, self.width


class DecodedRaster:
    """An image of another format, decoded whole to (h, w, 3)."""

    def __init__(self, rgb: Pixels, orientation: int) -> None:
        self.height, self.width = rgb.shape[:2]
        self.orientation = orientation
        self._rgb = rgb

    def pixels(self, *, gray: bool, least: tuple[int, int] | None = None) -> Pixels:
        del least  # decoded whole already
        return gray_of(self._rgb) if gray else self._rgb


def _open(plugin: type[ImageFile.ImageFile], data: bytes) -> Image.Image:
    """Open and decode with one plugin of Pillow, never by its own guess."""
    try:
        image = plugin(io.BytesIO(data))
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - plugins object to damage with errors of every kind
        raise Refusal(CORRUPT, str(error)) from None
    # The plugin for AVIF keeps all decoded bytes here.
    image.fp = None
    return image


def _open_png(data: bytes, depth: int) -> Image.Image:
    """Pillow brings samples of other depths to 8 bits, but not the colour of tRNS that is compared with them."""
    image = _open(PngImagePlugin.PngImageFile, data)
    clear = image.info.get("transparency")
    if image.mode == "L" and isinstance(clear, int):
        image.info["transparency"] = _in_8_bits(clear, depth)
    elif image.mode == "RGB" and isinstance(clear, tuple):
        image.info["transparency"] = tuple(_in_8_bits(sample, depth) for sample in clear)
    return image


def _in_8_bits(sample: int, depth: int) -> int:
    most = (1 << depth) - 1
    return (sample & most) >> 8 if depth == 16 else (sample & most) * 255 // most


def _decode_webp(data: memoryview) -> Pixels:
    """Decode with OpenCV: Pillow goes through libwebp's animation decoder, at three times the memory."""
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise Refusal(CORRUPT, str(error)) from None
    if decoded is None or decoded.dtype != np.uint8 or decoded.ndim != 3:
        raise Refusal(CORRUPT, "WebP bitstream")
    pixels = np.asarray(decoded, dtype=np.uint8)
    has_alpha = pixels.shape[2] == 4
    cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if has_alpha else cv2.COLOR_BGR2RGB, dst=pixels)
    return flat_array(pixels)


def _decode_heif(data: bytes) -> Pixels:
    try:
        pixels = np.asarray(pillow_heif.open_heif(data, convert_hdr_to_8bit=True))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise Refusal(CORRUPT, str(error)) from None
    return flat_array(pixels)
