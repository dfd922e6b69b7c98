"""A confined child decodes whatever the pure function decodes: it needs nothing that it has given up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec, ResizeFilter
from splitleaf.images.decoded import decode_image
from splitleaf.images.limits import ImageLimits
from splitleaf.images.pool import PooledIntake
from tests.images.corpus import ODD
from tests.images.corpus.images import avif, encoded, heic, jpeg, png

SPECS = [InputSpec(48, 40, color, method, fit) for color in ColorOrder for method in ResizeFilter for fit in Fit]
ROOT = Path(__file__).parents[2]


def turned() -> dict[str, bytes]:
    """Every format with the EXIF of a camera that was held upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = exif.tobytes()
    return {
        "jpeg": jpeg(exif=raw),
        "png": png(exif=raw),
        "webp": encoded(None, "WEBP", exif=raw),
        "heic": heic(exif=raw),
        "avif": avif(exif=raw),
    }


@pytest.mark.parametrize("kind", turned())
async def test_a_child_turns_an_image_of_any_format_upright(kind: str) -> None:
    data = turned()[kind]
    intake = await PooledIntake.start(ImageLimits(), 1)
    try:
        there = await intake.decode(data, SPECS)
    finally:
        await intake.close()
    here = decode_image(data, SPECS)
    assert (there.width, there.height) == (240, 320)
    assert [bytes(tensor.data) for tensor in there.tensors] == [bytes(tensor.data) for tensor in here.tensors]


async def test_a_child_decodes_every_odd_image_as_the_pure_function_does() -> None:
    intake = await PooledIntake.start(ImageLimits(), 1)
    specs = [InputSpec(64, 64), InputSpec(33, 57, ColorOrder.GRAY, ResizeFilter.TF_AREA, Fit.PAD)]
    try:
        for case in ODD:
            if not case.is_big:
                there, here = await intake.decode(case.data, specs), decode_image(case.data, specs)
                assert [bytes(one.data) for one in there.tensors] == [bytes(one.data) for one in here.tensors], (
                    case.name
                )
    finally:
        await intake.close()


_NAMES_NEW_IMPORTS = """
import json, sys
from splitleaf.images import child
from splitleaf.images.limits import ImageLimits
from splitleaf.images.decoded import decode_image
from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec, ResizeFilter
child.load_late_imports()
before = set(sys.modules)
specs = [InputSpec(48, 40, color, method, fit) for color in ColorOrder for method in ResizeFilter for fit in Fit]
while size := int.from_bytes(sys.stdin.buffer.read(4), "big"):
    decode_image(sys.stdin.buffer.read(size), specs)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_no_image_makes_a_child_import_anything() -> None:
    """Importing opens files, which a confined child cannot: it would call a good image damaged."""
    images = [*turned().values(), *(case.data for case in ODD if not case.is_big)]
    request = b"".join(len(data).to_bytes(4, "big") + data for data in images) + bytes(4)
    command = [sys.executable, "-c", _NAMES_NEW_IMPORTS]
    done = subprocess.run(command, input=request, capture_output=True, cwd=ROOT, timeout=60, check=True)
    assert done.stdout.strip() == b"[]"
