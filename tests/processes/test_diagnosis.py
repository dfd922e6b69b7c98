from __future__ import annotations

import socket
from pathlib import Path

import pytest

from splitleaf.processes.diagnosis import Finding, diagnose
from tests.support.repositories import add_version


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SPLITLEAF_API__PORT", str(probe.getsockname()[1]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings() -> dict[str, Finding]:
    return {one.check: one for one in diagnose()}


def test_a_healthy_installation_has_no_problem(place: Path) -> None:
    add_version(place / "models", "v1")
    (place / "models/repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n')
    found = findings()
    assert {one.level for one in found.values()} <= {"ok", "note"}, found
    assert not (place / "data").exists(), "the doctor leaves nothing behind"


def test_no_models_folder_is_a_problem_that_says_how_to_name_one(place: Path) -> None:
    assert "--models" in findings()["models"].detail
    assert findings()["models"].level == "problem"


def test_a_damaged_version_and_a_champion_that_is_not_there_are_problems(place: Path) -> None:
    folder = add_version(place / "models", "v1")
    (folder / "artifact/model.onnx").write_bytes(b"not a network")
    (place / "models/repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v7"\n')
    found = findings()
    assert found["model v1"].level == "problem"
    assert "v7" in found["champion"].detail


@pytest.mark.parametrize(
    ("variable", "value", "check", "words"),
    [
        ("SPLITLEAF_REDIS_URL", "redis://127.0.0.1:1", "broker", "does not answer"),
        ("SPLITLEAF_REDIS_URL", "http://127.0.0.1", "broker", "cannot be read"),
        ("SPLITLEAF_DATABASE_URL", "postgresql://127.0.0.1:1/x", "database", "does not answer"),
        ("SPLITLEAF_DATABASE_URL", "mysql://127.0.0.1/x", "database", "must begin with"),
        ("SPLITLEAF_API__PROT", "1", "settings", "SPLITLEAF_API__PROT"),
    ],
)
def test_what_does_not_answer_or_is_misspelt_is_a_problem(  # noqa: PLR0917 - fixtures and a table's row
    place: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, check: str, words: str
) -> None:
    add_version(place / "models", "v1")
    monkeypatch.setenv(variable, value)
    assert findings()[check].level == "problem"
    assert words in findings()[check].detail


def test_a_port_of_another_program_is_told_from_a_running_splitleaf(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SPLITLEAF_API__PORT", str(other.getsockname()[1]))
        assert "another program" in findings()["port"].detail


def test_keys_that_others_can_read_are_a_warning(place: Path) -> None:
    (place / "data").mkdir()
    (place / "data/secret.key").touch(mode=0o644)
    assert findings()["secrets"].level == "warning"
    assert findings()["secrets"].advice == "chmod 600 data/secret.key"
