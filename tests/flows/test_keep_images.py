"""Keeping happens beside the answer: it is given up before it is in the way, and never fails anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from splitleaf.core.errors import DependencyDown, Overloaded
from splitleaf.core.ids import new_prediction_id
from splitleaf.core.preprocessing import InputSpec
from splitleaf.flows import keep_images
from splitleaf.flows.keep_images import ImageKeeping
from splitleaf.images.decoded import decode_image
from splitleaf.images.directory import DirectoryImageArchive
from splitleaf.images.intake import DecodedImage
from tests.support.images import jpeg

UPLOAD = jpeg(size=(200, 100))
SHOWN = DecodedImage((), 200, 100)


class GatedIntake:
    """Decodes when the gate opens, or fails as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.gate = asyncio.Event()
        self.error = error

    async def decode(self, data: bytes, specs: Sequence[InputSpec]) -> DecodedImage:
        await self.gate.wait()
        if self.error:
            raise self.error
        return decode_image(data, specs)

    async def close(self) -> None:
        return


async def test_an_image_is_kept_after_the_offer_has_returned(tmp_path: Path) -> None:
    intake, archive = GatedIntake(), DirectoryImageArchive(tmp_path)
    done: list[bool] = []
    keeping, one = ImageKeeping(intake, archive, 64, done.append), new_prediction_id()
    assert keeping.offer(one, UPLOAD, SHOWN) is True
    assert archive.holds(one) is False
    intake.gate.set()
    await keeping.finish()
    kept = archive.load(one)
    assert kept
    decoded = decode_image(kept, [InputSpec(32, 64)])
    assert (decoded.width, decoded.height, done) == (64, 32, [True])


@pytest.mark.parametrize(("bound", "least"), [("MOST_IN_HAND", 2), ("MOST_BYTES_IN_HAND", 2 * len(UPLOAD))])
async def test_more_than_can_wait_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, least: int
) -> None:
    monkeypatch.setattr(keep_images, bound, least)
    intake, done = GatedIntake(), list[bool]()
    keeping = ImageKeeping(intake, DirectoryImageArchive(tmp_path), 64, done.append)
    assert [keeping.offer(new_prediction_id(), UPLOAD, SHOWN) for _ in range(4)] == [True, True, False, False]
    intake.gate.set()
    await keeping.finish()
    assert sorted(done) == [False, False, True, True]
    assert keeping.offer(new_prediction_id(), UPLOAD, SHOWN) is True
    await keeping.finish()


@pytest.mark.parametrize("error", [Overloaded(), DependencyDown(), RuntimeError("a fault")])
async def test_whatever_goes_wrong_nobody_notices(tmp_path: Path, error: Exception) -> None:
    intake, archive, one = GatedIntake(error), DirectoryImageArchive(tmp_path), new_prediction_id()
    done: list[bool] = []
    keeping = ImageKeeping(intake, archive, 64, done.append)
    intake.gate.set()
    keeping.offer(one, UPLOAD, SHOWN)
    await keeping.finish()
    assert (archive.holds(one), done) == (False, [False])
