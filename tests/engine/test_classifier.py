from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from splitleaf.core.errors import EngineFailed
from splitleaf.core.prediction import Certainty
from splitleaf.core.preprocessing import InputSpec, Normalization, ResizeFilter
from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.normalization import to_batch
from tests.support.repositories import add_version
from tests.support.tensors import BLUE, GREEN, RED, plain


def test_each_image_gets_its_own_answer_in_order(tmp_path: Path) -> None:
    classifier = load_classifier(add_version(tmp_path, "v1"))
    result = classifier.classify([plain(GREEN), plain(RED), plain(BLUE)])
    assert [one.best.label for one in result.classifications] == ["green", "red", "blue"]
    assert all(one.best.confidence > 0.99 for one in result.classifications)
    assert [score.confidence for score in result.classifications[0].top] == sorted(
        (score.confidence for score in result.classifications[0].top), reverse=True
    )


def test_batches_and_single_images_are_answered_alike(tmp_path: Path) -> None:
    classifier = load_classifier(add_version(tmp_path, "v1", temperature=3.0))
    rng = np.random.default_rng(1)
    images = [
        ImageTensor((16, 16, 3), "uint8", rng.integers(0, 256, (16, 16, 3), np.uint8).tobytes()) for _ in range(8)
    ]
    together = classifier.classify(images).classifications
    alone = [classifier.classify([image]).classifications[0] for image in images]
    for one, other in zip(together, alone, strict=True):
        assert one.best.label == other.best.label
        assert one.best.confidence == pytest.approx(other.best.confidence, abs=1e-6)


def test_logits_are_turned_into_probabilities(tmp_path: Path) -> None:
    classifier = load_classifier(add_version(tmp_path, "v1", softmax=False))
    (answer,) = classifier.classify([plain(BLUE)]).classifications
    assert sum(score.confidence for score in answer.top) == pytest.approx(1)


def test_an_unsure_answer_is_marked(tmp_path: Path) -> None:
    classifier = load_classifier(add_version(tmp_path, "v1", weights=np.zeros((3, 3)) + 1e-9))
    (answer,) = classifier.classify([plain(RED)]).classifications
    assert not answer.is_sure
    assert answer.entropy == pytest.approx(np.log(3), abs=1e-3)


def test_an_image_that_the_other_output_wins_is_unfamiliar_and_gets_a_condition_second(tmp_path: Path) -> None:
    classifier = load_classifier(add_version(tmp_path, "v1", other_label="green"))
    green, red = classifier.classify([plain(GREEN), plain(RED)]).classifications
    assert (green.verdict, red.verdict) == (Certainty.UNFAMILIAR, Certainty.SURE)
    assert {score.label for score in green.top} == {score.label for score in red.top} == {"red", "blue"}
    assert green.best.confidence < 0.01


def test_what_the_other_output_gets_is_missing_from_the_confidence(tmp_path: Path) -> None:
    weights = np.array([[0.02, 0.0, 0.02], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    classifier = load_classifier(add_version(tmp_path, "v1", weights=weights, other_label="blue"))
    (answer,) = classifier.classify([plain(RED)]).classifications
    assert answer.best.label == "red"
    assert answer.best.confidence < 0.5
    assert not answer.is_sure


@pytest.mark.parametrize(
    "tensor",
    [
        plain(RED, side=8),
        ImageTensor((16, 16, 3), "float32", bytes(16 * 16 * 3 * 4)),
        ImageTensor((16, 16, 3), "uint8", b"short"),
    ],
)
def test_an_image_prepared_for_another_manifest_is_refused(tmp_path: Path, tensor: ImageTensor) -> None:
    classifier = load_classifier(add_version(tmp_path, "v1"))
    with pytest.raises(EngineFailed):
        classifier.classify([tensor])


def test_a_network_that_answers_nonsense_is_an_error_not_an_answer(tmp_path: Path) -> None:
    class Broken:
        def run(self, batch: np.ndarray) -> np.ndarray:
            return np.full((len(batch), 3), np.nan, dtype=np.float32)

        def run_with(self, batch: np.ndarray, outputs: Sequence[str]) -> tuple[np.ndarray, ...]:
            raise AssertionError(outputs)

    classifier = load_classifier(add_version(tmp_path, "v1"))
    classifier._runtime = Broken()
    with pytest.raises(EngineFailed, match="not finite"):
        classifier.classify([plain(RED)])


def test_normalization_is_scale_then_mean_then_std() -> None:
    spec = InputSpec(1, 1, resize=ResizeFilter.TF_BILINEAR)
    tensor = ImageTensor((1, 1, 3), "float32", np.array([255, 127.5, 0], dtype="<f4").tobytes())
    batch = to_batch([tensor], spec, Normalization(1 / 255, (0.5, 0.5, 0.25), (0.5, 0.25, 0.5)))
    assert batch[0, 0, 0] == pytest.approx([1.0, 0.0, -0.5])
