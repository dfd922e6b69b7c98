"""The backbone answers the same in PyTorch, ONNX and Keras; a run continues after an interruption as if there were none.

Needs the training environment, which CI does not have; see `training/README.md`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch", reason="needs the training environment")
backbone: Any = importlib.import_module("training.backbone")
chunks: Any = importlib.import_module("training.chunks")
fine_tuning: Any = importlib.import_module("training.fine_tuning")
frozen: Any = importlib.import_module("training.frozen")
keras_backbone: Any = importlib.import_module("training.keras_backbone")


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tuning, "STEPS", 2)
    monkeypatch.setattr(fine_tuning, "BATCH", 4)


@pytest.fixture(scope="module")
def network() -> Any:
    pretrained = backbone.Backbone(3)
    backbone.load_pretrained(pretrained)
    return pretrained.eval()


def chunk(number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    return {
        "features": rng.normal(0, 1, (6, 112, 14, 14)).astype(np.float16),
        "labels": rng.integers(0, 3, 6),
        "kinds": np.array([0, 1, 1, 2, 3, 1]),
        "taught": np.full((6, 2), 0.5, np.float32),
    }


def test_the_frozen_blocks_answer_in_onnx_as_in_pytorch(network: Any) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 3, 224, 224)).astype(np.float32)
    session = frozen.start(frozen.draw_lower(network, 3).SerializeToString(), 1)
    with torch.no_grad():
        expected = network.lower(torch.from_numpy(pixels), 3).numpy()
    np.testing.assert_allclose(session.run(None, {"pixels": pixels})[0], expected, atol=1e-3)


def test_a_folded_convolution_equals_a_convolution_with_normalisation() -> None:
    plain, norm = torch.nn.Conv2d(3, 5, 3, bias=False), torch.nn.BatchNorm2d(5, eps=backbone.EPSILON).eval()
    for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        value.data.uniform_(0.5, 2.0)
    state = {"c.weight": plain.weight} | {f"n.{name}": value for name, value in norm.state_dict().items()}
    folded = torch.nn.Conv2d(3, 5, 3)
    backbone.fold(folded, state, "c", "n")
    image = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(folded(image), norm(plain(image)), atol=1e-4, rtol=1e-4)


def test_the_keras_network_has_the_same_answers_or_is_refused(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keras_backbone.to_keras(network).output_shape == (None, 3)
    monkeypatch.setattr(keras_backbone, "CENTRE", 100.0)
    with pytest.raises(RuntimeError, match="answers differently"):
        keras_backbone.to_keras(network)


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    whole = fine_tuning.FineTuning(tmp_path / "whole", 3)
    cut = fine_tuning.FineTuning(tmp_path / "cut", 3)
    cut.train_on([chunk(0)], 1.0)
    cut.save()
    cut = fine_tuning.FineTuning(tmp_path / "cut", 3)
    for number in range(2):
        whole.train_on([chunk(0), chunk(1)][: number + 1], 1.0)
    cut.train_on([chunk(0), chunk(1)], 1.0)
    assert (whole.chunks, whole.step) == (cut.chunks, cut.step) == (2, 4)
    assert chunks.count_trained(tmp_path / "cut") == 1
    for left, right in zip(whole.average.parameters(), cut.average.parameters(), strict=True):
        # Dropout draws other numbers after a restart.
        torch.testing.assert_close(left, right, atol=0.01, rtol=0.01)


def test_frozen_blocks_do_not_change_and_the_others_do(tmp_path: Path, network: Any) -> None:
    tuning = fine_tuning.FineTuning(tmp_path, 3)
    tuning.train_on([chunk(0)], 1.0)
    for index, (mine, before) in enumerate(zip(tuning.network.blocks, network.blocks, strict=True)):
        is_same = torch.equal(mine.project.weight, before.project.weight)
        assert is_same == (index < chunks.DEPTH)
