"""What a small version saw and answered, as it is recorded."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.classifier import Classifier
from splitleaf.outcomes.events import Outcome
from tests.importing.photos import NAMES
from tests.outcomes.facts import outcome


def photo(rng: np.random.Generator, light: float = 1.0) -> ImageTensor:
    """What `labelled_folder` draws, at the size that the network sees."""
    pixels = rng.integers(60, 130, (48, 48, 3))
    pixels[..., rng.integers(0, len(NAMES))] += 100
    small = Image.fromarray((pixels * light).astype(np.uint8)).resize((16, 16), Image.Resampling.BILINEAR)
    return ImageTensor((16, 16, 3), "uint8", small.tobytes())


def answered(classifier: Classifier, rng: np.random.Generator, count: int, light: float = 1.0) -> list[Outcome]:
    facts = []
    for _ in range(count):
        (said,) = classifier.classify([photo(rng, light)]).classifications
        measures, best = json.dumps(said.measures), said.best
        facts.append(
            outcome(
                served_digest=classifier.digest,
                label=best.label,
                confidence=best.confidence,
                measures=measures,
                heat="",
            )
        )
    return facts
