"""Ids, times and errors."""

from __future__ import annotations

from datetime import UTC

from splitleaf.core.clock import SystemClock, as_rfc3339, as_utc
from splitleaf.core.errors import NoModelReady, Overloaded, SplitleafError
from splitleaf.core.ids import idempotent_prediction_id, is_prediction_id, new_prediction_id
from splitleaf.core.prediction import PredictionStatus


def test_ids_are_unlike_each_other_and_of_one_form() -> None:
    ids = {new_prediction_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(is_prediction_id(one) for one in ids)


def test_the_same_key_of_the_same_client_is_the_same_id_that_looks_like_any_other() -> None:
    assert idempotent_prediction_id("unit", "key") == idempotent_prediction_id("unit", "key")
    assert is_prediction_id(idempotent_prediction_id("unit", "key"))
    assert idempotent_prediction_id("unit", "key") != idempotent_prediction_id("other", "key")
    # The border between scope and key cannot be shifted.
    assert idempotent_prediction_id("a:b", "c") != idempotent_prediction_id("a", "b:c")


def test_other_texts_are_no_ids() -> None:
    good = new_prediction_id()
    assert not any(map(is_prediction_id, ("", good[:-1], good + "a", good.upper(), good[:-1] + "1", good + "\n")))


def test_times_are_in_utc_with_milliseconds() -> None:
    assert as_rfc3339(1_750_000_000_007) == "2025-06-15T15:06:40.007Z"
    assert as_utc(0).tzinfo is UTC
    clock = SystemClock()
    assert abs(as_utc(clock.now_ms()).timestamp() * 1000 - clock.now_ms()) < 1_000


def test_an_error_says_its_first_sentence_unless_told_otherwise() -> None:
    assert NoModelReady().detail == "No model is ready at the moment. Please try again shortly."
    narrowed = SplitleafError("why", code="narrow", version="v1")
    assert (narrowed.detail, narrowed.error_code, narrowed.context) == ("why", "narrow", {"version": "v1"})
    assert SplitleafError.code == "internal_error"
    assert Overloaded(retry_after_s=2.5).retry_after_s == 2.5


def test_a_final_state_is_one_of_four() -> None:
    assert [one.value for one in PredictionStatus if one.is_final] == ["succeeded", "failed", "canceled", "expired"]
