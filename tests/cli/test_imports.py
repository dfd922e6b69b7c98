"""`splitleaf models import` as a person and as a script use it; of ONNX files, which need no Keras."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from splitleaf.cli import app
from splitleaf.core.errors import ConfigurationError
from tests.importing.photos import picky_network


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models = tmp_path / "models"
    for version, content in {"v1": picky_network(), "v2": picky_network((1, 0, 2)), "v3": b""}.items():
        (models / version).mkdir(parents=True)
        (models / version / "leaf.onnx").write_bytes(content)
    (models / "repository.toml").write_text('schema = 1\nlabels = ["blue", "green", "red"]\n')
    monkeypatch.chdir(tmp_path)
    return models


def imported(*words: str) -> Result:
    return CliRunner().invoke(app, ["models", "import", *words])


def test_a_script_reads_one_document_of_all_bare_versions_and_what_was_refused_beside_it(models: Path) -> None:
    result = imported("--json")
    assert result.exit_code == 1
    reports = json.loads(result.stdout)
    assert {name: report["manifest"]["version"] for name, report in reports.items()} == {"v1": "v1", "v2": "v2"}
    assert result.stderr.startswith("v3: ")
    assert result.stderr.endswith("[source_empty]\n")
    (models / "v3/leaf.onnx").unlink()
    again = imported("--json")
    assert (again.exit_code, json.loads(again.stdout)) == (0, {})
    assert again.stderr.startswith("nothing to import")


def test_a_person_reads_a_page_for_each_version_and_the_refusals_last(models: Path) -> None:
    result = imported()
    assert [name for name in ("v1", "v2", "v3") if name in result.stdout] == ["v1", "v2"]
    assert "[source_empty]" in result.stderr


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("--version", "v1"), "file and --version"),
        (("models/v1/leaf.onnx",), "file and --version"),
        (("--replace",), "--replace"),
        (("--models", "nowhere"), "nowhere"),
    ],
)
def test_what_is_half_said_is_refused(models: Path, words: tuple[str, ...], wrong: str) -> None:
    error = imported(*words).exception
    assert isinstance(error, ConfigurationError)
    assert wrong in error.detail
    assert not (models / "v1/artifact").exists()
