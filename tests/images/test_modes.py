"""Every colour type, depth, kind of transparency and orientation shows what a viewer would show."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pillow_heif
import pytest
from PIL import Image

from splitleaf.core.preprocessing import Fit, InputSpec, ResizeFilter
from splitleaf.images.decoded import decode_image
from tests.images.corpus.cases import Pixels
from tests.images.corpus.images import avif, encoded, heic, jpeg, on_white, photo, png
from tests.images.corpus.surgery import chunk, header, png_of
from tests.images.test_rasters import by_pillow, decoded

SIDE = 64
Y, X = np.mgrid[0:SIDE, 0:SIDE]
FULL = ((X * 1024 + Y * 7) % 65536).astype(np.uint16)
"""16-bit grey whose low bytes matter."""
RGBA = np.dstack([FULL, FULL.T, FULL[::-1], FULL[:, ::-1]])


def grey(depth: int) -> npt.NDArray[Any]:
    return np.asarray(FULL >> (16 - depth))


def png_file(depth: int, color: int, samples: npt.NDArray[Any], *clear: int) -> bytes:
    """A PNG written by hand: (h, w) or (h, w, c) samples of any depth, and perhaps the clear colour of tRNS."""
    bits = (samples.reshape(SIDE, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.astype(np.uint8).reshape(SIDE, -1), axis=1)
    extra = [chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))] if clear else []
    return png_of(
        header(SIDE, SIDE, depth, color), *extra, data=zlib.compress(b"".join(b"\0" + bytes(r) for r in rows))
    )


def in_8_bits(samples: npt.NDArray[Any], depth: int) -> Pixels:
    eight = samples >> 8 if depth == 16 else samples * 255 // ((1 << depth) - 1)
    pixels: Pixels = eight.astype(np.uint8)
    return np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_of_every_depth_fills_the_whole_range(depth: int) -> None:
    assert np.array_equal(decoded(png_file(depth, 0, grey(depth))), in_8_bits(grey(depth), depth))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_clear_grey_of_every_depth_is_shown_white(depth: int) -> None:
    samples = grey(depth)
    clear = samples == samples[0, 9]
    assert 0 < clear.sum() < clear.size
    expected = np.where(clear[:, :, None], 255, in_8_bits(samples, depth))
    assert np.array_equal(decoded(png_file(depth, 0, samples, int(samples[0, 9]))), expected)


@pytest.mark.parametrize("depth", [8, 16])
def test_the_clear_colour_of_every_depth_is_shown_white(depth: int) -> None:
    samples = RGBA[:, :, :3] >> (16 - depth)
    clear = (samples == samples[5, 5]).all(axis=2)
    expected = np.where(clear[:, :, None], 255, in_8_bits(samples, depth))
    assert np.array_equal(decoded(png_file(depth, 2, samples, *map(int, samples[5, 5]))), expected)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("color", [4, 6])
def test_transparency_of_every_depth_is_put_on_white(depth: int, color: int) -> None:
    samples = (RGBA if color == 6 else RGBA[:, :, ::3]) >> (16 - depth)
    shown = in_8_bits(samples[:, :, :-1] if color == 6 else samples[:, :, 0], depth)
    expected = on_white(shown, in_8_bits(samples[:, :, -1], depth)[:, :, 0])
    assert np.abs(decoded(png_file(depth, color, samples)).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palettes_of_every_depth_show_their_colours(depth: int) -> None:
    samples = grey(depth)
    colours = np.random.default_rng(depth).integers(0, 256, (1 << depth, 3), np.uint8)
    data = png_file(depth, 3, samples)
    data = data[:33] + chunk(b"PLTE", colours.tobytes()) + data[33:]
    assert np.array_equal(decoded(data), colours[samples])


def test_an_interlaced_png_is_the_same_image() -> None:
    """Seven passes, each of the pixels that Adam7 gives it."""
    pixels = photo(SIDE, SIDE)
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = (b"\0" + row.tobytes() for top, left, down, right in passes for row in pixels[top::down, left::right])
    data = png_of(header(SIDE, SIDE, interlace=1), data=zlib.compress(b"".join(rows)))
    assert np.array_equal(decoded(data), pixels)


def test_a_cmyk_jpeg_looks_as_pillow_shows_it() -> None:
    data = jpeg(Image.fromarray(photo()).convert("CMYK"))
    assert np.array_equal(decoded(data), by_pillow(data))
    assert np.abs(decoded(data, gray=True)[:, :, 0].astype(int) - by_pillow(data, "L")).max() <= 1


def test_a_jpeg_that_stores_rgb_itself_keeps_its_colours() -> None:
    data = jpeg(keep_rgb=True)
    assert np.array_equal(decoded(data), by_pillow(data))


def test_a_heic_of_10_bits_is_shown_in_8() -> None:
    deep = (photo().astype(np.uint16) * 257).tobytes()
    out = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (320, 240), deep).save(out, quality=90, enc_params={"preset": "ultrafast"})
    assert pillow_heif.open_heif(out, convert_hdr_to_8bit=False).info["bit_depth"] > 8
    assert np.abs(decoded(out.getvalue()).astype(int) - photo()).mean() < 2


def test_a_grey_heic_is_grey() -> None:
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(photo()).convert("L")).save(out, quality=90)
    pixels = decoded(out.getvalue())
    assert np.ptp(pixels, axis=2).max() <= 2
    assert np.abs(pixels[:, :, 0].astype(int) - by_pillow(png(), "L")).mean() < 2


TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""EXIF orientation -> how the sensor saw an upright image."""
ENCODERS: dict[str, Callable[[Pixels, bytes], bytes]] = {
    "jpeg": lambda pixels, exif: jpeg(pixels, exif=exif, subsampling=0),
    "png": lambda pixels, exif: png(pixels, exif=exif),
    "webp": lambda pixels, exif: encoded(pixels, "WEBP", lossless=True, exif=exif),
    "heic": lambda pixels, exif: heic(pixels, exif=exif),
    "avif": lambda pixels, exif: avif(pixels, exif=exif),
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ENCODERS)
def test_a_camera_held_in_any_way_gives_an_upright_image(kind: str, turn: int) -> None:
    upright = photo(160, 96)
    exif = Image.Exif()
    exif[0x0112] = turn
    way = TURNS[turn]
    seen = upright if way is None else np.asarray(Image.fromarray(upright).transpose(way))
    image = decode_image(ENCODERS[kind](seen, exif.tobytes()), [InputSpec(96, 160, resize=ResizeFilter.TF_NEAREST)])
    assert (image.width, image.height) == (160, 96)
    pixels = np.frombuffer(image.tensors[0].data, np.uint8).reshape(96, 160, 3)
    assert np.abs(pixels.astype(int) - upright).mean() < 2


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("method", [ResizeFilter.PILLOW_BILINEAR, ResizeFilter.TF_BILINEAR])
def test_a_flat_image_is_told_from_a_photo_whatever_the_fit(fit: Fit, method: ResizeFilter) -> None:
    spec = InputSpec(64, 64, resize=method, fit=fit)
    flat = png(np.full((60, 100, 3), (90, 120, 40), np.uint8))
    assert decode_image(flat, [spec]).flags == ("low_information",)
    assert decode_image(png(photo(100, 60)), [spec]).flags == ()
