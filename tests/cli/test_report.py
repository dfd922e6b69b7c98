"""`splitleaf report` on a database that a running system would have written."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from splitleaf.analysis.report import Report
from splitleaf.cli import app
from splitleaf.cli.report_text import print_report
from splitleaf.core.errors import ConfigurationError, NotFound
from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.outcomes.sql import SqlOutcomeStore
from tests.flows.golden import read_through
from tests.support.synthetic import Synthetic, World, plan_of, shadow_plan

GOLDEN = Path(__file__).parent / "golden/report.txt"


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["report", *words])


def write(folder: Path, **world: Any) -> Synthetic:
    folder.mkdir(exist_ok=True)
    store = SqlOutcomeStore(f"sqlite:///{folder / 'outcomes.sqlite3'}")
    store.migrate()
    experiment = Synthetic(plan_of(guardrails=[{"metric": "error_rate"}]), World(**world), store=store).run(900)
    store.close()
    return experiment


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data", error_rate={"v1": 0.15, "v2": 0.03})
    return tmp_path / "data"


def test_a_report_is_printed_with_its_verdict_and_what_to_do(data: Path) -> None:
    result = run("v2-against-v1", "--data", str(data))
    assert result.exit_code == 0
    assert "v2 is failing less often than v1." in result.stdout
    assert any(
        line.endswith("`splitleaf experiments promote v2-against-v1 candidate`.") for line in result.stdout.splitlines()
    )
    assert re.search(r"^  origin +API, units named +225 ", result.stdout, re.MULTILINE)


def test_json_is_the_record_that_the_admin_api_sends(data: Path) -> None:
    report = Report.model_validate(json.loads(run("v2-against-v1", "--data", str(data), "--json").stdout))
    assert report.statement.verdict == "better"
    assert sum(arm.images for arm in report.arms) == 900


def test_a_page_is_written_beside_one_line(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = run("v2-against-v1", "--data", str(data), "--html", str(page))
    assert result.stdout == f"v2 is failing less often than v1. The report is in {page}.\n"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_that_cannot_be_written_is_an_error(data: Path, tmp_path: Path) -> None:
    error = run("v2-against-v1", "--data", str(data), "--html", str(tmp_path / "no/such/folder.html")).exception
    assert isinstance(error, ConfigurationError)
    assert error.error_code == "file_unwritable"


def test_an_experiment_that_is_not_sound_has_a_status_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "data", lost={"candidate": 0.6})
    result = run("v2-against-v1", "--data", str(tmp_path / "data"))
    assert result.exit_code == 1
    assert "There is no conclusion about v2" in result.stdout


def test_an_unknown_experiment_is_an_error(data: Path) -> None:
    error = run("v9", "--data", str(data)).exception
    assert isinstance(error, NotFound)
    assert error.error_code == "experiment_not_found"


def test_eighty_columns_are_enough_for_segments_in_milliseconds() -> None:
    plan = plan_of(primary={"metric": "cost_ms", "direction": "decrease"})
    experiment = Synthetic(plan, World(cost_factor={"v1": 20, "v2": 60})).run(3000)
    lines = _text(judge_experiment(experiment.store, plan.key, experiment.clock)).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(re.match(r"  origin +/predict +750 +\+\d{3}.*\]$", line) for line in lines)


def test_eighty_columns_are_enough_for_every_line_but_one_that_holds_a_longer_command() -> None:
    version = "a-version-with-a-very-long-name-2026-05-04"
    plan = shadow_plan(shadows=[{"version": version}])
    world = World(accuracy={"v1": 0.86, version: 0.93}, labels_disagreements=True, audit=0.1)
    experiment = Synthetic(plan, world).run(800)
    lines = _text(judge_experiment(experiment.store, plan.key, experiment.clock)).splitlines()
    longer = [line for line in lines if len(line) > 80]
    assert longer == [f"        `splitleaf experiments promote v2-against-v1 {version}`."]


def test_the_text_stays_as_it_was_read_through() -> None:
    plan = shadow_plan(guardrails=[{"metric": "slow_rate"}])
    world = World(accuracy={"v1": 0.88, "v2": 0.94}, labels_disagreements=True, audit=0.05, cost_factor={"v2": 1.2})
    experiment = Synthetic(plan, world, seed=7).run(1200)
    text = _text(read_through(judge_experiment(experiment.store, plan.key, experiment.clock)))
    assert text == GOLDEN.read_text(encoding="utf-8")


def _text(report: Report) -> str:
    stream = io.StringIO()
    print_report(report, Console(width=80, highlight=False, file=stream))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())
