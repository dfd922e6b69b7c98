"""The dashboard as files and headers, without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from tests.web.stub import running

from splitleaf.web.pages import CONTENT_SECURITY_POLICY, DASHBOARD_DIR, DASHBOARD_PAGES, STATIC_DIR, dashboard_routes

PLOTS = Path(__file__).parents[2] / "scripts" / "plots"
VENDORED = DASHBOARD_DIR / "vendor" / "plot.js"
MODULES = sorted(path for path in DASHBOARD_DIR.rglob("*.js") if path != VENDORED)
ADDRESSES = [re.sub(r"\{\w+\}", "some.name-1", page) for page in DASHBOARD_PAGES]


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with running(Starlette(routes=dashboard_routes())) as address, httpx.Client(base_url=address) as client:
        yield client


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_answers_with_the_page_under_the_strict_policy(client: httpx.Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["cache-control"] == "no-cache"
    assert "unsafe" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("address", ["/admin/nothing", "/admin/models/v1/more", "/adminmodels"])
def test_other_addresses_are_not_the_dashboards(client: httpx.Client, address: str) -> None:
    assert client.get(address).status_code == 404


def test_what_the_page_names_is_served_by_an_absolute_address_and_kept_for_ever(client: httpx.Client) -> None:
    named = re.findall(r'(?:href|src)="([^"]*static/[^"]+)"', client.get("/admin/models/v1").text)
    assert len(named) > 12
    for name in named:
        assert re.match(r"/admin/static/[0-9a-f]{12}/", name), name
        answer = client.get(name)
        assert answer.status_code == 200, name
        assert "immutable" in answer.headers["cache-control"], name


def test_every_module_that_is_imported_is_there() -> None:
    for module in MODULES:
        text = module.read_text(encoding="utf-8")
        for target in re.findall(r'(?:from|import\()\s*"(\.[^"]+)"', text):
            own = (module.parent / target).resolve()
            shared = STATIC_DIR / own.relative_to(DASHBOARD_DIR) if own.is_relative_to(DASHBOARD_DIR) else own
            assert own.is_file() or shared.is_file(), f"{module.name} imports {target}"


def test_the_pages_that_the_server_knows_are_those_that_the_router_knows() -> None:
    router = (DASHBOARD_DIR / "shell" / "router.js").read_text(encoding="utf-8")
    known = re.findall(r'^  \[["`](.*?)["`], "(\w+)"\],$', router, re.MULTILINE)
    paths = [f"/admin{path.replace('${NAME}', '{}')}" for path, _ in known]
    assert paths == [re.sub(r"\{\w+\}", "{}", page) for page in DASHBOARD_PAGES]
    for _, view in known:
        assert (DASHBOARD_DIR / "views" / f"{view}.js").is_file()


def test_no_text_is_ever_parsed_as_markup_or_run() -> None:
    risky = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\(|new Function"
    for module in MODULES:
        assert not re.search(risky, module.read_text(encoding="utf-8")), module.name
    assert not re.search(r"\beval\(|new Function", VENDORED.read_text(encoding="utf-8"))


def test_nothing_is_inline_or_loaded_from_elsewhere() -> None:
    page = (DASHBOARD_DIR / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    for file in [DASHBOARD_DIR / "index.html", *MODULES, *DASHBOARD_DIR.rglob("*.css")]:
        assert not re.search(r"""["'(](?:https?:)?//""", file.read_text(encoding="utf-8")), file.name


def test_the_plotting_library_is_the_pinned_one_with_all_its_licences() -> None:
    pinned = json.loads((PLOTS / "package.json").read_text(encoding="utf-8"))["dependencies"]["@observablehq/plot"]
    head = VENDORED.read_text(encoding="utf-8").partition("\n")[0]
    assert f"Observable Plot {pinned} " in head
    licences = (DASHBOARD_DIR / "vendor" / "plot-licences.txt").read_text(encoding="utf-8")
    locked = json.loads((PLOTS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    told = re.findall(r"^(\S+) (\d+\.\d+\.\d+) \(([\w-]+)\)$", licences, re.MULTILINE)
    assert {name for name, _, _ in told} >= {"@observablehq/plot", "d3-array", "d3-scale", "d3-shape", "isoformat"}
    for name, version, licence in told:
        assert locked[f"node_modules/{name}"]["version"] == version
        assert licence in {"ISC", "MIT", "BSD-3-Clause"}
