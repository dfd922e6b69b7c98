from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from splitleaf.api.http.problem_codes import CODES
from splitleaf.api.http.problems import problem_response, status_of
from splitleaf.core.errors import SplitleafError
from splitleaf.images.refusals import CODES as IMAGE_CODES
from splitleaf.images.refusals import public_error

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src/splitleaf"
REFERENCE = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
PUBLIC = ("api", "flows", "images", "jobs/redis")


def all_errors(kind: type[SplitleafError] = SplitleafError) -> list[type[SplitleafError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in all_errors(child))]


def codes_raised_in(folder: str) -> set[str]:
    files = (SOURCES / folder).rglob("*.py")
    return {code for file in files for code in re.findall(r'code="([a-z_]+)"', file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_has_a_status(kind: type[SplitleafError]) -> None:
    assert 400 <= status_of(kind) <= 599
    if kind.code in CODES:
        assert CODES[kind.code][0] == status_of(kind), "the documented status is the one that is sent"


@pytest.mark.parametrize("code", IMAGE_CODES)
def test_every_refused_image_has_a_documented_code(code: str) -> None:
    assert CODES[code][0] == status_of(type(public_error(code)))


def test_every_code_that_a_client_can_get_is_explained() -> None:
    raised = set().union(*(codes_raised_in(folder) for folder in PUBLIC))
    assert raised
    assert not raised - set(CODES)


def test_every_code_stands_in_the_reference() -> None:
    raised = set().union(*(codes_raised_in(folder.name) for folder in SOURCES.iterdir() if folder.is_dir()))
    missing = sorted(code for code in raised | {kind.code for kind in all_errors()} if f"`{code}`" not in REFERENCE)
    assert not missing


def test_the_reference_says_what_the_service_says() -> None:
    wrong = [
        code
        for code, (status, meaning, advice) in CODES.items()
        if f"| {status} | `{code}` | {meaning} | {advice} |\n" not in REFERENCE
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ("send only one image per request", "Send only one image per request."),
        ("The file is empty.", "The file is empty."),
        ("v2 is not imported", "v2 is not imported."),
        ("`wait` is a whole number of seconds", "`wait` is a whole number of seconds."),
    ],
)
def test_a_detail_is_a_whole_sentence(said: str, detail: str) -> None:
    assert json.loads(bytes(problem_response(400, "invalid_request", said).body))["detail"] == detail
