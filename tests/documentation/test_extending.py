"""What docs/how-to/extend says is true."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import splitleaf.jobs
from splitleaf.api.http.problem_codes import CODES
from splitleaf.cli.images import SUFFIXES as CLI_SUFFIXES
from splitleaf.images.formats import ImageFormat, sniff
from splitleaf.images.limits import ImageLimits
from splitleaf.images.rasters import open_raster
from splitleaf.images.refusals import Refusal
from splitleaf.importing.images import SUFFIXES as IMPORT_SUFFIXES
from tests.images.corpus import HOSTILE, ODD
from tests.support.networks import mean_colour_network

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/how-to/extend").glob("*.md"))
BROKER = (ROOT / "docs/how-to/extend/add-a-broker.md").read_text(encoding="utf-8")
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
    assert f".{kind}" in CLI_SUFFIXES & IMPORT_SUFFIXES
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


def test_the_texts_that_name_the_crop_are_where_the_page_says() -> None:
    static = ROOT / "src/splitleaf/web/static"
    texts = [path for path in static.rglob("*") if path.suffix in {".html", ".js", ".json", ".webmanifest"}]
    named = {path.relative_to(static).as_posix() for path in texts if TOMATO.search(path.read_text(encoding="utf-8"))}
    assert named - {"conditions.json"} == {"index.html", "js/answer.js"}
