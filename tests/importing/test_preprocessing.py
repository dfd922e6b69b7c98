from __future__ import annotations

import pytest

from splitleaf.core.preprocessing import ColorOrder, ResizeFilter
from splitleaf.importing.preprocessing import (
    FILTERS,
    SCALINGS,
    assume,
    complete,
    describe_values,
    parse_preprocessing,
    plausible,
)
from splitleaf.registry.drafts import PreprocessingDraft
from splitleaf.registry.manifest import Preprocessing
from tests.importing.refusing import refused

SHAPE = (224, 224, 3)


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("", {}),
        ("1/255", {"scale": 1 / 255, "mean": (0.0,), "std": (1.0,)}),
        ("tf", {"scale": 1 / 127.5, "mean": (1.0,), "std": (1.0,)}),
        ("caffe", {"scale": 1.0, "mean": (103.939, 116.779, 123.68), "std": (1.0,), "color": "bgr"}),
        ("resize=pillow-nearest, exif_orientation=false", {"resize": "pillow-nearest", "exif_orientation": False}),
        ("height=64,width=48,scale=1/128,mean=0.5;0.4;0.3", {"height": 64, "width": 48, "scale": 1 / 128}),
    ],
)
def test_a_preprocessing_is_named_in_few_words(text: str, stated: dict[str, object]) -> None:
    found = parse_preprocessing(text).stated()
    assert {name: found[name] for name in stated} == stated
    assert set(found) == set(stated) | ({"mean"} if "mean=" in text else set())


@pytest.mark.parametrize("text", ["keras", "resize=nearest", "scale=fast", "size=224", "height=0"])
def test_a_word_that_nobody_knows_is_refused(text: str) -> None:
    with refused("invalid_preprocessing"):
        parse_preprocessing(text)


def test_what_is_left_open_is_taken_from_the_network() -> None:
    found = complete(PreprocessingDraft(resize=ResizeFilter.TF_AREA), SHAPE)
    assert (found.height, found.width, found.color, found.resize) == (224, 224, "rgb", "tf-area")
    assert complete(PreprocessingDraft(color=ColorOrder.BGR), (28, 28, 1)).color is ColorOrder.GRAY


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (PreprocessingDraft(height=32, width=32), "224 x 224 pixels, not 32 x 32"),
        (PreprocessingDraft(color=ColorOrder.GRAY), "3 channels"),
    ],
)
def test_what_contradicts_the_network_is_refused(draft: PreprocessingDraft, words: str) -> None:
    with refused("invalid_preprocessing", words):
        complete(draft, SHAPE)


def test_every_customary_scaling_is_tried_with_every_filter() -> None:
    found = plausible(Preprocessing(height=224, width=224), PreprocessingDraft())
    # caffe belongs to BGR; the others come in both orders.
    assert len(found) == len(set(found)) == (2 * len(SCALINGS) - 1) * len(FILTERS)
    assert {describe_values(one) for one in found} == {one.name for one in SCALINGS}


def test_what_is_stated_is_not_varied() -> None:
    base = Preprocessing(height=224, width=224, resize=ResizeFilter.TF_AREA, scale=1 / 64)
    fixed = PreprocessingDraft(resize=ResizeFilter.TF_AREA, scale=1 / 64)
    assert [(one.resize, one.scale, one.color) for one in plausible(base, fixed)] == [
        ("tf-area", 1 / 64, "rgb"),
        ("tf-area", 1 / 64, "bgr"),
    ]


def test_a_network_of_one_channel_is_tried_in_gray_alone() -> None:
    gray = Preprocessing(height=28, width=28, color=ColorOrder.GRAY)
    found = plausible(gray, PreprocessingDraft())
    assert {one.color for one in found} == {ColorOrder.GRAY}
    assert {describe_values(one) for one in found} == {"0..255", "x/255", "x/127.5 - 1"}


def test_a_scaling_without_a_name_is_described_by_its_numbers() -> None:
    one = Preprocessing(height=8, width=8, scale=1 / 64, mean=(0.5,), std=(0.25,))
    assert describe_values(one) == "(x*0.015625 - 0.5) / 0.25"


@pytest.mark.parametrize(
    ("layers", "values"),
    [
        ({"InputLayer": 1, "Conv2D": 3, "Dense": 2}, "x/255"),
        ({"InputLayer": 1, "Rescaling": 1, "Conv2D": 3}, "0..255"),
        ({"InputLayer": 1, "Normalization": 1, "Conv2D": 3}, "0..255"),
        (None, "0..255"),
    ],
)
def test_what_nobody_says_is_assumed_by_the_layers_and_said_to_be(layers: dict[str, int] | None, values: str) -> None:
    found, origin = assume(PreprocessingDraft(resize=ResizeFilter.PILLOW_NEAREST), SHAPE, layers)
    assert (describe_values(found), found.resize) == (values, ResizeFilter.PILLOW_NEAREST)
    (warning,) = origin.warnings
    assert f"{values} is assumed" in warning


def test_what_somebody_says_is_taken_as_declared() -> None:
    found, origin = assume(PreprocessingDraft(scale=1.0), SHAPE, {"Conv2D": 3})
    assert describe_values(found) == "0..255"
    assert origin.warnings == ()
    assert origin.words.startswith("as declared")
