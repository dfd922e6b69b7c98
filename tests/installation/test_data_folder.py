from __future__ import annotations

import os
from pathlib import Path

import pytest

from splitleaf.core.errors import ConfigurationError
from splitleaf.installation.data_folder import held, is_in_use


def test_a_second_holder_is_refused_and_told_who_holds(tmp_path: Path) -> None:
    with held(tmp_path):
        assert is_in_use(tmp_path)
        with pytest.raises(ConfigurationError, match=f"process {os.getpid()}") as refused, held(tmp_path):
            pass
        assert refused.value.error_code == "data_in_use"
    assert not is_in_use(tmp_path)
    with held(tmp_path):
        pass


def test_a_folder_nobody_used_is_free_and_not_made_by_asking(tmp_path: Path) -> None:
    assert not is_in_use(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_file_in_the_place_of_the_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(ConfigurationError, match="cannot be created"), held(tmp_path / "data"):
        pass
