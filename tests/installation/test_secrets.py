from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from splitleaf.core.errors import ConfigurationError
from splitleaf.installation.secrets import kept_admin_key, read_secret
from splitleaf.settings import Settings
from tests.support.keys import is_key


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    made = read_secret(settings)
    assert len(made) >= 32
    assert read_secret(settings) == made
    assert stat.S_IMODE((tmp_path / "data/secret.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_processes_that_start_together_share_one_secret(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(16) as threads:
        found = set(threads.map(lambda _: read_secret(settings), range(64)))
    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_an_empty_secret_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "secret.key").touch()
    with pytest.raises(ConfigurationError, match="does not contain a secret"):
        read_secret(Settings(data_dir=tmp_path))


def test_a_given_secret_wins_and_must_be_long_enough(tmp_path: Path) -> None:
    given = "0123456789abcdef"
    assert read_secret(Settings(data_dir=tmp_path, secret=SecretStr(given))) == given.encode()
    with pytest.raises(ConfigurationError, match="at least 16"):
        read_secret(Settings(data_dir=tmp_path, secret=SecretStr("short")))
    assert not list(tmp_path.iterdir())


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        read_secret(Settings(data_dir=tmp_path, secret_file=tmp_path / "nowhere"))


def test_the_admin_key_itself_is_only_in_its_file(tmp_path: Path) -> None:
    path, digest = kept_admin_key(Settings(data_dir=tmp_path))
    assert is_key(path.read_text(encoding="ascii"))
    assert path.read_text() not in digest
    assert len(digest) == 64
