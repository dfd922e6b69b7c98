"""Damaged images through real children: each is decoded or refused with a code, and no child dies or hangs."""

from __future__ import annotations

from itertools import islice

import pytest

from splitleaf.core.preprocessing import InputSpec
from splitleaf.images.decoded import decode_image
from tests.images.corpus.mutations import bases, mutants
from tests.images.fuzz import fuzz
from tests.images.misbehaving_child import order


@pytest.mark.parametrize("kind", bases())
def test_what_is_damaged_was_good_before(kind: str) -> None:
    assert len(decode_image(bases()[kind], [InputSpec(64, 96)]).tensors) == 1


def test_the_same_seed_makes_the_same_images() -> None:
    assert list(islice(mutants(3), 30)) == list(islice(mutants(3), 30))
    assert list(islice(mutants(3), 30)) != list(islice(mutants(4), 30))


@pytest.mark.slow
async def test_4000_damaged_images_neither_kill_nor_hold_up_a_child() -> None:
    findings = await fuzz(islice(mutants(20), 4000))
    assert findings.are_good, str(findings)
    assert findings.answers.total() == 4000
    assert findings.answers["accepted"] > 100
    assert {"image_corrupt", "image_truncated", "image_too_many_pixels"} <= set(findings.answers)


async def test_the_fuzzer_sees_a_child_that_dies() -> None:
    findings = await fuzz([("killer", order("die"))], child_module="tests.images.misbehaving_child")
    assert findings.deaths
    assert not findings.are_good
