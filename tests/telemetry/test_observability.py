"""Rules, dashboards and the scrape configuration of `deploy/observability`, with a real Prometheus."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml

from splitleaf.telemetry.api_metrics import ApiMetrics
from splitleaf.telemetry.controller_metrics import ControllerMetrics
from splitleaf.telemetry.instruments import Instruments
from splitleaf.telemetry.worker_metrics import WorkerMetrics
from tests.support.images import GREEN, jpeg
from tests.system.running import RunningSystem
from tests.telemetry.prometheus import CONFIGURATION, Prometheus, program_or_skip, start_prometheus

GRAFANA = CONFIGURATION.parent / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
each_dashboard = pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: str(file.stem))


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_dashboards", GRAFANA / "make_dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def exported() -> set[str]:
    """Return the names of every series that some process of ours exports."""
    names: set[str] = set()
    for kind in (ApiMetrics, WorkerMetrics, ControllerMetrics):
        instruments = Instruments("m")
        kind(instruments)
        for family in instruments.registry.collect():
            suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
            names |= {family.name + suffix for suffix in suffixes}
    return names


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((CONFIGURATION / "alerts.yml").read_text())["groups"][0]["rules"]
    return found


def queries(file: Path) -> list[str]:
    panels = json.loads(file.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:splitleaf|process)_[a-z_]+", expression))


def test_the_alert_rules_pass_their_own_tests() -> None:
    program = program_or_skip("promtool")
    done = subprocess.run(
        [program, "test", "rules", "alerts_test.yml"], cwd=CONFIGURATION, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_and_says_what_to_do() -> None:
    tried = (CONFIGURATION / "alerts_test.yml").read_text()
    for rule in rules():
        assert rule["alert"] in tried or rule["labels"]["severity"] == "page", rule["alert"]
        assert rule["annotations"].keys() == {"summary", "action"}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_only_for_what_is_exported(rule: dict[str, Any]) -> None:
    assert names_in(rule["expr"])
    assert names_in(rule["expr"]) <= exported()


@each_dashboard
def test_a_dashboard_asks_only_for_what_is_exported(file: Path) -> None:
    asked = {name for query in queries(file) for name in names_in(query)}
    assert asked
    assert asked <= exported()


@each_dashboard
def test_a_dashboard_is_what_its_program_writes(file: Path) -> None:
    assert json.loads(file.read_text()) == maker().DASHBOARDS[file.name], "run make_dashboards.py"


@each_dashboard
def test_panels_have_numbers_of_their_own_and_do_not_overlap(file: Path) -> None:
    panels = json.loads(file.read_text())["panels"]
    numbers = [panel["id"] for panel in panels]
    assert len(set(numbers)) == len(numbers)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_the_programs_dashboards_are_all_there() -> None:
    assert set(maker().DASHBOARDS) == {file.name for file in DASHBOARDS}


@pytest.fixture(scope="module")
def prometheus(
    measured: RunningSystem, ports: tuple[int, int, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    running = start_prometheus(tmp_path_factory.mktemp("prometheus"), ports)
    running.wait_for(lambda: len(running.value("up == 1")) == 3)
    yield running
    running.stop()


@pytest.mark.slow
def test_prometheus_reads_all_processes_and_answers_what_the_dashboards_ask(
    prometheus: Prometheus, measured: RunningSystem
) -> None:
    # What there is nothing of: no trouble, and no experiment.
    absent = {"splitleaf_http_problems_total", "splitleaf_failures_total", "splitleaf_assignments_total"}
    absent |= {"splitleaf_fallbacks_total", "splitleaf_exposures_total"}
    asked = [query for file in DASHBOARDS for query in queries(file) if not names_in(query) & absent]
    assert len(asked) > 20

    def all_answer() -> bool:
        # A rate needs two readings of its process between which something happened.
        httpx.post(f"{measured.url}/predict", files={"file": jpeg(GREEN)}, timeout=30).raise_for_status()
        return all(prometheus.value(query) for query in asked)

    prometheus.wait_for(all_answer)
    rate = prometheus.value('sum(rate(splitleaf_outcomes_total{model="colours",version="v1"}[1m]))')
    assert float(rate[0]["value"][1]) > 0


@pytest.mark.slow
def test_no_alert_fires_on_a_system_that_is_well(prometheus: Prometheus) -> None:
    def evaluated() -> bool:
        found = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        assert len(found) == len(rules())
        return all(rule["health"] == "ok" for rule in found)

    prometheus.wait_for(evaluated)
    assert prometheus.value('ALERTS{alertstate="firing"}') == []
