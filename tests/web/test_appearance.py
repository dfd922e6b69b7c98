"""The page for every eye: sizes, colours, motion, assistive technology."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, expect
from tests.web.conftest import OpenPage
from tests.web.images import chosen
from tests.web.stub import StubService, result

pytestmark = pytest.mark.browser

COMBINATIONS = [(360, False), (360, True), (1440, False), (1440, True)]
STICKS_OUT = """() => [...document.querySelectorAll("button, label.button")].filter((control) => {
  const frame = control.closest(".card, .intake, .memory, dialog")?.getBoundingClientRect();
  const box = control.getBoundingClientRect();
  return frame && box.width && (box.left < frame.left || box.right > frame.right);
}).map((control) => control.innerText)"""
PHONE: dict[str, Any] = {"has_touch": True, "is_mobile": True}


def photos(count: int) -> list[FilePayload]:
    return [chosen(f"leaf {number}.jpg", seed=number) for number in range(count)]


def accessible(page: Page) -> None:
    """Check by axe, and that nothing has to be scrolled sideways."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    assert page.evaluate(STICKS_OUT) == [], "a control sticks out of what frames it"


def keep(page: Page, shots: Path | None, name: str) -> None:
    if shots is None:
        return
    size = page.viewport_size
    assert size is not None
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": height})
    page.screenshot(path=shots / f"{name}.png")
    page.set_viewport_size(size)


@pytest.mark.parametrize(("width", "dark"), COMBINATIONS)
def test_every_state_is_accessible_in_every_size_and_colour(
    open_page: OpenPage, stub: StubService, shots: Path | None, width: int, dark: bool
) -> None:
    options = PHONE if width < 500 else {}
    name = f"{width}-{'dark' if dark else 'light'}"
    page = open_page(
        width=width, height=800, dark=dark, reduced_motion="reduce", tolerate="Failed to load resource", **options
    )
    accessible(page)
    keep(page, shots, f"{name}-start")

    page.set_input_files("#picker", photos(1))
    expect(page.locator("[data-phase=answered]")).to_have_count(1)
    page.get_by_role("button", name="Why this result?").click()
    expect(page.locator("canvas.heat")).to_be_visible()
    accessible(page)
    keep(page, shots, f"{name}-answer")
    page.get_by_role("button", name="Remove photo 1").click()

    many = [
        stub.expect(hold=["queued"]),
        stub.expect(hold=["running"]),
        stub.expect(refusals=[(503, "overloaded", {"Retry-After": "60"})]),
    ]
    page.set_input_files("#picker", photos(4))
    expect(page.locator("[data-phase=retrying]")).to_have_count(1)
    expect(page.locator("[data-phase=running]")).to_have_count(1)
    accessible(page)
    keep(page, shots, f"{name}-working")
    page.locator("[data-phase=queued], [data-phase=waiting]").first.get_by_role("button").click()
    for journey in many:
        journey.gate.set()
    page.get_by_role("button", name="Retry now").click()
    expect(page.locator("[data-phase=answered]")).to_have_count(3)
    page.get_by_role("button", name="Remove all").click()

    stub.expect(result=result("healthy", 99.4))
    stub.expect(result=result("Target_Spot", 41.2, sure=False))
    stub.expect(result=result("Target_Spot", 31.2, sure=False, unfamiliar=True))
    stub.expect(result=result("Target_Spot", 31.2, sure=False, bare=True))
    stub.expect(refusals=[(422, "image_truncated", {})])
    page.set_input_files("#picker", photos(5))
    expect(page.locator("[data-phase=answered]")).to_have_count(4)
    expect(page.locator("[data-phase=failed]")).to_have_count(1)
    page.get_by_role("button", name="No", exact=True).first.click()
    expect(page.get_by_role("radio")).to_have_count(10)
    page.locator(".memory summary").first.click()
    page.locator(".memory").first.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".thanks")).to_contain_text("Thank you.")
    accessible(page)
    keep(page, shots, f"{name}-various")

    page.get_by_role("button", name="Clear history").click()
    accessible(page)


def test_at_twice_the_size_nothing_is_cut(open_page: OpenPage, stub: StubService) -> None:
    # 200 % zoom of a window of 1280 x 800 is a window of 640 x 400 at two device pixels each.
    page = open_page(width=640, height=400, device_scale_factor=2)
    page.set_input_files("#picker", photos(2))
    expect(page.locator("[data-phase=answered]")).to_have_count(2)
    accessible(page)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_follows_the_system_until_told_otherwise(open_page: OpenPage, stub: StubService, dark: bool) -> None:
    def is_dark() -> bool:
        return "rgb(18, 23, 19)" in page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    page = open_page(dark=dark)
    toggle = page.get_by_role("button", name="Dark colours")
    expect(toggle).to_have_attribute("aria-pressed", str(dark).lower())
    assert is_dark() is dark
    toggle.click()
    assert is_dark() is not dark
    page.reload()
    expect(toggle).to_have_attribute("aria-pressed", str(not dark).lower())
    assert is_dark() is not dark
    toggle.click()
    page.emulate_media(color_scheme="light" if dark else "dark")
    expect(toggle).to_have_attribute("aria-pressed", str(not dark).lower())


def test_nothing_moves_for_those_who_ask_for_stillness(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(hold=["running"])
    page = open_page(reduced_motion="reduce")
    page.set_input_files("#picker", photos(1))
    expect(page.locator("[data-phase=running]")).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0


def test_fingers_find_what_they_aim_at(open_page: OpenPage, stub: StubService) -> None:
    page = open_page(width=360, height=740, **PHONE)
    page.set_input_files("#picker", photos(2))
    expect(page.locator("[data-phase=answered]")).to_have_count(2)
    for target in page.locator("button:visible, label.button:visible").all():
        box = target.bounding_box()
        assert box is not None
        assert round(box["height"], 2) >= 44, target.inner_text()  # laid out in fractions of a pixel
        assert round(box["width"], 2) >= 44, target.inner_text()


def test_without_scripts_a_plain_form_remains(open_page: OpenPage, stub: StubService) -> None:
    page = open_page(java_script_enabled=False)
    expect(page.get_by_text("This page works best with JavaScript.")).to_be_visible()
    expect(page.locator("#picker")).to_be_visible()
    expect(page.get_by_role("button", name="Send the photo")).to_be_visible()
    expect(page.get_by_role("button", name="Dark colours")).to_be_hidden()


def test_the_first_view_loads_fast_and_only_from_home(open_page: OpenPage, stub: StubService, address: str) -> None:
    page = open_page()
    names = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith(address) for name in names)
    assert len(names) < 40
