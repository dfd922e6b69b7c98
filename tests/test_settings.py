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


def test_a_secret_is_read_from_a_file_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "splitleaf_redis_url").write_text("redis://:hush@broker/0\n", encoding="utf-8")
    (tmp_path / "splitleaf_admin_write_keys").write_text('["ab12"]\n', encoding="utf-8")
    monkeypatch.setenv("SPLITLEAF_SECRETS_DIR", str(tmp_path))
    assert read_settings().redis_url == "redis://:hush@broker/0"
    assert read_settings().admin_write_keys == ("ab12",)
    monkeypatch.setenv("SPLITLEAF_REDIS_URL", "redis://other/0")
    assert read_settings().redis_url == "redis://other/0"


def test_a_secrets_folder_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPLITLEAF_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="SPLITLEAF_SECRETS_DIR"):
        read_settings()


def test_the_room_for_bodies_holds_two_uploads_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITLEAF_API__MAX_HELD_BYTES", "15000000")
    with pytest.raises(ConfigurationError, match="at least twice"):
        read_settings()
