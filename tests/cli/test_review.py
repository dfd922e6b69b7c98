"""Labels in a terminal: given, contradicted, settled, and undone; no running system is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from splitleaf.cli import app
from splitleaf.cli.options import open_installation
from splitleaf.core.errors import Conflict, NotFound, SplitleafError, Unprocessable
from splitleaf.core.ids import new_prediction_id
from tests.outcomes.facts import outcome
from tests.support.repositories import add_version


@pytest.fixture
def item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return an image that no experiment has, and that v1 called red."""
    add_version(tmp_path / "models", "v1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "ann")
    monkeypatch.setenv("LOGNAME", "ann")
    top = (("red", "Red", 0.6), ("blue", "Blue", 0.3), ("green", "Green", 0.1))
    made = outcome(prediction_id=new_prediction_id(), experiment="", variant="", label="red", top=top)
    with open_installation(None, None) as here:
        here.store.record_outcomes([made])
    return made.prediction_id


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["review", *words])


def said(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def refused(kind: type[SplitleafError], code: str, *words: str) -> None:
    error = run(*words).exception
    assert isinstance(error, kind)
    assert error.error_code == code


def disputes() -> list[dict[str, Any]]:
    return list(json.loads(said("disputes", "--json")))


def contradict(item: str) -> None:
    said("label", item, "red", "--expert", "ben")
    said("label", item, "green", "--expert", "cid")


def test_labels_that_contradict_each_other_are_listed_with_their_authors(item: str) -> None:
    assert said("disputes") == "no labels contradict each other"
    assert said("label", item, "red", "--expert", "ben") == f"{item}: red"
    assert disputes() == [], "one label contradicts nothing"
    said("label", item, "green", "--expert", "cid")
    assert said("disputes") == f"{item}  ben (expert) red, cid (expert) green"
    (found,) = disputes()
    assert found["id"] == item
    assert [(one["author"], one["source"], one["label"]) for one in found["words"]] == [
        ("ben", "expert", "red"),
        ("cid", "expert", "green"),
    ]
    refused(NotFound, "experiment_not_found", "disputes", "--experiment", "nothing")


def test_a_label_that_is_undone_no_longer_contradicts(item: str) -> None:
    contradict(item)
    assert said("undo", item, "--expert", "cid").startswith(f"{item}  ")
    assert disputes() == []
    refused(Conflict, "nothing_to_undo", "undo", item, "--expert", "cid")
    said("label", item, "--skip", "--expert", "cid")
    task = json.loads(said("undo", item, "--expert", "cid", "--json"))
    assert (task["id"], sorted(task["candidates"])) == (item, ["blue", "green", "red"])


def test_a_decision_ends_a_dispute_and_its_undoing_opens_it_again(item: str) -> None:
    contradict(item)
    assert said("settle", item, "green") == f"{item}: settled as green"
    assert disputes() == []
    refused(Conflict, "nothing_to_undo", "settle", item, "--undo", "--expert", "somebody-else")
    refused(Conflict, "nothing_to_undo", "undo", item)
    said_of = f"{item}  ben (expert) red, cid (expert) green"
    assert said("settle", item, "--undo") == f"decision undone; current labels: {said_of}"
    assert said("disputes") == said_of
    refused(Conflict, "nothing_to_undo", "settle", item, "--undo")
    with open_installation(None, None) as here:
        assert len(here.store.feedback(item)) == 4, "nothing is deleted"


def test_without_any_other_label_an_undone_decision_leaves_none(item: str) -> None:
    said("settle", item, "green", "--expert", "head")
    assert said("settle", item, "--undo", "--expert", "head") == f"decision undone; current labels: {item}  none"


def test_what_cannot_be_settled_is_refused(item: str) -> None:
    refused(Unprocessable, "unknown_label", "settle", item, "rust")
    refused(NotFound, "prediction_not_found", "settle", "nothing", "red")
    refused(NotFound, "prediction_not_found", "settle", new_prediction_id(), "--undo")
    assert run("settle", item).exit_code == 2, "neither a label nor --undo"
    assert run("settle", item, "red", "--undo").exit_code == 2
