from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from splitleaf.core.errors import Conflict
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.digests import verify_version
from splitleaf.registry.staging import artifact_folder_name, publish, staged_folder
from tests.support.repositories import TELLS_COLOUR, add_version


def stage(models: Path, staging: Path, version: str, scale: float = 1.0) -> Path:
    """Write a whole version into a staging folder, with the artifact's folder named as it must be."""
    made = add_version(staging, version, weights=TELLS_COLOUR * scale)
    name = artifact_folder_name(models / version, "0123456789abcdef")
    (made / "artifact").rename(made / name)
    text = (made / "model.toml").read_text()
    files = f'[artifact]\nfile = "{name}/model.onnx"\ngolden = "{name}/golden.npz"'
    (made / "model.toml").write_text(text.replace("[artifact]", files))
    return made


def test_staging_is_removed_in_the_end_and_never_seen_by_readers(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), staged_folder(tmp_path) as staging:
        stage(tmp_path, staging, "v1")
        assert Catalogue(tmp_path).scan() == ()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_new_version_appears_whole(tmp_path: Path) -> None:
    with staged_folder(tmp_path) as staging:
        publish(stage(tmp_path, staging, "v1"), tmp_path / "v1")
    assert verify_version(tmp_path / "v1").version == "v1"
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]


def test_a_bare_folder_keeps_its_other_files(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1/MODEL_CARD.md").write_text("kept")
    with staged_folder(tmp_path) as staging:
        publish(stage(tmp_path, staging, "v1"), tmp_path / "v1")
    verify_version(tmp_path / "v1")
    assert (tmp_path / "v1/MODEL_CARD.md").read_text() == "kept"
    assert (tmp_path / "v1/artifact").is_dir()


def test_replacing_leaves_one_artifact_and_can_be_done_again(tmp_path: Path) -> None:
    digests = []
    for scale in (1.0, 2.0, 3.0):
        with staged_folder(tmp_path) as staging:
            publish(stage(tmp_path, staging, "v1", scale), tmp_path / "v1")
        digests.append(verify_version(tmp_path / "v1").digest)
        assert len(list((tmp_path / "v1").glob("artifact*"))) == 1
    assert len(set(digests)) == 3


def test_a_reader_sees_the_old_or_the_new_version_while_it_is_replaced(tmp_path: Path) -> None:
    """A manifest that is read is always whole; its artifact is its own, or gone with a newer manifest there."""
    add_version(tmp_path, "v1")
    stop = threading.Event()

    def read() -> set[str]:
        states = set()
        while not stop.is_set():
            (found,) = Catalogue(tmp_path).scan()
            states.add(found.problem or found.state)
        return states

    with ThreadPoolExecutor(1) as pool:
        states = pool.submit(read)
        try:
            for scale in range(1, 12):
                with staged_folder(tmp_path) as staging:
                    publish(stage(tmp_path, staging, "v1", float(scale)), tmp_path / "v1")
        finally:
            stop.set()
    assert states.result() == {"imported"}


def test_two_imports_of_one_new_version_do_not_mix(tmp_path: Path) -> None:
    with staged_folder(tmp_path) as one, staged_folder(tmp_path) as other:
        first, second = stage(tmp_path, one, "v1"), stage(tmp_path, other, "v1", 2.0)
        publish(first, tmp_path / "v1")
        with contextlib.suppress(Conflict):
            publish(second, tmp_path / "v1")
    verify_version(tmp_path / "v1")
