"""The dashboard in front of the real thing: a service with two days of traffic and experiments in every state."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.system.running import RunningSystem
from tests.web.conftest import OpenPage
from tests.web.dashboard import PHONE, READ_KEY, accessible, confirm, go, log_in, service_with_past
from tests.web.seeds import NASTY

from splitleaf.analysis.windows import MeasureDrift
from splitleaf.api.admin.drift import DriftSchema
from splitleaf.flows.watch_drift import DriftReport, DriftWindow

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
    expect(page.get_by_role("alert")).to_contain_text("This key is unknown")
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
    drawings = operator.locator(".plot .plot-svg")
    expect(drawings).to_have_count(2)
    expect(operator.get_by_role("img", name="Predictions.")).to_be_visible()
    operator.locator("summary", has_text="As a table").first.click()
    expect(operator.get_by_role("table", name="Predictions").get_by_role("row")).to_have_count(97)
    accessible(operator)
    operator.get_by_role("radio", name="Week").check()
    expect(operator.get_by_text("last 7 days")).to_be_visible()


def test_the_report_begins_with_the_verdict_and_draws_everything_it_rests_on(
    operator: Page, system: RunningSystem
) -> None:
    with system.admin() as admin:
        report = admin.get("/experiments/v2-against-v1/report").json()
    # A difference by condition takes more labels than fit into a test: these are given, all else is as it came.
    for recall in report["recalls"]:
        recall["difference"] = {"value": 0.04, "low": -0.02, "high": 0.1}
    operator.route("**/experiments/v2-against-v1/report", lambda route: route.fulfill(json=report))
    go(operator, "/admin/experiments/v2-against-v1", "v2-against-v1")
    expect(operator.locator(".headline").first).to_have_text(report["statement"]["headline"])
    first = operator.get_by_role("heading", level=2).first
    expect(first).to_have_text("Verdict")
    for check in report["health"]["checks"]:
        expect(operator.get_by_text(check["summary"], exact=True)).to_be_visible()
    for metric in report["metrics"]:
        expect(operator.get_by_role("rowheader", name=metric["title"]).first).to_be_visible()
    for title in (
        "Difference in accuracy over time",
        "Evidence of a difference in accuracy",
        "Accuracy and latency",
        "Confidence and accuracy",
        "Difference in recall by condition: candidate",
        "Images and stages",
        "Share of images completed within a time",
        "Traffic drift",
    ):
        figure = operator.get_by_role("figure").filter(has=operator.get_by_role("heading", name=title, exact=True))
        expect(figure.locator(".drawing svg")).to_have_count(1)
        assert figure.locator(".drawing").locator("path, line, rect, circle").count() > 3, title
    for opener in operator.locator(".plot summary").all():
        opener.click()
    expect(operator.locator(".plot details table")).to_have_count(operator.locator(".plot summary").count())
    accessible(operator)


def test_the_leaves_on_which_versions_differ_are_shown_and_timings_can_be_told_apart(operator: Page) -> None:
    go(operator, "/admin/experiments/v2-against-v1", "v2-against-v1")
    leaf = operator.locator(".gallery img").first
    leaf.scroll_into_view_if_needed()
    expect(leaf).to_have_js_property("complete", value=True)
    assert leaf.evaluate("image => image.naturalWidth") > 0
    shown = operator.get_by_role("table", name="Percentiles with their intervals")
    before = shown.inner_text()
    operator.get_by_role("radio", name="Inference").check()
    expect(shown).not_to_have_text(before)


def test_other_shares_begin_with_those_in_force(operator: Page) -> None:
    go(operator, "/admin/experiments/v2-against-v1", "v2-against-v1")
    operator.get_by_role("button", name="Change shares").click()
    dialog = operator.get_by_role("dialog")
    expect(dialog.get_by_label("control, percent")).to_have_value("50")
    expect(dialog.get_by_label("candidate, percent")).to_have_value("50")
    dialog.get_by_role("button", name="Cancel").click()


def test_the_report_is_downloaded_as_json(operator: Page) -> None:
    go(operator, "/admin/experiments/v2-unseen", "v2-unseen")
    with operator.expect_download() as download:
        operator.get_by_role("link", name="Report as JSON").click()
    report = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert report["experiment"]["key"] == "v2-unseen"


def test_a_versions_page_draws_the_windows_of_its_images(operator: Page, shots: Path | None) -> None:
    go(operator, "/admin/models/v1", "v1")
    expect(operator.get_by_text("no reference images to compare with")).to_be_visible()
    version = operator.request.get(f"{operator.url.partition('/admin')[0]}/admin/api/models/v1").json()
    version["manifest"]["insight"] = {"reference_images": 2_463}
    operator.route("**/admin/api/models/v1", lambda route: route.fulfill(json=version))
    operator.route("**/admin/api/models/v1/drift", lambda route: route.fulfill(json=drift_of(3, dark_from=3)))
    operator.reload()
    expect(operator.get_by_role("img", name="1 of 3 windows exceed a limit: brightness.")).to_be_visible()
    expect(operator.locator(".plot svg circle")).to_have_count(6)
    if shots:
        operator.screenshot(path=shots / "drift.png", full_page=True)
    operator.locator("summary", has_text="As a table").click()
    expect(operator.get_by_role("table", name="Drift relative to the limits").get_by_role("row")).to_have_count(7)
    accessible(operator)
    trouble = {"status": 500, "code": "invalid_artifact", "detail": "insight.npz of v1 cannot be read"}
    operator.unroute("**/admin/api/models/v1/drift")
    operator.route("**/admin/api/models/v1/drift", lambda route: route.fulfill(status=500, json=trouble))
    operator.reload()
    expect(operator.get_by_text("insight.npz of v1 cannot be read")).to_be_visible()
    expect(operator.get_by_role("heading", name="Workers")).to_be_visible()


def drift_of(windows: int, dark_from: int) -> dict[str, Any]:
    report = DriftReport(
        "v1",
        "d" * 64,
        "tomato/train",
        2_463,
        500,
        1_612,
        tuple(
            DriftWindow(
                number,
                number * 86_400_000,
                (number + 1) * 86_400_000,
                (
                    MeasureDrift("brightness", 0.8 if number >= dark_from else 0.1, 0.25),
                    MeasureDrift("label", 0.2, 0.3),
                ),
            )
            for number in range(1, windows + 1)
        ),
    )
    return DriftSchema.of(report).model_dump()


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
    operator.get_by_label("Reason").fill("to see")
    operator.get_by_role("button", name="Save as draft").click()
    dialog = operator.get_by_role("dialog")
    expect(dialog).to_contain_text("Log in again")
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
    operator.get_by_label("Minimum detectable effect").fill("4")
    expect(operator.locator(".size.chosen")).to_contain_text("images")
    before = operator.locator(".size.chosen").inner_text()
    operator.get_by_label("Minimum detectable effect").fill("2")
    expect(operator.locator(".size.chosen")).not_to_have_text(before)
    operator.get_by_label("Earlier stages").fill("5, 25")
    operator.get_by_label("Reason").fill("to see")
    operator.get_by_role("button", name="Save as draft").click()
    state = operator.locator("h1 .chip")
    expect(state).to_have_text("Draft")
    for button, confirmation, after in (
        ("Start", "Start", "Running"),
        ("Next stage", "Advance", "Running"),
        ("Pause", "Pause", "Paused"),
        ("Resume", "Resume", "Running"),
        ("Stop", "Stop", "Stopped"),
        ("Promote", "Promote", "Promoted"),
        ("Undo the promotion", "Undo the promotion", "Rolled back"),
    ):
        operator.get_by_role("button", name=button, exact=True).click()
        if button == "Promote":
            expect(operator.get_by_role("dialog")).to_contain_text("The evidence does not support promoting it.")
            operator.get_by_label("Promote despite the evidence").check()
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
    operator.get_by_label("Reason").fill("to see")
    operator.get_by_role("button", name="Save as draft").click()
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
    expect(operator).to_have_title(re.compile("^Models"))
    expect(operator.locator("#main")).to_be_focused()
    operator.go_back()
    expect(operator.get_by_role("heading", level=1)).to_have_text("Overview")


def test_what_is_not_there_is_said_and_an_unknown_address_is_a_problem(operator: Page, system: RunningSystem) -> None:
    go(operator, "/admin/experiments/nobody", "This page can't be shown")
    expect(operator.get_by_role("alert")).to_contain_text("nobody")
    assert operator.request.get(f"{system.url}/admin/nothing").status == 404


def showing(page: Page) -> str:
    """Return which image lies on the desk, by its address within this page."""
    image = page.get_by_role("img", name="The image to label")
    expect(image).to_be_visible()
    return str(image.get_attribute("src"))


def labelled(system: RunningSystem) -> int:
    with system.admin() as admin:
        reasons = admin.get("/review/progress", params={"experiment": "v2-against-v1"}).json()["reasons"]
    return next(int(one["labelled"]) for one in reasons if one["reason"] == "disagreement")


def test_an_expert_labels_with_one_key_each_and_takes_one_back(operator: Page, system: RunningSystem) -> None:
    go(operator, "/admin/review?experiment=v2-against-v1", "Review")
    first = showing(operator)
    desk = operator.get_by_role("region", name="Image to label")
    assert not any(word in desk.inner_text() for word in ("v1", "v2", "candidate", "control"))
    before = labelled(system)
    with operator.expect_response("**/label") as said:
        operator.keyboard.press("1")
    assert said.value.status == 200
    second = showing(operator)
    assert second != first
    operator.keyboard.press("x")
    operator.get_by_role("button", name="Late blight").click()
    expect(operator.get_by_role("button", name="Undo")).to_be_enabled()
    third = showing(operator)
    with operator.expect_response("**/undo") as undone:
        operator.keyboard.press("u")
    assert undone.value.status == 200
    assert showing(operator) != third
    assert labelled(system) >= before
    accessible(operator)


def test_keys_are_left_alone_while_somebody_types_and_when_switched_off(operator: Page) -> None:
    go(operator, "/admin/review?experiment=v2-against-v1", "Review")
    present = showing(operator)
    name = operator.get_by_label("Your name")
    name.press_sequentially("x1")
    assert showing(operator) == present
    expect(operator.get_by_role("button", name="Undo")).to_be_disabled()
    with operator.expect_response("**/review/next"):
        name.blur()  # another expert has another desk
    operator.get_by_label("Keyboard shortcuts").uncheck()
    present = showing(operator)
    operator.keyboard.press("1")
    operator.keyboard.press("x")
    assert showing(operator) == present
    expect(operator.get_by_role("button", name="Undo")).to_be_disabled()


def test_a_label_that_does_not_get_through_comes_back_with_its_image(operator: Page) -> None:
    go(operator, "/admin/review?experiment=v2-against-v1", "Review")
    present = showing(operator)
    operator.route("**/label", lambda route: route.abort())
    operator.keyboard.press("2")
    expect(operator.get_by_role("alert")).to_contain_text("The service does not respond")
    assert showing(operator) == present
    operator.unroute("**/label")
    with operator.expect_response("**/label") as said:
        operator.keyboard.press("2")
    assert said.value.status == 200


def test_on_a_phone_a_thumb_is_enough(open_page: OpenPage, system: RunningSystem) -> None:
    page = open_page(width=360, height=780, **QUIETLY, **PHONE)
    log_in(page, system.admin_key)
    go(page, "/admin/review?experiment=v2-against-v1", "Review")
    first = showing(page)
    for target in page.locator("main button:visible, nav a:visible").all():
        box = target.bounding_box()
        assert box is not None
        assert round(box["height"], 2) >= 44, target.inner_text()  # laid out in fractions of a pixel
    page.get_by_role("button", name="healthy").tap()
    assert showing(page) != first
    page.get_by_role("button", name="Undo").tap()
    assert showing(page) == first


def contradict(system: RunningSystem, labels: tuple[str, str], images: int) -> list[str]:
    """Let two people say different things of images on which nobody has decided; return their ids."""
    with system.admin() as admin:
        (agreement,) = admin.get("/experiments/v2-against-v1/report").json()["agreements"]
        chosen = [one["prediction_id"] for one in agreement["examples"][:images]]
        rows = [f"{one},{label},{who}" for one in chosen for label, who in zip(labels, ("carla", "dan"), strict=True)]
        sent = admin.post(
            "/labels/import",
            content="\r\n".join(["prediction_id,label,author", *rows, ""]),
            headers={"Content-Type": "text/csv"},
        )
    assert sent.status_code == 200, sent.text
    return chosen


def test_labels_that_contradict_each_other_are_shown_and_decided(
    open_page: OpenPage, operator: Page, system: RunningSystem, shots: Path | None
) -> None:
    chosen = contradict(system, ("healthy", "Late_blight"), images=2)
    go(operator, "/admin/review?experiment=v2-against-v1", "Review")
    panel = operator.get_by_role("region", name="Conflicting labels")
    disputed = panel.get_by_role("listitem")
    expect(disputed).to_have_count(len(chosen))
    first = disputed.filter(has_text="carla: healthy").first
    expect(first).to_contain_text("dan: Late blight")
    expect(first.get_by_role("img")).to_have_js_property("complete", value=True)
    assert first.get_by_role("img").evaluate("image => image.naturalWidth") > 0
    accessible(operator)
    if shots:
        panel.screenshot(path=shots / "disputes.png")
    with operator.expect_response("**/settle") as settled:
        first.get_by_role("button", name="Late blight").click()
    assert settled.value.json()["label"] == "Late_blight"
    expect(disputed).to_have_count(1)
    operator.route("**/settle", lambda route: route.abort())
    disputed.get_by_role("button", name="healthy").first.click()
    expect(panel.get_by_role("alert")).to_contain_text("The service does not respond")
    expect(disputed).to_have_count(1)
    with system.admin() as admin:
        rows = admin.get("/labels/export", params={"experiment": "v2-against-v1"}).text
    assert sum(",adjudication," in row for row in rows.splitlines() if row.startswith(tuple(chosen))) == 1
    phone = open_page(width=360, height=780, **QUIETLY, **PHONE)
    log_in(phone, READ_KEY)
    go(phone, "/admin/review?experiment=v2-against-v1", "Review")
    reading = phone.get_by_role("region", name="Conflicting labels")
    expect(reading.get_by_role("listitem")).to_have_count(1)
    expect(reading.get_by_role("button")).to_have_count(0)
    accessible(phone)
