"""Commands that need no running system, through the real program's parser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from splitleaf.cli import app
from splitleaf.core.errors import ConfigurationError, NotFound
from tests.support.repositories import add_version


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    add_version(tmp_path / "models", "v1")
    add_version(tmp_path / "models", "v2")
    (tmp_path / "models/repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def said(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_versions_are_listed_shown_and_verified(place: Path) -> None:
    assert [one["version"] for one in json.loads(said("models", "list", "--json"))] == ["v1", "v2"]
    assert "not measured" in said("models", "list")
    assert 'version = "v2"' in said("models", "show", "v2")
    assert said("models", "verify") == "v1: ok\nv2: ok"
    (place / "models/v2/artifact/model.onnx").write_bytes(b"no")
    broken = run("models", "verify", "--json")
    assert broken.exit_code == 1
    assert [bool(one["problem"]) for one in json.loads(broken.stdout)] == [False, True]


def test_an_alias_moves_and_the_first_move_can_be_undone(place: Path) -> None:
    assert said("models", "alias", "champion") == "champion: v1"
    assert said("models", "alias", "champion", "v2", "--why", "better") == "champion: v1 -> v2"
    assert said("models", "alias", "champion", "--rollback") == "champion: v2 -> v1"
    assert said("models", "alias", "champion") == "champion: v1"
    assert [one["version"] for one in json.loads(said("models", "history", "--json"))] == ["v1", "v2"]
    assert said("models", "history").splitlines()[1].endswith("  better")


def test_a_split_is_set_shown_ended_and_remembered(place: Path) -> None:
    assert said("routing", "show") == "no split is active; the champion v1 answers all images"
    assert said("routing", "set", "v1=90%", "v2=10") == "revision 1 is active: v1 90 %, v2 10 %"
    assert json.loads(said("routing", "show", "--json")) == {"champion": "v1", "shares": {"v1": 90.0, "v2": 10.0}}
    assert said("routing", "clear").startswith("the split has ended")
    assert said("routing", "clear") == "no split was active"
    assert [one["shares"] for one in json.loads(said("routing", "history", "--json"))] == [{}, {"v1": 90, "v2": 10}]


def test_a_change_on_a_data_folder_that_nothing_uses_says_so(place: Path) -> None:
    told = run("routing", "set", "v1=100", "--data", "elsewhere").stderr
    assert "nothing runs on" in told
    assert "elsewhere" in told
    assert said("routing", "show").startswith("no split")


@pytest.mark.parametrize("share", ["v1", "v1=abc", "v1=nan", "v1=inf", "=100", "v1=50 v1=50"])
def test_shares_that_cannot_be_read_are_wrong_usage(place: Path, share: str) -> None:
    assert run("routing", "set", *share.split()).exit_code == 2


@pytest.mark.parametrize("words", [("models", "alias", "champion", "v9"), ("routing", "set", "v9=100")])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(place: Path, words: tuple[str, ...]) -> None:
    error = run(*words).exception
    assert isinstance(error, NotFound)
    assert error.detail.endswith("it has v1, v2")


def test_a_folder_with_one_version_needs_no_repository_file(place: Path) -> None:
    (place / "models/repository.toml").unlink()
    assert said("models", "alias", "champion") == "champion: v1"


@pytest.mark.parametrize(
    "words", [("models", "list"), ("models", "verify"), ("routing", "show"), ("models", "history")]
)
def test_a_models_folder_that_is_not_there_is_an_error(place: Path, words: tuple[str, ...]) -> None:
    error = run(*words, "--models", "nowhere").exception
    assert isinstance(error, ConfigurationError)
    assert "nowhere" in error.detail
    assert not (place / "data").exists()


def program(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "splitleaf", *words]
    environment = {**os.environ, **settings}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("words", "settings", "status", "code"),
    [
        (("models", "show", "v9"), {}, 1, "[not_found]"),
        (("predict", "nowhere.jpg"), {}, 1, "[path_not_found]"),
        (("predict", __file__, "--url", "127.0.0.1:1"), {}, 1, "[server_unreachable]"),
        (("predict", __file__, "--url", "ftp://x"), {}, 2, "[invalid_url]"),
        (("worker",), {}, 2, "SPLITLEAF_REDIS_URL is not set"),
        (("worker",), {"SPLITLEAF_REDIS_URL": "http://x"}, 2, "[invalid_broker_url]"),
        (("controller",), {"SPLITLEAF_WORKR__THREADS": "1"}, 2, "SPLITLEAF_WORKR__THREADS"),
    ],
)
def test_every_failure_is_one_line_with_its_status(
    place: Path, words: tuple[str, ...], settings: dict[str, str], status: int, code: str
) -> None:
    run = program(*words, **settings)
    assert run.returncode == status
    assert code in run.stderr
    assert run.stderr.count("\n") == 1
    assert run.stdout == ""


def test_a_bug_is_one_line_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import splitleaf.cli as cli, splitleaf.cli.models as models\n"
        "def fail(_): raise RuntimeError('a\\nb')\n"
        "models.repository_dir = fail; import sys; sys.argv[1:] = ['models', 'list']; cli.main()"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr.count("\n")) == (70, 1)
    assert "RuntimeError: a b [internal_error]" in run.stderr


def test_a_version_answers_files_here_without_a_server(place: Path) -> None:
    from tests.support.images import GREEN, jpeg

    (place / "green").mkdir()
    (place / "green/a.jpg").write_bytes(jpeg(GREEN))
    (place / "green/broken.jpg").write_bytes(b"no image")
    result = run("predict", "green", "--version", "v1", "--json", "--labelled")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["label"], first["error_code"]) == ("green", None)
    assert (second["label"], second["error_code"]) == (None, "unsupported_media_type")
    assert "1 of 2 correct: accuracy 0.5000" in result.stderr
