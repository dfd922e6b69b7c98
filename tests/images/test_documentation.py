"""`docs/reference/images.md` says what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from splitleaf.api.http.problem_codes import CODES as PUBLIC_CODES
from splitleaf.core.preprocessing import ResizeFilter
from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import CODES
from splitleaf.settings import ApiSettings
from tests.images.corpus import ALL, Case

PAGE = Path(__file__).parents[2].joinpath("docs/reference/images.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of all tables below a heading, without the head of a table and its rule."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_limit_is_documented_with_its_value() -> None:
    written = {re.findall(r"`(\w+)`", name)[0]: float(value.replace(",", "")) for name, value in rows("Limits")}
    known = dataclasses.asdict(ImageLimits())
    known.pop("max_bytes")  # a setting of the API
    assert written == known
    assert ApiSettings().max_upload_bytes == 10_000_000


def test_every_code_is_documented_with_its_status() -> None:
    written = {code.strip("`"): int(status) for status, code, _ in rows("Refused")}
    assert written == {code: PUBLIC_CODES[code][0] for code in (*CODES, "overloaded")}


@pytest.mark.parametrize(("case", "row"), list(zip(ALL, rows("The 75 hostile and 28 odd images"), strict=True)))
def test_the_table_of_images_shows_what_each_of_them_owes(case: Case, row: list[str]) -> None:
    name, status, got, owed, ms, extra_mib = row
    assert (name, int(status)) == (case.name, case.status)
    assert owed == f"{case.status} {case.code or 'an answer'}"
    assert got == case.code if case.code else got.split(", ")[1:] == list(case.flags)
    assert int(ms) < (1000 if case.code else 2000)
    assert int(extra_mib) < (200 if case.code else 350)


def test_every_filter_is_named() -> None:
    for method in ResizeFilter:
        name = method.partition("-")[2]
        assert f"`{method}`" in PAGE or f"`-{name}`" in PAGE, method
