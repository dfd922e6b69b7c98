"""The report and the documentation: what people read is whole and true."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console

from splitleaf.core.preprocessing import ResizeFilter
from splitleaf.importing import importer
from splitleaf.importing.importer import import_model
from splitleaf.importing.report import render_preprocessings, render_report
from splitleaf.importing.request import ImportRequest
from splitleaf.importing.selection import TriedPreprocessing
from splitleaf.registry.manifest import Preprocessing
from tests.importing.photos import labelled_folder, picky_network

ROOT = Path(__file__).parents[2]


def rendered(what: object) -> str:
    page = io.StringIO()
    Console(file=page, width=80).print(what)
    return page.getvalue()


def row(number: int, *, declared: bool = False, chosen: bool = False) -> TriedPreprocessing:
    one = Preprocessing(height=8, width=8, resize=ResizeFilter.PILLOW_BILINEAR)
    return TriedPreprocessing(
        one, "x/127.5 - 1", 600, 1 - number / 100, 0.95, 1.0, 0.9, declared=declared, chosen=chosen
    )


def test_the_table_of_preprocessings_fits_into_a_terminal_of_80_columns() -> None:
    for rows, mark in [
        ([row(0, chosen=True), row(1, declared=True)], "declared"),
        ([row(0, chosen=True, declared=True), row(1)], "confirmed"),
    ]:
        page = rendered(render_preprocessings(tuple(rows)))
        assert mark in page
        assert "…" not in page
        lines = [line for line in page.splitlines() if line.startswith(" pillow-bilinear")]
        assert len(lines) == 2


def test_what_was_declared_is_shown_however_bad_it_is() -> None:
    rows = (row(0, chosen=True), *(row(number) for number in range(1, 30)), row(90, declared=True))
    page = rendered(render_preprocessings(rows))
    assert page.count("pillow-bilinear") == 15
    assert "0.100" in page
    assert "31 were tried" in page


def test_the_report_tells_what_was_found_and_what_to_check(tmp_path: Path) -> None:
    (tmp_path / "leaf.onnx").write_bytes(picky_network())
    (tmp_path / "models").mkdir()
    (tmp_path / "models/repository.toml").write_text("[preprocessing]\nscale = 1.0\n")
    photos = labelled_folder(tmp_path / "photos/test")
    page = rendered(
        render_report(import_model(ImportRequest(tmp_path / "leaf.onnx", "v1", tmp_path / "models", evaluate=photos)))
    )
    for words in ("v1 imported in", "28 of 28 images (12 real)", "1.000 (95 %: 0.757-1.000) on 12", "check this"):
        assert words in page
    assert max(len(line) for line in page.splitlines()) <= 80


def test_every_code_with_which_a_file_is_refused_is_explained() -> None:
    source = "".join(path.read_text() for path in Path(importer.__file__).parent.rglob("*.py"))
    codes = set(re.findall(r'(?:code=|Refused\(\s*|"code": |return )"([a-z]+_[a-z_]+)"', source))
    assert len(codes) > 30
    page = (ROOT / "docs/reference/import.md").read_text()
    explained = set(re.findall(r"`([a-z_]+)`", page.partition("## What is refused")[2].partition("\n## ")[0]))
    assert codes - explained == set()
