"""What is installed: new enough, listed as a whole, and asked about."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pillow_heif
import pytest
from packaging.version import Version
from scripts.audit import Verdict, describe, read_verdict

ROOT = Path(__file__).parent.parent
FLOORS = {
    "pillow": "12.3",
    "pillow-heif": "1.8",
    "python-multipart": "0.0.26",
    "starlette": "1.3.1",
    "keras": "3.13.2",
}
"""Below these are known holes in what reads a stranger's bytes."""
LIBHEIF_FLOOR = "1.22"


def locked(name: str) -> dict[str, Version]:
    """Package -> version of a lock."""
    text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    return {found[0]: Version(found[1]) for found in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE)}


@pytest.mark.parametrize("name", ["serve", "api", "worker", "dev", "import", "import-nodeps"])
def test_no_lock_is_below_a_floor(name: str) -> None:
    versions = locked(name)
    assert versions
    low = {
        one: str(versions[one]) for one, floor in FLOORS.items() if one in versions and versions[one] < Version(floor)
    }
    assert not low


def test_every_floor_is_one_of_something_that_is_installed() -> None:
    assert set(FLOORS) <= set(locked("serve")) | set(locked("import"))


def test_the_library_behind_heic_and_avif_is_recent() -> None:
    assert Version(pillow_heif.libheif_version()) >= Version(LIBHEIF_FLOOR)


@pytest.mark.slow
def test_a_bill_of_materials_names_every_locked_version_with_its_digests(tmp_path: Path) -> None:
    bill = tmp_path / "api.cdx.json"
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(ROOT / "requirements/api.txt")]
    subprocess.run([*command, "--output-reproducible", "--of", "JSON", "-o", str(bill)], check=True, timeout=60)
    document = json.loads(bill.read_text(encoding="utf-8"))
    assert document["bomFormat"] == "CycloneDX"
    components = {one["name"]: Version(one["version"]) for one in document["components"]}
    assert components == locked("api")
    assert all(
        any(reference.get("hashes") for reference in one["externalReferences"]) for one in document["components"]
    )


def test_the_make_target_covers_what_the_images_install() -> None:
    (parts,) = re.findall(r"for part in ([a-z ]+); do", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert {"api", "worker", "import"} <= set(parts.split())


def answer(*entries: Mapping[str, object]) -> Verdict:
    return read_verdict(json.dumps({"dependencies": entries, "fixes": []}), "")


GOOD = {"name": "pillow", "version": "13.0.0", "vulns": []}
UNKNOWN = {"name": "leaf", "skip_reason": "Dependency not found"}
BAD = {
    "name": "pillow",
    "version": "9.0.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["9.0.1"], "aliases": [], "description": "…"}],
}


def test_a_known_vulnerability_is_found_and_named() -> None:
    verdict = answer(GOOD, BAD)
    assert verdict.vulnerable == ["pillow 9.0.0: PYSEC-1 (mended in: 9.0.1)"]
    assert "1 known vulnerabilities" in describe(verdict)


def test_an_audit_that_did_not_happen_is_not_called_a_success() -> None:
    for verdict in (answer(UNKNOWN, UNKNOWN), read_verdict("", "ConnectionError: no route"), read_verdict("", "")):
        assert not verdict.was_audited
        assert describe(verdict).startswith("NOT AUDITED")


def test_what_the_database_does_not_know_is_counted() -> None:
    assert describe(answer(GOOD, UNKNOWN)) == "no known vulnerability in 1 versions; 1 are not in the database"
