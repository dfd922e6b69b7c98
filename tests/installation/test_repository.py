from __future__ import annotations

from pathlib import Path

from splitleaf.installation.repository import unserved_versions
from tests.support.repositories import add_version


def test_whoever_starts_is_told_which_versions_are_not_served_and_what_to_do(tmp_path: Path) -> None:
    assert unserved_versions(tmp_path)[0].startswith(f"There is no version in {tmp_path};")
    add_version(tmp_path, "v1")
    assert unserved_versions(tmp_path) == []
    for version, name in (("v2", "leaf.h5"), ("v3", "leaf.keras"), ("v4", "model.toml")):
        (tmp_path / version).mkdir()
        (tmp_path / version / name).write_text("[artifact]\nnone = 1\n")
    bare, broken = unserved_versions(tmp_path)
    assert bare == f"Not imported yet: v2, v3. Run `splitleaf models import --models {tmp_path}`."
    assert broken.startswith("v4 cannot be served: ")
