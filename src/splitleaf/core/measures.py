"""Measurements of each image, from which drift is detected."""

from __future__ import annotations

from typing import Final

APPEARANCE: Final = (
    "brightness",
    "contrast",
    "redness",
    "blueness",
    "sharpness",
    "red_variety",
    "blue_variety",
)
"""Of the pixels that the version sees, 0 to 255; see `engine.appearance`."""
SKETCH: Final = ("feature_1", "feature_2", "feature_3")
"""The network's features along the three directions in which the reference images differ most."""
MEASURES: Final = (*APPEARANCE, "novelty", *SKETCH)
"""`novelty` is the distance from the reference images, 1 at the version's limit. Without features: no sketch."""
