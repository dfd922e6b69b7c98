"""A model card says what it must."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.metrics import evaluate
from training.model_card import write_card


def test_a_card_has_figures_with_intervals_attribution_and_the_warning(tmp_path: Path) -> None:
    logits = np.eye(3)[[0, 0, 1, 2, 0]] * 9.0
    measured = evaluate(logits, np.array([0, 0, 1, 1, 2]), ["Early_blight", "Leaf_Mold", "healthy"], 1.5)
    report = {
        "recipe": "v2",
        "seed": 1,
        "epochs": 3,
        "training_minutes": 1.5,
        "training_photos": 1234,
        "trained_with": "one core",
        "teachers": ["v2", "v3"],
        "parameters": 1000,
        "file_bytes": 5000,
        "side": 144,
        "temperature": 1.5,
        "held": measured,
        "test": measured,
    }
    write_card(tmp_path / "MODEL_CARD.md", "leaf.h5", report)
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "**This model does not work in the field.**" in card
    assert "CC BY-SA 3.0" in card
    assert "Hughes and M. Salathé" in card
    low, high = measured["accuracy_interval"]
    assert f"0.6000 (95 % interval {low:.4f} to {high:.4f}) on 5 photos" in card
    assert "| Leaf Mold | 0.500 |" in card
    assert "Leaf Mold taken for healthy (1)" in card
    assert ", seed 1, taught by v2 and v3 |" in card
    del report["test"]
    write_card(tmp_path / "MODEL_CARD.md", "leaf.h5", report)
    assert "not measured" in (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
