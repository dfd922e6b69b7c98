"""What docs/how-to/extend says is true."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from PIL import Image

import splitleaf.jobs
from splitleaf.api.http.problem_codes import CODES
from splitleaf.core.arrays import read_arrays
from splitleaf.core.errors import EngineFailed, InvalidArtifact
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.runtime import FloatBatch, Runtime
from splitleaf.engine.runtimes import RUNTIMES
from splitleaf.images.files import SUFFIXES
from splitleaf.images.formats import ImageFormat, sniff
from splitleaf.images.limits import ImageLimits
from splitleaf.images.rasters import open_raster
from splitleaf.images.refusals import Refusal
from splitleaf.registry.catalogue import Catalogue
from splitleaf.worker.versions import VersionPool
from tests.images.corpus import HOSTILE, ODD
from tests.support.networks import mean_colour_network
from tests.support.repositories import TELLS_COLOUR, add_version, sha256
from tests.support.tensors import RED, plain

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/how-to/extend").glob("*.md"))
BROKER = (ROOT / "docs/how-to/extend/add-a-broker.md").read_text(encoding="utf-8")
RUNTIME = (ROOT / "docs/how-to/extend/add-a-runtime.md").read_text(encoding="utf-8")
CROP = (ROOT / "docs/how-to/extend/add-another-crop.md").read_text(encoding="utf-8")
TOMATO = re.compile("tomato", re.IGNORECASE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_only_files_that_exist(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("kind", ImageFormat)
def test_a_format_is_recognised_guarded_decoded_offered_and_documented(kind: ImageFormat) -> None:
    def is_of_kind(data: bytes) -> bool:
        try:
            return sniff(data) is kind
        except Refusal:
            return False

    valid = [case for case in ODD if not case.is_big and is_of_kind(case.data)]
    assert open_raster(valid[0].data, kind, ImageLimits()).pixels(gray=False).ndim == 3
    refused = {case.code for case in HOSTILE if not case.is_big and is_of_kind(case.data)}
    assert {"image_truncated", "image_too_many_pixels"} <= refused
    assert f".{kind}" in SUFFIXES
    page = (ROOT / "src/splitleaf/web/static/index.html").read_text(encoding="utf-8")
    assert f"image/{kind}" in re.findall(r'id="picker".*?accept="([^"]+)"', page, re.DOTALL)[0].split(",")
    accepted = (ROOT / "docs/reference/images.md").read_text(encoding="utf-8").split("## ")[1]
    assert f"{kind}," in accepted.lower() or f"{kind} |" in accepted.lower()
    named = {"heif": "heic"}.get(kind, str(kind))  # users know the files of a phone as HEIC
    assert named in " ".join(map(str, CODES["unsupported_media_type"])).lower()


def test_the_page_on_brokers_lists_every_port_with_its_module() -> None:
    ports = {
        (name, f"{module.name}.py")
        for module in pkgutil.iter_modules(splitleaf.jobs.__path__)
        if not module.ispkg
        for name, port in vars(importlib.import_module(f"splitleaf.jobs.{module.name}")).items()
        if getattr(port, "_is_protocol", False) and port.__module__ == f"splitleaf.jobs.{module.name}"
    }
    assert set(re.findall(r"\| `(\w+)` \| `(\w+\.py)` \|", BROKER)) == ports


def test_the_crop_of_the_page_can_be_imported_and_classified(tmp_path: Path) -> None:
    models = tmp_path / "potato"
    models.mkdir()
    block = re.findall(r"```toml\n(.*?)```", CROP, re.DOTALL)[0]
    (models / "repository.toml").write_text(re.sub("^ {3}", "", block, flags=re.MULTILINE), encoding="utf-8")
    network = tmp_path / "network.onnx"
    network.write_bytes(mean_colour_network(16, 16, 3, np.eye(3) * 20 / 255, softmax=True))
    leaf = tmp_path / "leaf.png"
    Image.new("RGB", (64, 64), (20, 200, 30)).save(leaf)

    def splitleaf_says(*words: str) -> str:
        command = [sys.executable, "-m", "splitleaf", *words, "--models", str(models)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    splitleaf_says("models", "import", str(network), "--version", "v1", "--preprocessing", "raw,resize=pillow-nearest")
    (answer,) = json.loads(splitleaf_says("predict", str(leaf), "--version", "v1", "--json"))
    assert (answer["label"], answer["display_name"]) == ("Late_blight", "Late blight")


def test_a_version_is_served_in_the_runtime_of_the_page_and_shown_as_failed_where_it_is_unknown(tmp_path: Path) -> None:
    code = "\n".join(dedent(block) for block in re.findall(r"```python\n(.*?)```", RUNTIME, re.DOTALL))
    names: dict[str, Any] = {one.__name__: one for one in (EngineFailed, InvalidArtifact, Path, Runtime, read_arrays)}
    names |= {"FloatBatch": FloatBatch, "Sequence": Sequence, "RUNTIMES": RUNTIMES}
    exec(compile(code, "add-a-runtime.md", "exec"), names)
    _name_runtime(add_version(tmp_path, "v1", softmax=False))
    load_anywhere = VersionPool(Catalogue(tmp_path).scan, lambda folder: load_classifier(folder, names["RUNTIMES"]))
    load_anywhere.refresh()
    (answer,) = load_anywhere.serving()["v1"].classify([plain(RED)]).classifications
    assert answer.best.label == "red"
    without = VersionPool(Catalogue(tmp_path).scan, load_classifier)
    without.refresh()
    problem = "failed: the manifest names the runtime 'mean-colour'; known are: onnxruntime"
    assert without.statuses() == {"v1": problem}


def _name_runtime(folder: Path) -> None:
    """Give the version the artifact and the manifest entries of the page."""
    weights, manifest = folder / "artifact/weights.npz", folder / "model.toml"
    np.savez(weights, weights=TELLS_COLOUR.astype(np.float32))
    (stated,) = (dedent(block) for block in re.findall(r"```toml\n(.*?)```", RUNTIME, re.DOTALL))
    stated = dedent(stated) + f'sha256 = "{sha256(weights)}"\n'
    text = re.sub(r"^sha256 = .*\n", "", manifest.read_text(encoding="utf-8").split("[artifact]\n")[1], count=1)
    manifest.write_text(manifest.read_text(encoding="utf-8").split("[artifact]\n")[0] + stated + text, encoding="utf-8")


def test_the_texts_that_name_the_crop_are_where_the_page_says() -> None:
    static = ROOT / "src/splitleaf/web/static"
    texts = [path for path in static.rglob("*") if path.suffix in {".html", ".js", ".json", ".webmanifest"}]
    named = {path.relative_to(static).as_posix() for path in texts if TOMATO.search(path.read_text(encoding="utf-8"))}
    assert named - {"conditions.json"} == {"index.html", "js/answer.js"}
