"""A running installation is backed up by the command, and another one starts from the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.images import jpeg
from tests.support.repositories import add_version
from tests.system.running import start_system

pytestmark = pytest.mark.slow


def splitleaf(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "splitleaf", *words],
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installation_moves_with_all_that_it_knows(tmp_path: Path) -> None:
    models, data = tmp_path / "old/models", tmp_path / "old/data"
    add_version(models, "v1")
    old = start_system(models, data)
    try:
        key = splitleaf("keys", "create", "anna", "--scope", "write", "--data", str(data)).strip()
        with httpx.Client(base_url=old.url, timeout=60) as client:
            headers = {"Content-Type": "image/jpeg", "Idempotency-Key": "one", "Splitleaf-Unit": "anna"}
            answered = client.post("/v1/predictions", content=jpeg(), headers={**headers, "Prefer": "wait=30"}).json()
            assert answered["status"] == "succeeded"
        made = json.loads(splitleaf("backup", str(tmp_path), "--models", str(models), "--data", str(data), "--json"))
        assert made["models"] == ["v1"]
    finally:
        assert old.stop() == 0
    models, data = tmp_path / "new/models", tmp_path / "new/data"
    put_back = json.loads(splitleaf("restore", made["file"], "--models", str(models), "--data", str(data), "--json"))
    assert (put_back["models"], put_back["notes"]) == (["v1"], [])
    new = start_system(models, data)
    try:
        with httpx.Client(base_url=new.url, timeout=60) as client:
            # The same answer at the same address, and the same key opens the admin API.
            assert client.get(answered["links"]["self"]).json()["result"] == answered["result"]
            log = client.get("/admin/api/audit", headers={"Authorization": f"Bearer {key}"}).json()["entries"]
            assert [one["action"] for one in log if one["subject"].startswith("key/")] == ["create"]
            again = client.post(
                "/v1/predictions", content=jpeg(), headers={"Content-Type": "image/jpeg", "Prefer": "wait=30"}
            )
            assert again.json()["status"] == "succeeded"
    finally:
        assert new.stop() == 0
