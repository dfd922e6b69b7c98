"""The page as files and headers, without a browser."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from tests.web.stub import LABELS, running

from splitleaf.api.http.problem_codes import CODES
from splitleaf.web.pages import CONTENT_SECURITY_POLICY, STATIC_DIR, PageAssets, page_routes

INDEX = (STATIC_DIR / "index.html").read_text(encoding="utf-8")
SCRIPTS = sorted((STATIC_DIR / "js").glob("*.js"))
SHEETS = sorted((STATIC_DIR / "css").glob("*.css"))


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with running(Starlette(routes=page_routes())) as address, httpx.Client(base_url=address) as client:
        yield client


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements() -> list[tuple[str, dict[str, str | None]]]:
    parser = _Elements()
    parser.feed(INDEX)
    return parser.found


def test_the_page_is_served_with_a_policy_that_allows_nothing_but_itself(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


def test_every_file_that_the_page_names_is_served_and_may_be_kept_for_ever(client: httpx.Client) -> None:
    page = client.get("/").text
    named = re.findall(r'(?:href|src)="(static/[^"]+)"', page)
    assert len(named) > 8
    for name in named:
        answer = client.get(f"/{name}")
        assert answer.status_code == 200, name
        assert "immutable" in answer.headers["cache-control"], name


def test_the_page_itself_is_asked_for_each_time_and_costs_nothing_when_it_is_the_same(client: httpx.Client) -> None:
    first = client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_files_without_the_fingerprint_are_served_too_but_asked_for_each_time(client: httpx.Client) -> None:
    answer = client.get("/static/js/main.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_a_change_in_any_file_changes_the_prefix_of_all(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<script src="static/a.js"></script>')
    (tmp_path / "a.js").write_text("1")
    before = PageAssets(tmp_path)
    (tmp_path / "a.js").write_text("2")
    after = PageAssets(tmp_path)
    assert before.fingerprint != after.fingerprint
    assert f"static/{after.fingerprint}/a.js".encode() in after.index.body
    assert after.find(f"{before.fingerprint}/a.js") is None


@pytest.mark.parametrize("path", ["nothing.js", "../pages.py", "%2e%2e/pages.py", "js", "", "js/../../pages.py"])
def test_what_is_not_a_file_of_the_page_is_not_found(client: httpx.Client, path: str) -> None:
    assert client.get(f"/static/{path}").status_code == 404


def test_text_goes_out_packed_to_those_who_take_it(client: httpx.Client) -> None:
    plain = client.get("/static/css/page.css", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = client.get("/static/css/page.css", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text


def test_the_whole_page_weighs_less_than_forty_kilobytes_on_the_wire() -> None:
    files = [STATIC_DIR / "index.html", STATIC_DIR / "conditions.json", *SCRIPTS, *SHEETS]
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < 40_000


def test_the_page_holds_no_inline_script_style_or_handler() -> None:
    for tag, attributes in elements():
        assert tag != "style"
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag == "script":
            assert attributes.get("src"), "an inline script would be blocked"


def test_nothing_is_loaded_from_elsewhere() -> None:
    for file in [STATIC_DIR / "index.html", *SCRIPTS, *SHEETS]:
        addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", file.read_text(encoding="utf-8"))
        assert [address for address in addresses if "www.w3.org" not in address] == [], file.name


def test_modules_import_only_modules_that_exist() -> None:
    for script in SCRIPTS:
        for name in re.findall(r'from "\./([\w.]+)"', script.read_text(encoding="utf-8")):
            assert (STATIC_DIR / "js" / name).is_file(), f"{script.name} imports {name}"


def test_every_module_is_fetched_at_once_and_not_one_after_the_other() -> None:
    hinted = {str(attributes["href"]) for tag, attributes in elements() if attributes.get("rel") == "modulepreload"}
    assert hinted == {f"static/js/{script.name}" for script in SCRIPTS} - {"static/js/theme.js", "static/js/main.js"}


def test_every_style_sheet_is_used() -> None:
    used = {str(attributes["href"]) for tag, attributes in elements() if attributes.get("rel") == "stylesheet"}
    assert used == {f"static/css/{sheet.name}" for sheet in SHEETS}


def test_no_markup_is_built_from_text() -> None:
    for script in SCRIPTS:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script.read_text()), (
            script.name
        )


def test_the_page_never_speaks_of_versions_or_experiments() -> None:
    for file in [STATIC_DIR / "index.html", STATIC_DIR / "conditions.json", *SCRIPTS]:
        text = file.read_text(encoding="utf-8").lower()
        assert not re.search(r"\b(versions?|variants?|experiments?|champion|challenger|a/b)\b", text), file.name


def test_dark_replaces_every_colour_and_nothing_else() -> None:
    def colours(name: str) -> set[str]:
        text = (STATIC_DIR / "css" / name).read_text(encoding="utf-8")
        return {token for token, value in re.findall(r"(--[\w-]+): ([^;]+);", text) if "#" in value or "rgb(" in value}

    assert colours("dark.css") == colours("tokens.css")


def test_without_scripts_the_form_sends_one_photo_to_the_plain_interface() -> None:
    forms = [attributes for tag, attributes in elements() if tag == "form" and attributes.get("method") == "post"]
    assert forms == [forms[0] | {"action": "predict", "enctype": "multipart/form-data"}]


def test_every_refusal_of_an_image_has_words_of_its_own() -> None:
    words = set(
        re.findall(r"^  (\w+): \[", (STATIC_DIR / "js" / "problems.js").read_text(encoding="utf-8"), re.MULTILINE)
    )
    reviewers_alone = {"image_not_kept"}
    about_images = {code for code in CODES if code.startswith("image_")} - reviewers_alone
    about_service = {"overloaded", "timed_out", "unavailable", "no_model_ready", "rate_limited", "request_timeout"}
    others = {"payload_too_large", "unsupported_media_type", "metadata_too_large", "inference_failed"}
    expected = about_images | about_service | others | {"prediction_not_found", "incomplete_body", "expired"}
    assert expected <= words


def test_every_known_condition_is_described_in_full() -> None:
    guide = json.loads((STATIC_DIR / "conditions.json").read_bytes())
    assert set(guide) == {label for label, _ in LABELS}
    for label, page in guide.items():
        assert page["kind"] in {"healthy", "disease", "pest", "urgent"}
        steps = page["first_steps"]
        assert isinstance(steps, list)
        assert len(steps) == 3
        assert all(steps)
        assert page["summary"]
        assert bool(page["signs"]) == (label != "healthy")
