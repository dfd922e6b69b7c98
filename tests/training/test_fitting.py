"""The same seed gives the same weights, also after a cut; runs can be merged, taught and handed over.

Needs the training environment, which CI has not; `training/README.md` says how to run it there.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.recipes import Phase, Recipe

torch: Any = pytest.importorskip("torch", reason="needs the training environment")
fitting: Any = importlib.import_module("training.fitting")
images: Any = importlib.import_module("training.images")
train: Any = importlib.import_module("training.train")

RECIPE = Recipe(side=32, widths=(8, 12), blocks=(0, 1), phases=(Phase(16, 1, 0.5), Phase(32, 2, 0.3)), batch_size=16)
LARGER = Recipe(side=48, widths=(8, 16), blocks=(0, 1), phases=(Phase(32, 1),))


@pytest.fixture(autouse=True)
def _uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda network, **_: network)


def begin(folder: Path, seed: int = 1, teachers: Sequence[Any] = ()) -> Any:
    """Return a training in that folder, resumed where there is something to resume."""
    rng = np.random.default_rng(0)
    drawn, held = (
        images.Images(
            rng.integers(0, 256, (count, side, side, 4), dtype=np.uint8),
            rng.integers(0, 3, count),
            np.ones(count, np.float32),
        )
        for count, side in ((100, 48), (20, 32))
    )
    folder.mkdir(exist_ok=True)
    names = tuple(f"teacher{number}" for number, _ in enumerate(teachers))
    state = fitting.Fitting(fitting.Run(RECIPE, "small", 3, drawn, held, folder, tuple(teachers), names, seed))
    state.resume()
    return state


def weights(state: Any) -> list[float]:
    found: list[float] = torch.cat([value.flatten() for value in state.average.parameters()]).tolist()
    return found


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = begin(tmp_path / "whole")
    whole.fit(3)
    cut = begin(tmp_path / "cut")
    save = cut.save

    def save_and_stop() -> None:
        save()
        raise KeyboardInterrupt

    monkeypatch.setattr(cut, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(3)
    again = begin(tmp_path / "cut")
    assert again.epoch == 1
    again.fit(3)
    assert weights(again) == weights(whole)


def test_fewer_photos_than_a_batch_make_an_epoch(tmp_path: Path) -> None:
    state = begin(tmp_path / "few")
    state.run = replace(state.run, recipe=replace(RECIPE, batch_size=128))
    state.fit(1)
    assert (state.epoch, state.step) == (1, 1)


def test_two_runs_are_merged_where_they_are_equally_far(tmp_path: Path) -> None:
    one = begin(tmp_path / "one")
    one.fit(3)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    two = begin(tmp_path / "two", seed=2)
    two.fit(4)
    with pytest.raises(ValueError, match="two is at epoch 4, this run at 3"):
        one.merge(tmp_path / "two")
    one.fit(4)
    before = weights(one)
    one.merge(tmp_path / "two")
    assert weights(one) == pytest.approx((np.array(before) + np.array(weights(two))) / 2, abs=1e-6)
    assert begin(tmp_path / "one").merged_with == "two"


def test_teachers_change_what_is_learned_and_the_network_is_handed_over(tmp_path: Path) -> None:
    networks: Any = importlib.import_module("training.networks")
    keras_network: Any = importlib.import_module("training.keras_network")
    one, two = (networks.LeafNetwork(LARGER, 3).eval() for _ in range(2))
    alone = begin(tmp_path / "alone")
    taught = begin(tmp_path / "taught", teachers=[one])
    taught_by_two = begin(tmp_path / "taught_by_two", teachers=[one, two])
    learned = []
    for state in (alone, taught, taught_by_two):
        state.fit(1)
        learned.append(weights(state))
    assert learned[0] != learned[1] != learned[2]
    # Who taught stays known when it continues without them.
    again = begin(tmp_path / "taught_by_two")
    again.fit(2)
    assert again.taught_by == ["teacher0", "teacher1"]
    assert len(again.machines) == 1
    # It raises when Keras answers differently.
    handed = keras_network.to_keras(taught.settled(), 3)
    assert handed.output_shape == (None, 3)
    handed.save(tmp_path / "leaf.h5", include_optimizer=False)
    begun = begin(tmp_path / "begun")
    begun.begin_from(keras_network.from_keras(tmp_path / "leaf.h5", RECIPE, 3))
    assert weights(begun) == weights(taught)
    assert weights(begun) != weights(alone)


def test_images_and_their_labels_are_mixed_in_the_same_parts(tmp_path: Path) -> None:
    state = begin(tmp_path / "mixed")
    state.run = replace(state.run, recipe=replace(RECIPE, phases=(Phase(16, 1, mixed=0.5),)))
    images = torch.stack([torch.full((3, 4, 4), 0.0), torch.full((3, 4, 4), 200.0)])
    mixed, truth = state._mixed(images, torch.tensor([0, 2]))
    assert truth.sum(dim=1).tolist() == [1.0, 1.0]
    assert 0 < truth[0, 2] < 0.5 < truth[1, 2] < 1
    assert (mixed[:, 0, 0, 0] / 200).tolist() == pytest.approx(truth[:, 2].tolist())


def test_how_often_a_class_was_drawn_is_taken_out_of_the_answers(tmp_path: Path) -> None:
    run = begin(tmp_path / "uneven").run
    # Nine photos of the first class for each of the second: a class is drawn as the square root of its photos.
    run = replace(run, train=images.Images(run.train.pixels, np.repeat([0, 1, 2], [81, 9, 10]), run.train.shares))
    shares = fitting.draw_shares(run.train)
    assert shares[0] / shares[1] == pytest.approx(3.0)
    network = begin(tmp_path / "uneven").settled()
    before = network.condition.bias.clone()
    train.even_out(network, run)
    taken = (before - network.condition.bias) / torch.from_numpy(np.log(shares))
    assert taken[0] > 0
    assert taken.tolist() == pytest.approx([float(taken[0])] * 3, rel=1e-4)
