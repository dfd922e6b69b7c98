"""The page in front of the real thing: broker, worker, API and a network that knows three colours."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pillow_heif
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.support.repositories import add_version
from tests.web import images
from tests.web.conftest import OpenPage
from tests.web.images import chosen
from tests.web.stub import StubService

from splitleaf.outcomes.sql import SqlOutcomeStore

pytestmark = [pytest.mark.browser, pytest.mark.slow]

READY_WITHIN_S = 60
REPOSITORY = """
schema = 1
title = "Colours that pass for conditions"
labels = ["Early_blight", "healthy", "Late_blight"]

[aliases]
champion = "v1"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Callable[[], tuple[StubService, str]]]:
    """`splitleaf up` in place of the stand-in; its state is nobody's to decide."""
    add_version(folder / "models", "v1", labels=("Early_blight", "healthy", "Late_blight"))
    (folder / "models" / "repository.toml").write_text(REPOSITORY, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("splitleaf")
    options = ["--models", str(folder / "models"), "--data", str(folder / "data"), "--port", str(port)]
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen([program, "up", *options], stdout=log, stderr=log, cwd=folder, env=os.environ.copy())
    address = f"http://127.0.0.1:{port}/"
    try:
        _until_ready(address, service, folder / "log")
        yield lambda: (StubService(), address)
    finally:
        service.terminate()
        service.wait(timeout=40)


def _until_ready(address: str, service: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            if httpx.get(f"{address}readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"the service did not become ready:\n{log.read_text(errors='replace')}")


def test_a_leaf_is_answered_judged_and_remembered(open_page: OpenPage) -> None:
    page = open_page()
    page.set_input_files("#picker", chosen("leaf.jpg"))
    expect(page.locator("[data-phase=answered]")).to_have_count(1)
    expect(page.locator(".card-title")).to_have_text("healthy", ignore_case=True)
    expect(page.locator(".bar")).to_have_count(3)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="No", exact=True).click()
    page.get_by_role("radio", name="Late blight").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".thanks")).to_contain_text("Your feedback: Late blight.")
    page.get_by_role("button", name="Change").click()
    page.get_by_role("button", name="No", exact=True).click()
    page.get_by_role("radio", name="Something else").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".thanks")).to_contain_text("Your feedback: something else.")
    page.reload()
    page.locator(".memory summary").first.click()
    expect(page.locator(".memory .thanks")).to_contain_text("Your feedback: something else.")


def test_of_what_the_page_sends_it_is_recorded_that_the_page_sent_it(open_page: OpenPage, folder: Path) -> None:
    page = open_page()
    page.set_input_files("#picker", chosen("leaf.jpg"))
    expect(page.locator("[data-phase=answered]")).to_have_count(1)
    store = SqlOutcomeStore(f"sqlite:///{folder / 'data/outcomes.sqlite3'}")
    deadline = time.monotonic() + 20
    while not (recorded := store.outcomes_after(0, 100)) and time.monotonic() < deadline:
        time.sleep(0.1)
    store.close()
    assert {one.origin for one in recorded} == {"page"}


def test_many_photos_of_many_kinds_arrive(open_page: OpenPage) -> None:
    page = open_page(width=360)
    heic = pillow_heif.from_pillow(images.draw_leaf(side=320, spots=3, seed=5))
    photos = [chosen(f"{number}.jpg", seed=number) for number in range(8)]
    photos.append(chosen("phone.HEIC", kind="image/heic", body=_saved(heic)))
    photos.append(chosen("clear.png", kind="image/png", body=images.leaf(kind="PNG")))
    photos.append(chosen("small.webp", kind="image/webp", body=images.leaf(kind="WEBP")))
    photos.append(chosen("large.jpg", body=images.large_photo()))
    page.set_input_files("#picker", photos)
    expect(page.locator("[data-phase=answered]")).to_have_count(len(photos), timeout=30_000)


def test_what_the_service_refuses_is_explained(open_page: OpenPage) -> None:
    page = open_page(tolerate="Failed to load resource")
    whole = images.leaf()
    page.set_input_files(
        "#picker",
        [
            chosen("cut.jpg", body=whole[: len(whole) // 2]),
            chosen("words.jpg", body=b"these are only words, not a photo at all"),
            chosen("tiny.png", kind="image/png", body=images.leaf(side=16, kind="PNG")),
        ],
    )
    titles = ["Part of this photo is missing", "This file type is not supported", "This photo is too small"]
    expect(page.locator(".card-title")).to_have_text(titles)


def test_an_empty_image_is_recognised_as_such(open_page: OpenPage) -> None:
    page = open_page()
    page.set_input_files("#picker", chosen("black.png", kind="image/png", body=images.bare()))
    expect(page.get_by_role("heading", name="No clear result")).to_be_visible()
    expect(page.get_by_text("little to analyse")).to_be_visible()


def _saved(heic: pillow_heif.HeifFile) -> bytes:
    sink = io.BytesIO()
    heic.save(sink, quality=80)
    return sink.getvalue()


def test_the_reference_of_the_api_reads_as_text(open_page: OpenPage) -> None:
    page = open_page()
    page.goto(page.url + "docs")
    first = page.locator("article").first
    expect(first).to_contain_text("Classify an image")
    expect(first.locator("td code", has_text="Prefer: wait=N")).to_have_count(1)
    assert "`" not in page.locator("body").inner_text()


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1440, False)])
def test_the_reference_of_the_api_has_every_call_and_fits(open_page: OpenPage, width: int, dark: bool) -> None:
    page = open_page(width=width, dark=dark)
    paths = httpx.get(page.url + "openapi.json").json()["paths"]
    page.goto(page.url + "docs")
    calls = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    expect(page.locator("nav a")).to_have_count(len(calls))
    assert sorted(" ".join(text.split()) for text in page.locator("nav a").all_inner_texts()) == sorted(calls)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
