"""The dashboard in front of the real thing: a service with two days of traffic and experiments in every state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.system.running import RunningSystem
from tests.web.conftest import OpenPage
from tests.web.dashboard import PHONE, READ_KEY, accessible, confirm, go, log_in, service_with_past
from tests.web.seeds import NASTY

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# Asking whether there is a session is answered by 401 when there is none, which a browser tells its console.
QUIETLY = {"tolerate": "Failed to load resource"}
COMBINATIONS = [(360, False), (360, True), (1440, False), (1440, True)]
PAGES = [
    ("/admin", "Overview"),
    ("/admin/models", "Models"),
    ("/admin/models/v2", "v2"),
    ("/admin/experiments", "Experiments"),
    ("/admin/experiments/next-idea", "next-idea"),
    ("/admin/experiments/v2-against-v1", "v2-against-v1"),
    ("/admin/new-experiment", "New experiment"),
    ("/admin/review", "Review"),
    ("/admin/audit", "Audit log"),
]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with service_with_past(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def address(system: RunningSystem) -> str:
    return f"{system.url}/admin"


@pytest.fixture
def operator(open_page: OpenPage, system: RunningSystem) -> Page:
    """A page of somebody who may change things."""
    page = open_page(**QUIETLY)
    log_in(page, system.admin_key)
    return page


def test_a_key_opens_the_dashboard_and_no_script_can_read_the_session(
    open_page: OpenPage, system: RunningSystem
) -> None:
    page = open_page(**QUIETLY)
    accessible(page)
    page.get_by_label("Key").fill("not a key")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("This key is not known")
    accessible(page)
    log_in(page, system.admin_key)
    assert page.evaluate("document.cookie + JSON.stringify({...localStorage})").find(system.admin_key) == -1
    assert "splitleaf_session" not in page.evaluate("document.cookie")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Key")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Key")).to_be_visible()


@pytest.mark.parametrize(("width", "dark"), COMBINATIONS)
def test_every_page_is_accessible_in_every_size_and_colour(
    open_page: OpenPage, system: RunningSystem, shots: Path | None, width: int, dark: bool
) -> None:
    options = PHONE if width < 500 else {}
    page = open_page(width=width, height=800, dark=dark, reduced_motion="reduce", **QUIETLY, **options)
    log_in(page, system.admin_key)
    for path, heading in PAGES:
        go(page, path, heading)
        page.wait_for_load_state("networkidle")
        accessible(page)
        if shots:
            name = path.strip("/").replace("/", "-")
            page.screenshot(path=shots / f"{name}-{width}-{'dark' if dark else 'light'}.png", full_page=True)


def test_the_overview_shows_traffic_as_plots_and_as_tables(operator: Page) -> None:
    drawings = operator.locator(".plot svg")
    expect(drawings).to_have_count(2)
    expect(operator.get_by_role("img", name="Predictions.")).to_be_visible()
    operator.locator("summary", has_text="As a table").first.click()
    expect(operator.get_by_role("table", name="Predictions").get_by_role("row")).to_have_count(97)
    accessible(operator)
    operator.get_by_role("radio", name="Week").check()
    expect(operator.get_by_text("last 7 days")).to_be_visible()


def test_texts_of_others_stay_texts(operator: Page) -> None:
    for path, heading in PAGES:
        go(operator, path, heading)
        operator.wait_for_load_state("networkidle")
        assert operator.evaluate("window.owned") is None
        assert operator.locator("main img[src=x], main script").count() == 0
    for path in ("/admin/experiments/next-idea", "/admin/models/v2", "/admin/models", "/admin/audit"):
        go(operator, path, "")
        expect(operator.get_by_text(NASTY).first).to_be_visible()


def test_who_may_only_look_is_offered_nothing_to_change(open_page: OpenPage) -> None:
    page = open_page(**QUIETLY)
    log_in(page, READ_KEY)
    expect(page.get_by_text("read only")).to_be_visible()
    for path, heading in PAGES:
        go(page, path, heading)
        page.wait_for_load_state("networkidle")
        names = [one.inner_text() for one in page.locator("main button:visible").all()]
        assert names == [], f"{path} offers {names}"
    go(page, "/admin/experiments", "Experiments")
    expect(page.get_by_text("New experiment")).to_have_count(0)


def test_a_session_that_ends_is_opened_again_without_losing_what_was_typed(
    operator: Page, system: RunningSystem
) -> None:
    go(operator, "/admin/new-experiment", "New experiment")
    operator.get_by_label("Hypothesis").fill("something that took long to write")
    operator.context.clear_cookies()
    operator.get_by_label("Key", exact=True).fill("after-the-session")
    operator.get_by_label("Why").fill("to see")
    operator.get_by_role("button", name="Keep as a draft").click()
    dialog = operator.get_by_role("dialog")
    expect(dialog).to_contain_text("Please log in again")
    accessible(operator)
    dialog.get_by_label("Key").fill(system.admin_key)
    dialog.get_by_role("button", name="Log in").click()
    expect(operator.get_by_role("heading", level=1)).to_contain_text("after-the-session")
    expect(operator.get_by_text("something that took long to write")).to_be_visible()


def test_an_experiment_is_planned_with_its_size_in_view_and_goes_through_its_life(operator: Page) -> None:
    for key in ("v2-against-v1", "v2-unseen"):  # they hold all visitors of the layer
        go(operator, f"/admin/experiments/{key}", key)
        operator.get_by_role("button", name="Stop").click()
        confirm(operator, "Stop", "making room")
        expect(operator.locator("h1 .chip")).to_have_text("Stopped")
    go(operator, "/admin/new-experiment", "New experiment")
    operator.get_by_label("Key", exact=True).fill("by-hand")
    operator.get_by_label("Hypothesis").fill("v2 is better")
    operator.get_by_text("Live A/B").click()
    operator.get_by_label("Smallest difference that matters").fill("4")
    expect(operator.locator(".size.chosen")).to_contain_text("pictures")
    before = operator.locator(".size.chosen").inner_text()
    operator.get_by_label("Smallest difference that matters").fill("2")
    expect(operator.locator(".size.chosen")).not_to_have_text(before)
    operator.get_by_label("Stages before").fill("5, 25")
    operator.get_by_label("Why").fill("to see")
    operator.get_by_role("button", name="Keep as a draft").click()
    state = operator.locator("h1 .chip")
    expect(state).to_have_text("Draft")
    for button, confirmation, after in (
        ("Start", "Start", "Running"),
        ("Next stage", "Ramp up", "Running"),
        ("Pause", "Pause", "Paused"),
        ("Go on", "Go on", "Running"),
        ("Stop", "Stop", "Stopped"),
        ("Promote", "Promote", "Promoted"),
        ("Undo the promotion", "Undo the promotion", "Rolled back"),
    ):
        operator.get_by_role("button", name=button, exact=True).click()
        accessible(operator)
        confirm(operator, confirmation, f"because of {button}")
        expect(state).to_have_text(after)
    go(operator, "/admin/audit?subject=experiment%2Fby-hand", "Audit log")
    expect(operator.locator(".entry")).to_have_count(8)
    expect(operator.locator(".entry").first).to_contain_text("because of Undo the promotion")


def test_a_step_that_is_refused_says_why_and_keeps_what_was_typed(operator: Page) -> None:
    go(operator, "/admin/experiments/v2-too-early", "v2-too-early")
    assert operator.locator(".steps button").count() == 0
    go(operator, "/admin/new-experiment", "New experiment")
    operator.get_by_label("Key", exact=True).fill("next-idea")
    operator.get_by_label("Hypothesis").fill("there is one of this name")
    operator.get_by_label("Why").fill("to see")
    operator.get_by_role("button", name="Keep as a draft").click()
    expect(operator.get_by_role("alert")).to_contain_text("There is an experiment 'next-idea' already")
    expect(operator.get_by_label("Hypothesis")).to_have_value("there is one of this name")


def test_the_champion_is_moved_and_rolled_back_with_a_reason(operator: Page) -> None:
    go(operator, "/admin/models", "Models")
    operator.get_by_role("button", name="Move…").click()
    dialog = operator.get_by_role("dialog")
    dialog.get_by_role("button", name="Move", exact=True).click()
    expect(dialog).to_be_visible()  # not without a reason
    accessible(operator)
    operator.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    operator.get_by_role("button", name="Move…").click()
    confirm(operator, "Move", "v2 won")
    expect(operator.get_by_role("heading", name="champion → v2")).to_be_visible()
    operator.get_by_role("button", name="Roll back…").click()
    confirm(operator, "Roll back", "too slow")
    expect(operator.get_by_role("heading", name="champion → v1")).to_be_visible()


def test_the_keyboard_reaches_everything_and_the_page_says_where_one_is(operator: Page) -> None:
    operator.reload()
    expect(operator.get_by_role("heading", level=1)).to_have_text("Overview")
    operator.keyboard.press("Tab")
    expect(operator.get_by_role("link", name="Skip to the content")).to_be_focused()
    operator.get_by_role("link", name="Models", exact=True).focus()
    operator.keyboard.press("Enter")
    expect(operator.get_by_role("heading", level=1)).to_have_text("Models")
    expect(operator.get_by_role("link", name="Models", exact=True)).to_have_attribute("aria-current", "page")
    assert operator.title().startswith("Models")
    assert operator.evaluate("document.activeElement.id") == "main"
    operator.go_back()
    expect(operator.get_by_role("heading", level=1)).to_have_text("Overview")


def test_what_is_not_there_is_said_and_an_unknown_address_is_a_problem(operator: Page, system: RunningSystem) -> None:
    go(operator, "/admin/experiments/nobody", "This cannot be shown")
    expect(operator.get_by_role("alert")).to_contain_text("nobody")
    assert operator.request.get(f"{system.url}/admin/nothing").status == 404
