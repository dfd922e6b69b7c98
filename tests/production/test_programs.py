"""The small programs of the images."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.production.door import ROOT, load

make_secrets = load("make_secrets", ROOT / "deploy/secrets/make_secrets.py")
import_models = load("import_models", ROOT / "deploy/importer/import_models.py")


def everything_in(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_secrets_are_made_once_and_stay(tmp_path: Path) -> None:
    make_secrets.make_secrets(tmp_path)
    before = everything_in(tmp_path)
    make_secrets.make_secrets(tmp_path)
    assert everything_in(tmp_path) == before
    assert len(set(before.values())) > 8


def test_a_secret_that_was_replaced_by_the_operator_reaches_the_services(tmp_path: Path) -> None:
    make_secrets.make_secrets(tmp_path)
    key = tmp_path / "operator/admin-key"
    key.unlink()
    key.write_text("a-key-of-the-operators-own-making\n")
    make_secrets.make_secrets(tmp_path)
    digest = hashlib.sha256(b"a-key-of-the-operators-own-making").hexdigest()
    assert json.loads((tmp_path / "api/splitleaf_admin_write_keys").read_text()) == [digest]


def test_no_service_gets_what_is_anothers(tmp_path: Path) -> None:
    make_secrets.make_secrets(tmp_path)
    originals = {
        name: (tmp_path / "operator" / name).read_text().strip() for name in ("admin-key", "postgres-password")
    }
    assert "postgres" not in str(everything_in(tmp_path / "worker"))
    for folder in ("api", "worker", "controller", "redis", "postgres"):
        assert originals["admin-key"] not in str(everything_in(tmp_path / folder))
    assert originals["postgres-password"] not in str(everything_in(tmp_path / "redis"))


def test_versions_are_taken_over_once_and_what_is_served_stays(tmp_path: Path) -> None:
    source, served = tmp_path / "host", tmp_path / "served"
    (source / "v1").mkdir(parents=True)
    (source / "v1" / "leaf.h5").write_text("weights")
    (source / ".hidden").mkdir()
    (source / "repository.toml").write_text("schema = 1\n")
    served.mkdir()
    assert import_models.take_over(source, served) == ["v1"]
    (source / "v1" / "leaf.h5").write_text("other weights")
    (source / "repository.toml").write_text('schema = 1\ntitle = "new"\n')
    assert import_models.take_over(source, served) == []
    assert (served / "v1" / "leaf.h5").read_text() == "weights"
    assert "new" in (served / "repository.toml").read_text()
    assert sorted(path.name for path in served.iterdir()) == ["repository.toml", "v1"]
