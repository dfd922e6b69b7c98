"""`splitleaf keys`, on a database of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from splitleaf.cli import app
from splitleaf.core.access import key_digest
from splitleaf.core.errors import NotFound
from splitleaf.outcomes.sql import SqlOutcomeStore
from tests.support.keys import is_key


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SPLITLEAF_DATA_DIR", str(tmp_path))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments])


def test_a_key_is_printed_alone_so_that_a_script_can_keep_it(data: Path) -> None:
    made = run("create", "nightly export", "--scope", "write", "--days", "30", "--why", "reports")
    assert made.exit_code == 0, made.stderr
    key = made.stdout.strip()
    assert is_key(key)
    assert "not shown again" in made.stderr
    assert key not in "".join(path.read_bytes().decode("latin-1") for path in data.iterdir() if path.is_file())
    store = SqlOutcomeStore(f"sqlite:///{data / 'outcomes.sqlite3'}")
    (record,), (entry,) = store.api_keys(), store.audit_log()
    store.close()
    assert (record.digest, record.name, record.scope) == (key_digest(key), "nightly export", "write")
    assert record.expires_ms is not None
    assert record.expires_ms - record.created_ms == 30 * 86_400_000
    assert (entry.action, entry.reason, entry.subject) == ("create", "reports", f"key/{record.key_id}")


def test_a_revoked_key_is_listed_only_where_asked_for() -> None:
    made = json.loads(run("create", "anna", "--json").stdout)
    assert [one["id"] for one in json.loads(run("list", "--json").stdout)] == [made["id"]]
    revoked = run("revoke", made["id"][:6], "--why", "left")
    assert (revoked.exit_code, made["id"] in revoked.stdout) == (0, True)
    assert json.loads(run("list", "--json").stdout) == []
    (listed,) = json.loads(run("list", "--all", "--json").stdout)
    assert (listed["id"], listed["scope"], listed["last_used_at"]) == (made["id"], "read", None)
    assert listed["revoked_at"] is not None
    assert "revoked" in run("list", "--all").stdout


def test_what_names_no_one_key_revokes_none() -> None:
    run("create", "anna")
    for named in ("zzz", ""):
        refused = run("revoke", named)
        assert isinstance(refused.exception, NotFound)
    assert "never used" in run("list").stdout


@pytest.mark.parametrize("arguments", [["", "--scope", "read"], ["x" * 101], ["anna", "--scope", "owner"]])
def test_a_wrong_command_line_makes_no_key(arguments: list[str]) -> None:
    assert run("create", *arguments).exit_code == 2
    assert run("list").stdout == ""
