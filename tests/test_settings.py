from __future__ import annotations

from pathlib import Path

import pytest

from splitleaf.core.errors import ConfigurationError
from splitleaf.settings import known_variables, read_settings

REFERENCE = Path(__file__).parent.parent / "docs/reference/settings.md"


def test_every_setting_is_documented() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    missing = [name for name in known_variables() if f"`{name}`" not in text]
    assert not missing


def test_every_setting_says_what_it_is_for() -> None:
    assert all(known_variables().values())


def test_groups_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITLEAF_API__PORT", "8123")
    monkeypatch.setenv("SPLITLEAF_WORKER__VERSIONS", '["v2"]')
    settings = read_settings()
    assert settings.api.port == 8123
    assert settings.worker.versions == ("v2",)


@pytest.mark.parametrize("name", ["SPLITLEAF_APY__PORT", "SPLITLEAF_PORT", "SPLITLEAF_API__PROT"])
def test_a_misspelt_setting_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigurationError, match=name):
        read_settings()


def test_a_wrong_value_is_an_error_that_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITLEAF_API__PORT", "eighty")
    with pytest.raises(ConfigurationError, match="SPLITLEAF_API__PORT"):
        read_settings()
