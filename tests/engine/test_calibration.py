from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from splitleaf.engine.calibration import calibrate, entropy, softmax

logits = arrays(np.float32, (3, 5), elements=st.floats(-30, 30, width=32))


@given(logits, st.floats(0.1, 10))
def test_temperature_never_changes_the_order(values: np.ndarray, temperature: float) -> None:
    calibrated = calibrate(values, "logits", temperature)
    assert np.allclose(calibrated.sum(axis=1), 1)
    best = values.argmax(axis=1)
    # Not argmax against argmax: two logits may be so near that their probabilities are equal.
    assert np.allclose(calibrated[np.arange(3), best], calibrated.max(axis=1))


@given(arrays(np.float32, (3, 5), elements=st.floats(-8, 8, width=32)), st.floats(0.5, 4))
def test_probabilities_are_calibrated_as_the_logits_they_came_from(values: np.ndarray, temperature: float) -> None:
    through_probabilities = calibrate(
        softmax(values.astype(np.float64)).astype(np.float32), "probabilities", temperature
    )
    assert np.allclose(through_probabilities, calibrate(values, "logits", temperature), atol=1e-5)


def test_a_higher_temperature_is_less_confident() -> None:
    values = np.array([[0.9, 0.06, 0.04]], dtype=np.float32)
    assert calibrate(values, "probabilities", 2.0)[0, 0] < calibrate(values, "probabilities", 1.0)[0, 0]


def test_a_zero_probability_stays_finite() -> None:
    calibrated = calibrate(np.array([[1.0, 0.0]], dtype=np.float32), "probabilities", 1.7)
    assert np.isfinite(calibrated).all()
    assert calibrated[0, 0] > 0.999


def test_the_entropy_of_equal_chances_is_the_logarithm_of_their_number() -> None:
    assert entropy(np.full((1, 10), 0.1))[0] == pytest.approx(np.log(10))
