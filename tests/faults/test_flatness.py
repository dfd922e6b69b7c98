"""A soak says what grows, and not what moves."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.faults.flatness import Sample, draw, judge


def samples(growth_mb: float) -> list[Sample]:
    """Two hundred samples: memory that goes up and down, and up by so much in all."""
    return [
        {
            "minutes": number / 6,
            "api MB": 120 + 4 * math.sin(number) + growth_mb * number / 200,
            "api descriptors": 35 + number % 3,
        }
        for number in range(200)
    ]


def test_what_moves_is_flat_and_what_grows_is_not() -> None:
    assert [one.is_flat for one in judge(samples(0))] == [True, True]
    assert [one.is_flat for one in judge(samples(40))] == [False, True]
    assert [one.is_flat for one in judge(samples(-40))] == [True, True]


def test_the_image_has_a_line_for_each_series(tmp_path: Path) -> None:
    draw(samples(10), tmp_path / "soak.svg")
    image = ET.parse(tmp_path / "soak.svg").getroot()
    lines = [one for one in image.iter() if one.tag.endswith("polyline")]
    assert [len(one.attrib["points"].split()) for one in lines] == [200, 200]
