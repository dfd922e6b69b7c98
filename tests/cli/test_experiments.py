"""Experiments on the command line, as far as no running system is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from splitleaf.cli import app
from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import Conflict, DependencyDown, NotFound, SplitleafError, Unprocessable
from splitleaf.flows.run_experiment import ChangeRequest, start_experiment
from splitleaf.outcomes.sql import SqlOutcomeStore
from tests.experiments.plans import WRITTEN
from tests.support.repositories import add_version


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for version in ("v1", "v2", "v3"):
        add_version(tmp_path / "models", version)
    (tmp_path / "plan.toml").write_text(WRITTEN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["experiments", *words])


def said(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def refused(kind: type[SplitleafError], code: str, *words: str) -> SplitleafError:
    error = run(*words).exception
    assert isinstance(error, kind)
    assert error.error_code == code
    return error


def test_a_plan_becomes_a_draft_that_is_listed_and_shown(place: Path) -> None:
    assert said("list") == "there are no experiments"
    line = "v2-against-v1: draft  (ab: control v1, candidate v2; shadows v3)"
    assert said("create", "plan.toml", "--why", "a look") == line
    assert said("list") == line
    assert [one["state"] for one in json.loads(said("list", "--json"))] == ["draft"]
    shown = json.loads(said("show", "v2-against-v1", "--json"))
    assert shown["experiment"]["plan"]["variants"]["candidate"] == {"version": "v2", "share": 50}
    assert [(one["action"], one["reason"]) for one in shown["audit"]] == [("create", "a look")]
    assert shown["revisions"] == shown["exposures"] == []
    told = said("show", "v2-against-v1").splitlines()
    assert told[:2] == [line, "v2 is right more often, also on images from the field"]
    assert told[-1].endswith("a look")


def test_every_command_can_answer_in_json(place: Path) -> None:
    made = json.loads(said("create", "plan.toml", "--json"))
    assert (made["key"], made["state"], made["sequence"]) == ("v2-against-v1", "draft", 1)
    (place / "plan.toml").write_text(WRITTEN.replace("alpha = 0.05", "alpha = 0.02"), encoding="utf-8")
    assert json.loads(said("edit", "plan.toml", "--json"))["plan"]["alpha"] == 0.02
    assert json.loads(said("reject", "v2-against-v1", "--json"))["state"] == "rejected"


def test_a_plan_that_makes_no_sense_names_its_entries(place: Path) -> None:
    (place / "plan.toml").write_text(WRITTEN.replace('"ab"', '"abc"').replace("share = 1\n", "share = 0\n"))
    error = refused(Unprocessable, "invalid_plan", "create", "plan.toml")
    assert "mode: " in error.detail
    assert "ramp[0].share: " in error.detail
    refused(NotFound, "file_unreadable", "create", "nowhere.toml")
    (place / "plan.toml").write_bytes(b"\xff\xfe")
    refused(NotFound, "file_unreadable", "create", "plan.toml")


def test_what_does_not_follow_is_refused(place: Path) -> None:
    said("create", "plan.toml")
    refused(Conflict, "experiment_exists", "create", "plan.toml")
    refused(Conflict, "transition_refused", "stop", "v2-against-v1")
    refused(Conflict, "transition_refused", "ramp", "v2-against-v1")
    refused(Conflict, "transition_refused", "promote", "v2-against-v1", "candidate", "--against-evidence")
    refused(NotFound, "experiment_not_found", "show", "other")
    assert run("ramp", "v2-against-v1", "candidate=5", "--stage", "1").exit_code == 2
    assert run("ramp", "v2-against-v1", "candidate").exit_code == 2


def test_a_promotion_that_was_taken_back_is_told_as_past(place: Path) -> None:
    said("create", "plan.toml")
    (database,) = place.rglob("*.sqlite3")
    store, by, clock = SqlOutcomeStore(f"sqlite:///{database}"), ChangeRequest("ann", "to see"), SystemClock()
    start_experiment(store, "v2-against-v1", {"v1", "v2", "v3"}, by, clock)
    store.close()
    said("stop", "v2-against-v1")
    promotion = ("promote", "v2-against-v1", "candidate")
    assert "There is not enough data yet" in refused(Conflict, "against_evidence", *promotion).detail
    refused(Unprocessable, "reason_missing", *promotion, "--against-evidence")
    told = said(*promotion, "--against-evidence", "--why", "it is cheaper")
    assert told.startswith("verdict not_enough_data: There is not enough data yet to compare v2 with v1.\n")
    assert "promoted, revision 1, candidate won" in told
    assert "promote  by" in said("show", "v2-against-v1")
    assert "rolled_back, revision 1, candidate had won" in said("rollback", "v2-against-v1")


def test_without_a_running_system_nothing_starts(place: Path) -> None:
    said("create", "plan.toml")
    error = refused(DependencyDown, "server_unreachable", "start", "v2-against-v1")
    assert "splitleaf up" in error.detail
    refused(NotFound, "experiment_not_found", "start", "other")
    assert said("list").startswith("v2-against-v1: draft")


def test_the_size_of_an_experiment_is_said_for_both_kinds(place: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/experiments.md").read_text(encoding="utf-8")
    shown = page.split("$ splitleaf experiments size 0.9 0.02 --per-day 500\n")[1].split("```")[0].strip()
    assert said("size", "0.9", "0.02", "--per-day", "500") == shown
    sizes = json.loads(said("size", "0.9", "0.02", "--json"))
    assert sizes["images_per_day"] == 0
    assert sizes["shadow"]["days"] is None
    noisy = json.loads(said("size", "0.9", "0.02", "--mistaken", "0.1", "--json"))
    for kind in ("live", "shadow"):
        assert abs(noisy[kind]["labels"] - sizes[kind]["labels"] / 0.64) < 2
    assert noisy["alike"] == sizes["alike"], "that wants no label"
    assert sizes["live"]["images"] > 5 * sizes["shadow"]["images"]
    for wrong in (
        ("0.99", "0.02"),
        ("0.9", "0"),
        ("nan", "0.02"),
        ("0.9", "0.02", "--discordance", "0.01"),
        ("0.9", "0.02", "--mistaken", "0.5"),
        ("0.9", "0.02", "--share", "1"),
        ("0.9", "0.02", "--alpha", "0"),
        ("0.9", "0.02", "--power", "1"),
        ("0.9", "0.02", "--per-day", "nan"),
    ):
        refused(Unprocessable, "invalid_question", "size", *wrong)
