"""Images whose answers are known, and the versions that give them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from tests.support.images import jpeg
from tests.support.repositories import LABELS, TELLS_COLOUR, add_version

_COLOURS: Final = [(120 + 7 * n % 23, 120 + 11 * n % 29, 120 + 5 * n % 17) for n in range(1, 40)]
COLOURS: Final = [one for one in _COLOURS if sorted(one)[2] - sorted(one)[1] > 2][:16]
"""Each has one channel that is the brightest, though not by much: so each is answered with a confidence of its own."""
IMAGES: Final = [jpeg(colour) for colour in COLOURS]
SHIFTS: Final = {"v1": 0, "v2": 1, "v3": 2}
"""Version -> how far its labels are from the truth: no two versions ever agree on an image."""


def add_versions(models: Path) -> None:
    """Write the versions, of which v1 is the champion."""
    for version, shift in SHIFTS.items():
        add_version(models, version, weights=np.roll(TELLS_COLOUR, shift, axis=1))
    (models / "repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")


def label_of(image: int, version: str) -> str:
    """Return what the version says of the image."""
    colour = COLOURS[image]
    return LABELS[(colour.index(max(colour)) + SHIFTS[version]) % len(LABELS)]
