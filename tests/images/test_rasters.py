"""Decoders give the pixels that the reference decoders give, and nothing else of the file."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from splitleaf.core.errors import RejectedInput
from splitleaf.core.preprocessing import ColorOrder, InputSpec, ResizeFilter
from splitleaf.images.decoded import decode_image
from splitleaf.images.flattening import flat_array, flat_image
from splitleaf.images.formats import sniff
from splitleaf.images.limits import ImageLimits
from splitleaf.images.rasters import open_raster
from splitleaf.images.resize import Pixels
from tests.images.corpus.images import avif, encoded, heic, jpeg, on_white, photo, png
from tests.images.corpus.surgery import COM, chunk, frame_offset, insert_chunks, segment, with_segment

PHOTOS = Path(__file__).parents[2].parent / "shared" / "data" / "tomato" / "test"
MARKER = b"MARKER-47.3769N-8.5417E"


def decoded(data: bytes, *, gray: bool = False) -> Pixels:
    return open_raster(data, sniff(data), ImageLimits()).pixels(gray=gray)


def by_pillow(data: bytes, mode: str = "RGB") -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert(mode))


@pytest.mark.real_data
def test_jpeg_pixels_of_real_photos_are_those_of_pillow() -> None:
    if not PHOTOS.exists():
        pytest.skip(f"no photos at {PHOTOS}")
    files = [path for folder in sorted(PHOTOS.iterdir()) for path in sorted(folder.iterdir())[:6]]
    assert len(files) >= 50
    for path in files:
        data = path.read_bytes()
        assert np.array_equal(decoded(data), by_pillow(data)), path.name


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": 0},
        {"subsampling": 1},
        {"subsampling": 2},
        {"progressive": True},
        {"quality": 30},
        {"restart_marker_blocks": 4},
    ],
)
@pytest.mark.parametrize("size", [(64, 48), (67, 45), (321, 201)])
def test_jpeg_pixels_are_those_of_pillow(options: dict[str, int], size: tuple[int, int]) -> None:
    data = jpeg(photo(*size), **options)
    assert np.array_equal(decoded(data), by_pillow(data))


@pytest.mark.parametrize("factor", [cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440])
def test_jpeg_pixels_of_rare_chroma_layouts_are_those_of_pillow(factor: int) -> None:
    done, coded = cv2.imencode(".jpg", photo(), [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor])
    assert done
    assert np.array_equal(decoded(coded.tobytes()), by_pillow(coded.tobytes()))


def test_a_chroma_layout_without_a_name_is_decoded_all_the_same() -> None:
    """Components of 1x2, 2x1 and 1x1: no encoder writes it, libjpeg reads it."""
    data = bytearray(jpeg(photo(64, 64), subsampling=0))
    frame = frame_offset(bytes(data))
    data[frame + 11], data[frame + 14], data[frame + 17] = 0x12, 0x21, 0x11
    try:
        expected = by_pillow(bytes(data))
    except OSError:
        pytest.skip("this libjpeg does not read it")
    assert np.array_equal(decoded(bytes(data)), expected)


def test_grey_of_a_jpeg_is_its_luma() -> None:
    data = jpeg()
    luma = np.asarray(Image.open(io.BytesIO(data)).convert("YCbCr"))[:, :, 0]
    assert np.abs(decoded(data, gray=True)[:, :, 0].astype(int) - luma).max() <= 1


def test_grey_of_other_formats_is_that_of_pillow() -> None:
    data = png()
    assert np.array_equal(decoded(data, gray=True)[:, :, 0], by_pillow(data, "L"))


def test_webp_pixels_are_those_of_pillow() -> None:
    for options in ({"quality": 80}, {"lossless": True}, {"quality": 20, "method": 6}):
        data = encoded(photo(131, 77), "WEBP", **options)
        assert np.array_equal(decoded(data), by_pillow(data)), options


def test_avif_and_heic_pixels_are_close_to_what_was_encoded() -> None:
    for make in (avif, heic):
        assert np.abs(decoded(make()).astype(int) - photo()).mean() < 2.0


def test_heic_with_alpha_is_shown_on_white() -> None:
    import pillow_heif

    alpha = np.full((240, 320), 255, np.uint8)
    alpha[:, :160] = 0
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(np.dstack([photo(), alpha]))).save(out, quality=90)
    pixels = decoded(out.getvalue())
    assert (pixels[:, :150] > 250).all()
    assert np.abs(pixels[:, 170:].astype(int) - photo()[:, 170:]).mean() < 2.0


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    alpha = np.arange(240 * 320).reshape(240, 320).astype(np.uint8)
    rgba = np.dstack([photo(), alpha])
    monkeypatch.setattr("splitleaf.images.flattening._STRIP_PIXELS", 5000)
    assert np.abs(flat_array(rgba).astype(int) - on_white(photo(), alpha)).max() <= 1
    assert np.array_equal(flat_array(rgba), flat_image(Image.fromarray(rgba)))


def test_a_colour_that_means_transparent_is_shown_white() -> None:
    pixels = photo(64, 48).copy()
    pixels[10:20, 10:20] = (1, 2, 3)
    shown = decoded(png(pixels, transparency=(1, 2, 3)))
    assert (shown[10:20, 10:20] == 255).all()
    assert np.array_equal(shown[:10], pixels[:10])


def test_high_bytes_of_16_bit_grey_are_kept() -> None:
    samples = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    assert np.array_equal(decoded(png(Image.fromarray(samples)))[:, :, 0], samples >> 8)


def _marked() -> dict[str, tuple[bytes, bytes]]:
    """By kind: the file without and with a marker in what is not pixels."""
    exif = Image.Exif()
    exif[0x010E] = MARKER.decode()
    gps = exif.get_ifd(0x8825)
    gps[0x1B] = MARKER
    raw = exif.tobytes()
    plain = jpeg()
    return {
        "JPEG COM": (plain, with_segment(plain, segment(COM, MARKER))),
        "JPEG APP13": (plain, with_segment(plain, segment(0xED, MARKER * 9))),
        "JPEG tail": (plain, plain + MARKER * 99),
        "JPEG EXIF and GPS": (plain, jpeg(exif=raw)),
        "JPEG profile": (plain, jpeg(icc_profile=MARKER * 20)),
        "PNG text": (png(), insert_chunks(png(), chunk(b"tEXt", b"Comment\0" + MARKER))),
        "PNG EXIF": (png(), png(exif=raw)),
        "PNG tail": (png(), png() + MARKER * 99),
        "WebP EXIF and XMP": (encoded(None, "WEBP"), encoded(None, "WEBP", exif=raw, xmp=MARKER)),
        "HEIC EXIF": (heic(), heic(exif=raw)),
        "AVIF EXIF": (avif(), avif(exif=raw)),
    }


@pytest.mark.parametrize("kind", _marked())
def test_nothing_but_pixels_leaves_the_file(kind: str) -> None:
    plain, marked = _marked()[kind]
    assert MARKER in marked
    specs = [
        InputSpec(240, 320, resize=ResizeFilter.PILLOW_NEAREST),
        InputSpec(240, 320, ColorOrder.GRAY, ResizeFilter.TF_BILINEAR),
    ]
    without, with_marker = decode_image(plain, specs), decode_image(marked, specs)
    assert with_marker == without
    assert all(MARKER not in bytes(tensor.data) for tensor in with_marker.tensors)


def test_a_refusal_repeats_nothing_of_the_file() -> None:
    data = with_segment(jpeg(), segment(COM, MARKER))[:-2]
    with pytest.raises(RejectedInput) as caught:
        decode_image(data, [InputSpec(64, 64)])
    assert "MARKER" not in f"{caught.value!r} {caught.value.detail} {caught.value.context}"
