"""Schedules of training."""

from __future__ import annotations

import pytest

from training.recipes import MORE, RECIPES, Phase, Recipe, learning_rate_at

RECIPE = Recipe(side=32, widths=(8,), blocks=(0,), phases=(Phase(16, 2), Phase(32, 3, 0.5)), learning_rate=0.1)


def test_phases_follow_each_other_and_the_last_goes_on() -> None:
    assert [RECIPE.phase_of(epoch).side for epoch in range(7)] == [16, 16, 32, 32, 32, 32, 32]
    assert RECIPE.epochs == 5


@pytest.mark.parametrize("epochs", [1, 4, 5, 12, 500])
def test_phases_stretch_to_any_number_of_epochs(epochs: int) -> None:
    stretched = RECIPE.stretched(epochs)
    assert stretched.epochs == epochs
    assert stretched.phases[0].epochs == pytest.approx(epochs * 2 / 5, abs=0.5)


def test_a_recipe_is_weakened_without_another_change() -> None:
    weak = RECIPE.weakened(0.5)
    assert [phase.strength for phase in weak.phases] == [0.5, 0.25]
    assert [(phase.side, phase.epochs) for phase in weak.phases] == [(16, 2), (32, 3)]


def test_the_rate_rises_then_falls_to_a_hundredth() -> None:
    rates = [learning_rate_at(step / 1000, 1.0) for step in range(1001)]
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)


def test_added_epochs_have_a_schedule_of_their_own() -> None:
    assert RECIPE.rate(4.99, 5) < 0.01 * 0.1 * 2
    added = [RECIPE.rate(5 + step / 10, 10) for step in range(50)]
    assert max(added) == pytest.approx(0.1 * MORE, rel=0.02)
    assert added[-1] < 0.1 * MORE * 0.03


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_side_can_be_halved_by_every_stage(name: str) -> None:
    # An odd side would be padded in another way by Keras than by PyTorch.
    recipe = RECIPES[name]
    for side in (recipe.side, *(phase.side for phase in recipe.phases)):
        assert side % 2 ** len(recipe.widths) == 0
