from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from splitleaf.core.errors import InvalidArtifact
from splitleaf.core.measures import APPEARANCE, MEASURES
from splitleaf.core.prediction import MAP_SIDE, Certainty, Classification, LabelScore
from splitleaf.core.preprocessing import ColorOrder
from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.activation_map import ActivationMaps, MapAxis
from splitleaf.engine.appearance import measure_appearance
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.out_of_distribution import OutOfDistributionDetector, as_vectors
from tests.importing.photos import labelled_folder
from tests.support.insightful import import_insightful
from tests.support.tensors import BLUE, RED, plain


def shades(heat: bytes) -> np.ndarray:
    return np.frombuffer(heat, np.uint8).reshape(MAP_SIDE, MAP_SIDE)


def measured(pixels: np.ndarray, color: ColorOrder = ColorOrder.RGB) -> dict[str, float]:
    return dict(zip(APPEARANCE, measure_appearance(pixels, color), strict=True))


def evenly(rows: int, columns: int) -> tuple[MapAxis, MapAxis]:
    """Return the sides of a map whose places divide the image evenly."""
    return MapAxis(rows, 0.5 / rows, 1 / rows), MapAxis(columns, 0.5 / columns, 1 / columns)


def noise(low: int = 0, high: int = 256, side: int = 64) -> np.ndarray:
    return np.random.default_rng(1).integers(low, high, (side, side, 3)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(4, 4), (10, 10), (7, 9), (20, 20)])
def test_evidence_in_a_corner_is_hot_in_that_corner_whatever_the_maps_size(shape: tuple[int, int]) -> None:
    activations = np.zeros((1, 2, *shape), np.float32)
    activations[0, 0, 0, -1] = 3.0
    maps = ActivationMaps(np.array([[1, 0], [0, 1]], np.float32), evenly(*shape))
    (heat,) = maps.draw(activations.reshape(1, 2, -1), np.array([0]))
    assert shades(heat).max() == shades(heat)[0, -1] == 255
    assert not shades(heat)[MAP_SIDE // 2 :, : MAP_SIDE // 2].any()


def test_evidence_is_shown_where_its_place_looks() -> None:
    # The third of four places, which all look a tenth further down than an even division would have it.
    activations = np.zeros((1, 1, 4, 1), np.float32)
    activations[0, 0, 2] = 1.0
    rows = MapAxis(4, 0.125 + 0.1, 0.25)
    maps = ActivationMaps(np.array([[1, 0]], np.float32), (rows, MapAxis(1, 0.5, 1.0)))
    (heat,) = maps.draw(activations.reshape(1, 1, -1), np.array([0]))
    column = shades(heat)[:, 0].astype(float)
    cells = (np.arange(MAP_SIDE) + 0.5) / MAP_SIDE
    assert (column * cells).sum() / column.sum() == pytest.approx(0.625 + 0.1, abs=0.01)
    assert not column[:5].any()


def test_evidence_for_all_labels_alike_is_no_evidence() -> None:
    activations = np.full((1, 1, 9), 5.0, np.float32)
    maps = ActivationMaps(np.array([[2, 2, 2]], np.float32), evenly(3, 3))
    (heat,) = maps.draw(activations, np.array([1]))
    assert not any(heat)


def test_each_image_is_explained_for_its_own_label() -> None:
    activations = np.zeros((2, 2, 4), np.float32)
    activations[:, 0, 0], activations[:, 1, 3] = 1.0, 1.0
    maps = ActivationMaps(np.eye(2, dtype=np.float32), evenly(2, 2))
    first, second = maps.draw(activations, np.array([0, 1]))
    assert (shades(first)[0, 0], shades(first)[-1, -1]) == (255, 0)
    assert (shades(second)[0, 0], shades(second)[-1, -1]) == (0, 255)


def test_appearance_says_what_changed() -> None:
    before = measured(noise(60, 160))
    darker = measured((noise(60, 160) // 2).astype(np.uint8))
    assert darker["brightness"] == pytest.approx(before["brightness"] / 2, abs=1)
    assert darker["contrast"] < before["contrast"]
    blurred = measured(np.full((64, 64, 3), 110, np.uint8))
    assert blurred["sharpness"] < before["sharpness"]
    tinted = measured((noise(60, 160) * np.array([1.2, 1, 0.8])).astype(np.uint8))
    assert tinted["redness"] > before["redness"] + 10
    assert tinted["blueness"] < before["blueness"] - 10


def test_appearance_does_not_depend_on_the_order_of_the_channels() -> None:
    assert measured(noise()[:, :, ::-1], ColorOrder.BGR) == pytest.approx(measured(noise()))


def test_grey_images_have_no_colour() -> None:
    grey = measured(noise()[:, :, :1], ColorOrder.GRAY)
    assert [grey[name] for name in ("redness", "blueness", "red_variety", "blue_variety")] == [0, 0, 0, 0]


@pytest.mark.parametrize("side", [1, 2, 33, 224])
def test_images_of_any_size_can_be_measured(side: int) -> None:
    assert np.isfinite(measure_appearance(noise(side=side), ColorOrder.RGB)).all()


def test_novelty_is_the_distance_to_the_nearest_class_in_units_of_the_limit() -> None:
    means = np.zeros((2, 7))
    means[1] = 10
    weights = np.vstack([np.hstack([np.eye(7), means.T]), np.zeros((1, 9))]).astype(np.float32)
    rule = OutOfDistributionDetector(weights, (means**2).sum(axis=1).astype(np.float32), sketched=0, limit=4.0)
    appearance = np.zeros((3, 7), np.float32)
    appearance[1, 0], appearance[2] = 4.0, 10.0
    novelty, sketch = rule.score(as_vectors(None, appearance))
    assert novelty.tolist() == [0.0, 4.0, 0.0]
    assert sketch.shape == (3, 0)


def test_features_enter_by_their_roots_and_keep_their_signs() -> None:
    vectors = as_vectors(np.array([[4, -9, 0]], np.float32), np.full((1, 7), 5, np.float32))
    assert vectors[0].tolist() == [2, -3, 0, *[5] * 7, 1]


def test_an_answer_brings_its_heat_and_measures(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 40))
    classifier = load_classifier(folder)
    pixels = np.full((16, 16, 3), 95, np.uint8) + noise(0, 30, 16)
    pixels[:8, :, 2] += 100
    (answer,) = classifier.classify([ImageTensor((16, 16, 3), "uint8", pixels.tobytes())]).classifications
    assert answer.best.label == "blue"
    assert shades(answer.heat)[0].min() > shades(answer.heat)[-1].max(), "the upper half is blue"
    assert len(answer.measures) == len(MEASURES)
    assert answer.measures[0] == pytest.approx(pixels.mean(), abs=4)


def test_an_image_of_another_kind_gets_no_sure_answer_however_confident_the_network_is(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 40))
    classifier = load_classifier(folder)
    (answer,) = classifier.classify([plain(BLUE)]).classifications
    assert answer.best.confidence > 0.9
    assert (answer.is_sure, answer.is_familiar, answer.verdict) == (False, False, Certainty.UNFAMILIAR)


def test_batches_and_single_images_are_judged_alike(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 40))
    classifier = load_classifier(folder)
    tensors = [ImageTensor((16, 16, 3), "uint8", noise(0, high, 16).tobytes()) for high in (90, 150, 200, 256)]
    together = classifier.classify(tensors).classifications
    alone = [classifier.classify([one]).classifications[0] for one in tensors]
    for one, other in zip(together, alone, strict=True):
        assert one.is_familiar == other.is_familiar
        assert np.abs(shades(one.heat).astype(int) - shades(other.heat)).max() <= 1
        assert one.measures == pytest.approx(other.measures, rel=1e-4, abs=1e-4)


def test_without_reference_images_everything_is_familiar(tmp_path: Path) -> None:
    classifier = load_classifier(import_insightful(tmp_path, reference=None))
    (answer,) = classifier.classify([plain(RED)]).classifications
    assert (answer.is_familiar, answer.measures) == (True, ())
    assert len(answer.heat) == MAP_SIDE**2


def test_a_file_that_is_not_the_imported_one_is_refused(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, reference=None)
    (folder / "artifact/insight.npz").write_bytes(b"another")
    with pytest.raises(InvalidArtifact, match="is not the file that was imported"):
        load_classifier(folder)


def test_the_verdict_follows_from_what_is_known() -> None:
    answer = Classification((LabelScore("a", "A", 0.9),), 0.1, is_sure=True)
    assert answer.verdict is Certainty.SURE
    assert replace(answer, is_sure=False).verdict is Certainty.UNSURE
    assert replace(answer, is_sure=False, is_familiar=False).verdict is Certainty.UNFAMILIAR
