"""Resizing is exactly that of the framework whose filter is named."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec, ResizeFilter
from splitleaf.images.decoded import decode_image, oriented
from splitleaf.images.resize import Pixels, to_tensor
from tests.images.corpus.images import encoded, jpeg, photo
from tests.images.golden.make_tf_resize import case_name, pattern, thinned

GOLDEN = np.load(Path(__file__).parent / "golden" / "tf_resize.npz")
TOLERANCE = 5e-3
"""Of a level; where OpenCV computes in double what TensorFlow computes in float32, on the sharpest edges."""

PILLOW = {
    ResizeFilter.PILLOW_NEAREST: Image.Resampling.NEAREST,
    ResizeFilter.PILLOW_BILINEAR: Image.Resampling.BILINEAR,
    ResizeFilter.PILLOW_BICUBIC: Image.Resampling.BICUBIC,
    ResizeFilter.PILLOW_LANCZOS: Image.Resampling.LANCZOS,
    ResizeFilter.PILLOW_BOX: Image.Resampling.BOX,
    ResizeFilter.PILLOW_HAMMING: Image.Resampling.HAMMING,
}
SHAPES = [
    ((37, 53), (24, 31)),
    ((256, 256), (224, 224)),
    ((24, 31), (37, 53)),
    ((300, 401), (96, 64)),
    ((50, 50), (50, 50)),
]


def sides(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


@pytest.mark.parametrize("name", GOLDEN.files)
def test_tensorflow_filters_give_what_tensorflow_gave(name: str) -> None:
    method, fit, size, wanted = name.split("|")
    height, width = sides(wanted)
    spec = InputSpec(height, width, resize=ResizeFilter(method), fit=Fit(fit))
    tensor = thinned(to_tensor(pattern(*sides(size)), spec))
    assert np.abs(tensor.astype(np.float64) - GOLDEN[name]).max() <= TOLERANCE


@pytest.mark.parametrize("name", [name for name in GOLDEN.files if not name.endswith("1001|300x299")])
def test_tensorflow_filters_treat_grey_like_any_other_channel(name: str) -> None:
    """TensorFlow resizes each channel apart; ours takes other ways for one channel than for three."""
    method, fit, size, wanted = name.split("|")
    spec = InputSpec(*sides(wanted), ColorOrder.GRAY, ResizeFilter(method), Fit(fit))
    tensor = thinned(to_tensor(pattern(*sides(size), 1), spec))
    assert np.abs(tensor.astype(np.float64) - GOLDEN[name][:, :, :1]).max() <= TOLERANCE


def test_every_tensorflow_filter_and_fit_has_golden_vectors() -> None:
    methods = [method for method in ResizeFilter if method.startswith("tf-")]
    for method in methods:
        for fit in ("stretch", "pad", *(() if "antialias" in method else ("crop",))):
            assert case_name(method, fit, (37, 53), (24, 31)) in GOLDEN.files


@pytest.mark.parametrize(("size", "wanted"), SHAPES)
@pytest.mark.parametrize("method", PILLOW)
def test_pillow_filters_stretch_as_pillow(method: ResizeFilter, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    pixels = pattern(*size)
    expected = Image.fromarray(pixels).resize(wanted[::-1], PILLOW[method])
    assert np.array_equal(to_tensor(pixels, InputSpec(*wanted, resize=method)), np.asarray(expected))


@pytest.mark.parametrize(("size", "wanted"), SHAPES)
@pytest.mark.parametrize("method", PILLOW)
def test_pillow_filters_crop_as_kerass_load_img(
    method: ResizeFilter, size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    """`keras.utils.load_img(keep_aspect_ratio=True)`, spelled out."""
    (height, width), (to_height, to_width) = size, wanted
    crop_height = min(height, (width * to_height) // to_width)
    crop_width = min(width, (height * to_width) // to_height)
    top, left = (height - crop_height) // 2, (width - crop_width) // 2
    pixels = pattern(*size)
    box = (left, top, left + crop_width, top + crop_height)
    expected = Image.fromarray(pixels).resize((to_width, to_height), PILLOW[method], box)
    tensor = to_tensor(pixels, InputSpec(*wanted, resize=method, fit=Fit.CROP))
    assert np.array_equal(tensor, np.asarray(expected))


@pytest.mark.parametrize(("size", "wanted"), SHAPES)
@pytest.mark.parametrize("method", PILLOW)
def test_pillow_filters_pad_as_image_ops(method: ResizeFilter, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    pixels = pattern(*size)
    expected = ImageOps.pad(Image.fromarray(pixels), wanted[::-1], PILLOW[method])
    tensor = to_tensor(pixels, InputSpec(*wanted, resize=method, fit=Fit.PAD))
    assert np.array_equal(tensor, np.asarray(expected))


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("method", PILLOW)
def test_pillow_filters_resize_grey_as_pillow_resizes_it(method: ResizeFilter, fit: Fit) -> None:
    pixels, wanted = pattern(300, 401, 1), (96, 64)
    image = Image.fromarray(pixels[:, :, 0])
    if fit is Fit.PAD:
        expected = ImageOps.pad(image, wanted[::-1], PILLOW[method])
    else:
        box = (0, 0, 401, 300) if fit is Fit.STRETCH else (100, 0, 300, 300)
        expected = image.resize(wanted[::-1], PILLOW[method], box)
    tensor = to_tensor(pixels, InputSpec(*wanted, ColorOrder.GRAY, method, fit))
    assert np.array_equal(tensor[:, :, 0], np.asarray(expected))


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("method", ResizeFilter)
def test_bgr_is_rgb_the_other_way_round(method: ResizeFilter, fit: Fit) -> None:
    pixels = pattern(40, 50)
    rgb, bgr = (to_tensor(pixels, InputSpec(20, 30, color, method, fit)) for color in (ColorOrder.RGB, ColorOrder.BGR))
    assert np.array_equal(rgb[:, :, ::-1], bgr)
    assert bgr.flags.c_contiguous


def test_an_antialiased_crop_is_the_stretch_of_its_window() -> None:
    """`smart_resize` of Keras has no antialiasing, so there is no golden vector for this one."""
    pixels = pattern(300, 400)
    crop = InputSpec(60, 40, resize=ResizeFilter.TF_BILINEAR_ANTIALIAS, fit=Fit.CROP)
    stretch = InputSpec(60, 40, resize=ResizeFilter.TF_BILINEAR_ANTIALIAS)
    assert np.array_equal(to_tensor(pixels, crop), to_tensor(pixels[:, 100:300], stretch))


@given(size=st.integers(1, 5000), wanted=st.integers(1, 600))
@settings(deadline=None, max_examples=200)
def test_nearest_takes_the_very_pixels_that_pillow_takes(size: int, wanted: int) -> None:
    row = (np.arange(size) % 251).astype(np.uint8)[None, :, None].repeat(3, axis=2)
    row[0, :, 1] = np.arange(size) // 251
    expected = Image.fromarray(row).resize((wanted, 1), Image.Resampling.NEAREST)
    assert np.array_equal(
        to_tensor(row, InputSpec(1, wanted, resize=ResizeFilter.PILLOW_NEAREST)), np.asarray(expected)
    )


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("method", PILLOW)
def test_an_image_resized_in_strips_is_the_same(
    method: ResizeFilter, fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = pattern(301, 400)
    spec = InputSpec(64, 50, resize=method, fit=fit)
    whole = to_tensor(pixels, spec)
    monkeypatch.setattr("splitleaf.images.resize._STRIP_PIXELS", 4000)
    assert np.array_equal(to_tensor(pixels, spec), whole)


@pytest.mark.parametrize("color", ColorOrder)
@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("method", ResizeFilter)
def test_the_tensor_has_the_promised_shape_and_dtype(method: ResizeFilter, fit: Fit, color: ColorOrder) -> None:
    spec = InputSpec(40, 30, color, method, fit)
    (tensor,) = decode_image(jpeg(photo(64, 48)), [spec]).tensors
    assert (tensor.shape, tensor.dtype) == (spec.shape, spec.dtype)
    assert len(tensor.data) == np.dtype(spec.dtype).itemsize * np.prod(spec.shape)


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_undone_as_pillow_undoes_it(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(photo(64, 48), "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert np.array_equal(oriented(photo(64, 48), turn), expected)
    height, width = expected.shape[:2]
    spec = InputSpec(height, width, resize=ResizeFilter.PILLOW_NEAREST)
    image = decode_image(data, [spec])
    assert (image.width, image.height) == (width, height)
    assert bytes(image.tensors[0].data) == expected.tobytes()


def test_two_specs_may_differ_in_whether_they_turn_the_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(photo(64, 48), exif=exif.tobytes(), subsampling=0)
    specs = [
        InputSpec(48, 64, resize=ResizeFilter.TF_NEAREST, exif_orientation=False),
        InputSpec(64, 48, resize=ResizeFilter.TF_NEAREST, exif_orientation=True),
    ]
    lying, upright = (_array(tensor.data, tensor.shape) for tensor in decode_image(data, specs).tensors)
    assert np.array_equal(np.rot90(lying, -1), upright)


def _array(data: bytes | memoryview, shape: tuple[int, int, int]) -> Pixels:
    return np.frombuffer(data, np.uint8).reshape(shape)


def _phone_photo() -> tuple[bytes, Pixels]:
    """A 6-megapixel JPEG with fine texture, and its full decode."""
    big = np.asarray(Image.fromarray(photo()).resize((3000, 2000), Image.Resampling.BICUBIC)).astype(np.int16)
    grain = np.random.default_rng(1).integers(-20, 21, big.shape, np.int16)
    data = jpeg(np.clip(big + grain, 0, 255).astype(np.uint8), quality=90)
    return data, np.asarray(Image.open(io.BytesIO(data)))


def test_smooth_filters_are_imitated_by_scaled_decoding_and_the_others_see_every_pixel() -> None:
    data, full = _phone_photo()
    methods = list(ResizeFilter)
    specs = [InputSpec(224, 224, resize=method) for method in methods]
    for spec, tensor in zip(specs, decode_image(data, specs).tensors, strict=True):
        got = np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape).astype(np.float64)
        far = np.abs(got - to_tensor(full, spec))
        if spec.resize in (*list(PILLOW)[1:4], ResizeFilter.PILLOW_HAMMING, ResizeFilter.TF_BILINEAR_ANTIALIAS):
            assert far.mean() < 0.5, spec.resize
            assert far.max() <= 5, spec.resize
        else:
            assert far.max() <= TOLERANCE, spec.resize


def test_a_small_photo_is_never_decoded_scaled() -> None:
    data = jpeg(photo(640, 480))
    full = np.asarray(Image.open(io.BytesIO(data)))
    spec = InputSpec(224, 224, resize=ResizeFilter.PILLOW_BILINEAR)
    assert bytes(decode_image(data, [spec]).tensors[0].data) == to_tensor(full, spec).tobytes()
