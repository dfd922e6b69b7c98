"""The simulation's versions: real networks, with real faults that no import notices."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import pytest

from splitleaf.core.errors import EngineFailed
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.images.decoded import decode_image
from splitleaf.registry.catalogue import Catalogue
from splitleaf.simulation.leaves import LABELS, draw_leaf
from splitleaf.simulation.networks import ERROR_SHARE, Fault, fit, write_network
from splitleaf.simulation.versions import CANDIDATE, CONTROL, make_repository
from tests.simulation.pixels import SPEC, as_array


@pytest.fixture(scope="module")
def training_set() -> tuple[np.ndarray, list[str]]:
    return leaves(1, 300)


def leaves(seed: int, count: int, darkness: float = 0.0) -> tuple[np.ndarray, list[str]]:
    drawn = [draw_leaf(seed, number, darkness) for number in range(count)]
    pixels = [as_array(decode_image(leaf.jpeg, [SPEC]).tensors[0]) for leaf in drawn]
    return np.stack(pixels).astype(np.float64), [leaf.truth for leaf in drawn]


def accuracy(network: bytes, images: np.ndarray, true_labels: list[str]) -> float:
    answers = OnnxRuntime(network).run(images.astype(np.float32))
    return float(
        np.mean([LABELS[best] == truth for best, truth in zip(answers.argmax(axis=1), true_labels, strict=True)])
    )


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("is_relative", [False, True])
def test_what_is_written_is_onnx(training_set: tuple[np.ndarray, list[str]], fault: Fault, is_relative: bool) -> None:
    network = write_network(fit(*training_set, is_relative=is_relative), fault)
    onnx.checker.check_model(onnx.load_from_string(network), full_check=True)


def test_one_sees_through_bad_light_and_the_other_does_not(training_set: tuple[np.ndarray, list[str]]) -> None:
    plain, clever = (write_network(fit(*training_set, is_relative=is_relative)) for is_relative in (False, True))
    day, dusk = leaves(2, 400), leaves(3, 400, darkness=1.0)
    assert 0.65 < accuracy(plain, *day) < 0.85
    assert accuracy(clever, *day) > 0.87
    assert accuracy(plain, *dusk) < 0.65
    assert accuracy(clever, *dusk) > 0.87


def test_a_network_with_mixed_up_labels_is_nearly_always_wrong(training_set: tuple[np.ndarray, list[str]]) -> None:
    assert accuracy(write_network(fit(*training_set, is_relative=True), Fault.WRONG), *leaves(2, 200)) < 0.1


def test_a_failing_network_fails_on_most_leaves_and_on_nothing_else(training_set: tuple[np.ndarray, list[str]]) -> None:
    runtime = OnnxRuntime(write_network(fit(*training_set, is_relative=True), Fault.ERRORS))
    images, _ = leaves(2, 200)
    failed = 0
    for image in images.astype(np.float32):
        try:
            runtime.run(image[None])
        except EngineFailed:
            failed += 1
    assert failed / 200 == pytest.approx(ERROR_SHARE, abs=0.1)
    assert runtime.run(np.zeros((2, *SPEC.shape), dtype=np.float32)).shape == (2, len(LABELS))


def test_a_slow_network_takes_longer_for_leaves_alone(training_set: tuple[np.ndarray, list[str]]) -> None:
    """By the processor's time: the machine may be busy."""
    runtime = OnnxRuntime(write_network(fit(*training_set, is_relative=True), Fault.SLOW))
    leaf, nothing = leaves(2, 1)[0].astype(np.float32), np.zeros((1, *SPEC.shape), dtype=np.float32)

    def cost_s(image: np.ndarray) -> float:
        began = time.process_time()
        runtime.run(image)
        return time.process_time() - began

    cost_s(nothing)
    assert cost_s(leaf) > 20 * cost_s(nothing)


@pytest.mark.parametrize("fault", list(Fault))
def test_every_version_passes_the_import_and_the_check_at_its_loading(tmp_path: Path, fault: Fault) -> None:
    make_repository(tmp_path, fault)
    for one in Catalogue(tmp_path).scan():
        assert (one.state, one.problem) == ("imported", "")
        assert load_classifier(one.folder).version in (CONTROL, CANDIDATE)


def test_a_leaf_is_the_same_whoever_draws_it() -> None:
    assert draw_leaf(1, 5) == draw_leaf(1, 5)
    assert len({draw_leaf(seed, number).jpeg for seed in (1, 2) for number in range(20)}) == 40
    assert {draw_leaf(1, number).truth for number in range(40)} == set(LABELS)
