"""The version comes from tags."""

from __future__ import annotations

import pytest
from packaging.version import Version
from scripts.version import from_description, version

import splitleaf


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ("v1.2.3-0-gabc1234\n", "1.2.3"),
        ("v1.2.3-5-gabc1234", "1.2.4.dev5+gabc1234"),
        ("", "0.1.0.dev0"),
        ("nightly-3-gabc1234", "0.1.0.dev0"),
    ],
)
def test_a_description_by_git_becomes_a_version(described: str, expected: str) -> None:
    assert from_description(described) == expected
    assert str(Version(expected)) == expected


def test_a_later_commit_is_newer_than_the_tag_and_older_than_the_next_release() -> None:
    later = Version(from_description("v1.2.3-5-gabc1234"))
    assert Version("1.2.3") < later < Version("1.2.4")


def test_a_build_without_git_is_told_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_VERSION", "7.8.9")
    assert version() == "7.8.9"


def test_the_package_knows_its_version() -> None:
    assert Version(splitleaf.__version__).release
