"""The 75 images that must be refused and the 28 that must be taken."""

from __future__ import annotations

import pytest

from splitleaf.core.errors import RejectedInput
from splitleaf.core.preprocessing import InputSpec, ResizeFilter
from splitleaf.images.decoded import decode_image
from splitleaf.images.intake import DecodedImage
from tests.images.corpus import ALL, HOSTILE, ODD, Case
from tests.images.corpus.measuring import SPEC, difference, measure, table

_SMALL_ODD = [case for case in ODD if not case.is_big]
_BIG_ODD = [case for case in ODD if case.is_big]


def decoded(case: Case, spec: InputSpec = SPEC) -> DecodedImage:
    return decode_image(case.data, [spec])


def test_the_corpus_has_the_promised_size_and_no_name_twice() -> None:
    assert (len(HOSTILE), len(ODD)) == (75, 28)
    assert len({case.name for case in ALL}) == 103


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_a_hostile_image_is_refused_with_the_code_it_owes(case: Case) -> None:
    with pytest.raises(RejectedInput) as caught:
        decoded(case)
    assert caught.value.error_code == case.code


@pytest.mark.parametrize("case", _SMALL_ODD, ids=lambda case: case.name)
def test_an_odd_but_good_image_shows_what_it_should(case: Case) -> None:
    image = decoded(case)
    assert case.reference is not None
    assert difference(image, case.reference(), SPEC) <= 2.0
    assert image.flags == case.flags
    assert (image.width, image.height) == (320, 240)


@pytest.mark.parametrize("case", _SMALL_ODD, ids=lambda case: case.name)
def test_an_odd_but_good_image_shows_the_same_through_tensorflows_filter(case: Case) -> None:
    spec = InputSpec(240, 320, resize=ResizeFilter.TF_BILINEAR)
    assert case.reference is not None
    assert difference(decoded(case, spec), case.reference(), spec) <= 2.0


@pytest.mark.slow
@pytest.mark.parametrize("case", [*HOSTILE, *_BIG_ODD], ids=lambda case: case.name)
async def test_an_image_costs_a_child_no_more_memory_than_promised(case: Case) -> None:
    row = await measure(case)
    assert row.is_right, table([row])
    assert row.extra_mib < (200 if case.code else 350)
    assert row.peak_mib < 350


@pytest.mark.slow
@pytest.mark.parametrize("method", [ResizeFilter.TF_BILINEAR, ResizeFilter.PILLOW_NEAREST])
@pytest.mark.parametrize("case", _BIG_ODD, ids=lambda case: case.name)
async def test_a_big_image_for_a_filter_that_needs_every_pixel_stays_in_bounds(
    case: Case, method: ResizeFilter
) -> None:
    row = await measure(case, InputSpec(224, 224, resize=method))
    assert row.is_right, table([row])
    assert row.peak_mib < 350
