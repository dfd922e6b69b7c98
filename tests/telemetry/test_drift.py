"""What the controller's metrics say of drift."""

from __future__ import annotations

from dataclasses import replace

from splitleaf.analysis.windows import MeasureDrift
from splitleaf.flows.watch_drift import DriftReport, DriftWindow
from splitleaf.telemetry.controller_metrics import ControllerMetrics
from splitleaf.telemetry.instruments import Instruments


def window(number: int, index: float) -> DriftWindow:
    return DriftWindow(number, 0, 1, (MeasureDrift("brightness", index, 0.25), MeasureDrift("label", 0.1, 0.4)))


REPORT = DriftReport("v1", "d" * 64, "train", 100, 500, 1_600, (window(1, 0.1), window(2, 0.5), window(3, 0.75)))


def series(instruments: Instruments) -> dict[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("splitleaf_drift_"), *list(sample.labels.values())[1:]): sample.value
        for family in instruments.registry.collect()
        for sample in family.samples
        if sample.name.startswith("splitleaf_drift_")
    }


def test_the_newest_window_is_told_by_measure_and_alarms_are_counted_from_it_back() -> None:
    instruments = Instruments("m")
    ControllerMetrics(instruments).watched([REPORT])
    assert series(instruments) == {
        ("ratio", "v1", "brightness"): 3,
        ("ratio", "v1", "label"): 0.25,
        ("alarms_in_a_row", "v1"): 2,
    }


def test_a_version_that_answers_no_more_is_forgotten() -> None:
    instruments = Instruments("m")
    metrics = ControllerMetrics(instruments)
    metrics.watched([REPORT, replace(REPORT, version="v2", windows=())])
    assert ("alarms_in_a_row", "v2") in series(instruments)
    metrics.watched([replace(REPORT, version="v2")])
    assert {labels[1] for labels in series(instruments)} == {"v2"}
    metrics.watched([])
    assert series(instruments) == {}
