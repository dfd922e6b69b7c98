"""The figures of a model card are right."""

from __future__ import annotations

import numpy as np
import pytest

from splitleaf.importing.calibration import calibration_error as served_calibration_error
from splitleaf.importing.calibration import fit_temperature as served_fit
from training.metrics import abstention, calibration_error, evaluate, fit_temperature, reliability, softmax, wilson


def answers(seed: int = 1, photos: int = 2000, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are three times too large for how often they are right, and the truth."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (photos, classes))
    labels = np.array([rng.choice(classes, p=row) for row in softmax(logits)])
    return logits * 3, labels


def test_the_interval_is_wilsons() -> None:
    # Agresti & Coull 1998 and any statistics package: 9 of 10 -> 0.5958 to 0.9821.
    assert wilson(9, 10) == pytest.approx((0.5958, 0.9821), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(60, 60)[1] == pytest.approx(1.0)


def test_the_temperature_undoes_overconfidence() -> None:
    logits, labels = answers()
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(3.0, rel=0.1)
    assert calibration_error(softmax(logits / temperature), labels) < 0.3 * calibration_error(softmax(logits), labels)


def test_temperature_and_calibration_error_are_those_of_import() -> None:
    logits, labels = answers(seed=2)
    fit = served_fit(logits.astype(np.float32), labels, "logits")
    assert fit_temperature(logits, labels) == pytest.approx(fit.temperature, rel=0.006)
    plain = softmax(logits)
    # Ours rounds the bins to four digits for the plot.
    assert calibration_error(plain, labels) == pytest.approx(served_calibration_error(plain, labels), abs=1e-4)


def test_a_network_that_is_right_as_often_as_it_says_has_no_calibration_error() -> None:
    probabilities = np.tile([0.75, 0.25], (4, 1))
    assert calibration_error(probabilities, np.array([0, 0, 0, 1])) == 0.0
    assert reliability(probabilities, np.array([0, 0, 0, 1])) == [{"photos": 4, "confidence": 0.75, "accuracy": 0.75}]


def test_the_least_confident_go_first_where_answers_are_withheld() -> None:
    confidence = np.linspace(0.99, 0.6, 100)
    labels = np.zeros(100, np.int64)
    labels[90:] = 1  # the ten least confident answers are wrong
    rows = abstention(np.stack([confidence, 1 - confidence], axis=1), labels)
    assert [row["answered"] for row in (rows[0], rows[-1])] == [0.5, 1.0]
    assert [row["accuracy"] for row in rows if row["answered"] <= 0.9] == [1.0] * 41
    assert rows[-1] == {"answered": 1.0, "accuracy": 0.9, "confidence": 0.6}


def test_recall_and_confusion_count_by_true_class() -> None:
    logits = np.eye(3)[[0, 0, 1, 2, 0]] * 9.0
    result = evaluate(logits, np.array([0, 0, 1, 1, 2]), ["a", "b", "c"], 1.0)
    assert result["confusion"] == [[2, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert (result["right"], result["photos"], result["accuracy"]) == (3, 5, 0.6)
    assert [one["recall"] for one in result["recall"].values()] == [1.0, 0.5, 0.0]
    low, high = result["recall"]["b"]["interval"]
    assert low < 0.5 < high
