"""Files: manifests, drafts, plans, CSV labels, lists of labels, archives of arrays, backups, networks."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import random
import shutil
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from splitleaf.backup.archive_file import ArchiveReader
from splitleaf.backup.backup import _require_records, back_up
from splitleaf.core.arrays import read_arrays
from splitleaf.core.clock import SystemClock
from splitleaf.core.errors import SplitleafError
from splitleaf.experiments.reading import parse_plan
from splitleaf.flows.import_labels import import_labels
from splitleaf.importing.labels import read_labels_file
from splitleaf.importing.network import open_network
from splitleaf.importing.sandbox import Limits, Sandbox
from splitleaf.registry.drafts import Draft, RepositoryDefaults, parse_table
from splitleaf.registry.manifest import parse_manifest
from splitleaf.settings import Settings
from tests.experiments.plans import WRITTEN
from tests.fuzz.damage import damaged
from tests.importing.files import write_h5, write_keras
from tests.importing.photos import picky_network
from tests.support.repositories import add_version
from tests.support.stores import EmptyStore

Take = Callable[[bytes], None]
LIMITS: Final = Limits(memory_bytes=2 << 30, cpu_s=20, timeout_s=60, network_bytes=2 << 30, task_s=20)


@dataclass(frozen=True)
class Target:
    """Something that takes a file."""

    name: str
    good: bytes
    take: Take
    cost: int = 1
    """How many cases of the others one of these takes as long as."""


def targets(folder: Path) -> list[Target]:
    """Return all of them; `folder` is theirs to write in."""
    draft = b'schema = 1\nlabels = ["a", "b"]\n[preprocessing]\nheight = 64\nscale = 0.5\nmean = [0.1]\n'
    repository = b'schema = 1\nlabels = ["a"]\n[display_names]\na = "A"\n[aliases]\nchampion = "v1"\n'
    manifest = (add_version(folder / "models", "v1") / "model.toml").read_bytes()
    plan, labels = WRITTEN.encode(), b'["healthy", "late blight", "rust"]'
    csv = b"prediction_id,label,author\n" + b"a" * 26 + b",healthy,ann\n" + b"b" * 26 + b',"late, blight",bob\n'
    store = EmptyStore()
    return [
        Target("manifest", manifest, lambda data: _ignore(parse_manifest(_text(data), origin="x"))),
        Target("draft", draft, lambda data: _ignore(parse_table(Draft, _text(data), origin="x"))),
        Target(
            "repository", repository, lambda data: _ignore(parse_table(RepositoryDefaults, _text(data), origin="x"))
        ),
        Target("plan", plan, lambda data: _ignore(parse_plan(_text(data)))),
        Target("labels csv", csv, lambda data: _import(store, _text(data))),
        Target("labels json", labels, lambda data: _ignore(read_labels_file(_written(folder / "labels.json", data)))),
        Target("labels txt", b"0 a\n1 b\n", lambda data: _ignore(read_labels_file(_written(folder / "l.txt", data)))),
        Target("arrays", _arrays(), lambda data: _read_arrays(_written(folder / "arrays.npz", data))),
        Target("backup", _backup(folder), lambda data: _read_backup(folder, data), 4),
        Target("backup, signed", b"", _signed_backup(folder), 4),
        Target("h5", write_h5(folder / "good.h5").read_bytes(), lambda data: _inspect(folder / "leaf.h5", data), 40),
        Target(
            "keras", write_keras(folder / "g.keras").read_bytes(), lambda data: _inspect(folder / "l.keras", data), 40
        ),
        Target("onnx", picky_network(), lambda data: _open(folder, data), 40),
    ]


def fuzz_file(target: Target, cases: int, seed: int) -> dict[str, int]:
    """Hand in damaged files; return how many were taken and refused. Raises `AssertionError` that shows the seed."""
    counts = {"taken": 0, "refused": 0}
    for case in range(max(1, cases // target.cost)):
        rng = random.Random(f"{target.name}/{seed}/{case}")
        data = damaged(target.good, rng) if target.good else rng.randbytes(8)
        try:
            target.take(data)
        except SplitleafError:
            counts["refused"] += 1
        except Exception as error:
            raise AssertionError(f"{target.name}, seed {seed}, case {case}: {data[:2000]!r}") from error
        else:
            counts["taken"] += 1
    return counts


def _text(data: bytes) -> str:
    """As the readers of text files do; half a character is refused before anything of ours sees it."""
    return data.decode("utf-8", errors="replace")


def _ignore(_result: object) -> None:
    return


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _import(store: EmptyStore, text: str) -> None:
    import_labels(store, text, author="ann", known_labels=["healthy"], clock=SystemClock(), dry_run=True)


def _arrays() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, inputs=np.arange(48, dtype=np.float32).reshape(2, 24), names=np.array(["a", "bc"]))
    return file.getvalue()


def _read_arrays(path: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        read_arrays(path, 1 << 20)


def _backup(folder: Path) -> bytes:
    settings = Settings(models_dir=folder / "models", data_dir=folder / "data")
    path, _ = back_up(settings, folder / "good.tar")
    return path.read_bytes()


def _read_backup(folder: Path, data: bytes) -> None:
    place = folder / "unpacked"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    source = _written(folder / "fuzzed.tar", data)
    _require_records(ArchiveReader(source, place), source)


def _signed_backup(folder: Path) -> Take:
    """Damage what is in the parts, or the table, and give it the digests that it then has."""
    with tarfile.open(folder / "good.tar") as tar:
        members = {one.name: (tar.extractfile(one) or io.BytesIO()).read() for one in tar if one.isreg()}
    contents = json.loads(members["contents.json"])
    records = json.dumps({"id": "a" * 26, "version": "v1", "ttl_ms": 1, "priority": 1, "context": "{}", "pixels": ""})

    def take(seed: bytes) -> None:
        rng = random.Random(seed)
        made, table = dict(members), json.loads(json.dumps(contents))
        part = rng.choice([*table["parts"]])
        made[part] = gzip.compress(damaged(records.encode() + b"\n", rng)) if part.endswith(".gz") else b"x"
        table["parts"][part]["lines"] = rng.choice([1, 2, None])
        for name in table["parts"]:
            table["parts"][name]["sha256"] = hashlib.sha256(made[name]).hexdigest()
        text = json.dumps(table).encode()
        made["contents.json"] = damaged(text, rng) if rng.random() < 0.3 else text
        _read_backup(folder, _tar(made))

    return take


def _tar(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in sorted(members, key=lambda name: name != "contents.json"):
            member = tarfile.TarInfo(name)
            member.size = len(members[name])
            tar.addfile(member, io.BytesIO(members[name]))
    return file.getvalue()


def _inspect(path: Path, data: bytes) -> None:
    """In the child, as an import does: what reads these formats is native code."""
    Sandbox(Path(sys.executable), LIMITS).perform("inspect", source=_written(path, data))


def _open(folder: Path, data: bytes) -> None:
    source = _written(folder / "source.onnx", data)
    opened: Any = open_network(folder / "target.onnx", LIMITS, source=source, size=(16, 16))
    opened.runtime.close()


__all__ = ["Target", "fuzz_file", "targets"]
