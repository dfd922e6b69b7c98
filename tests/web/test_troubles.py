"""What goes wrong, what the page says to it, and what one can do then."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.web.conftest import OpenPage
from tests.web.images import chosen
from tests.web.stub import StubService

pytestmark = pytest.mark.browser

QUIETLY = "Failed to load resource"  # the browser's own line in the log for each status of 400 and more


def send(page: Page) -> None:
    page.set_input_files("#picker", chosen())


REFUSED = [
    (422, "image_empty", "This file is empty"),
    (422, "image_corrupt", "This photo is damaged"),
    (422, "image_truncated", "Part of this photo is missing"),
    (422, "image_too_small", "This photo is too small"),
    (422, "image_too_many_pixels", "This image is too large"),
    (422, "image_bad_aspect", "This image is too long and narrow"),
    (422, "image_animated", "This image is animated"),
    (422, "image_too_complex", "This image cannot be read safely"),
    (422, "metadata_too_large", "This file contains too much extra data"),
    (415, "unsupported_media_type", "This file type is not supported"),
    (413, "payload_too_large", "This file is too large"),
]


def test_each_refusal_says_what_to_do_and_offers_another_photo(open_page: OpenPage, stub: StubService) -> None:
    for status, code, _ in REFUSED:
        stub.expect(refusals=[(status, code, {})])
    page = open_page(tolerate=QUIETLY)
    page.set_input_files("#picker", [chosen(f"{code}.jpg") for _, code, _ in REFUSED])
    expect(page.locator("[data-phase=failed]")).to_have_count(len(REFUSED))
    # Uploads overlap, so which photo meets which answer is open; that each answer has its words is not.
    assert sorted(page.locator(".card-title").all_inner_texts()) == sorted(title for _, _, title in REFUSED)
    expect(page.get_by_role("button", name="Choose another photo")).to_have_count(len(REFUSED))
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    for advice in page.locator(".trouble").all_inner_texts():
        assert len(advice) > 20


def test_a_status_without_a_body_has_words_too(open_page: OpenPage, stub: StubService) -> None:
    page = open_page(tolerate=QUIETLY)
    page.route("**/v1/predictions", lambda route: route.fulfill(status=413, body="<html>too large</html>"))
    send(page)
    expect(page.get_by_role("heading", name="This file is too large")).to_be_visible()


def test_an_unknown_refusal_takes_the_blame_and_offers_another_try(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(refusals=[(500, "internal_error", {})])
    page = open_page(tolerate=QUIETLY)
    send(page)
    expect(page.get_by_role("heading", name="Something went wrong")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    assert len({upload["key"] for upload in stub.uploads}) == 2


def test_what_is_certainly_no_photo_is_not_sent_at_all(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    page.set_input_files(
        "#picker",
        [
            chosen("report.pdf", kind="application/pdf", body=b"%PDF-1.7"),
            chosen("moving.gif", kind="image/gif", body=b"GIF89a"),
            chosen("drawing.svg", kind="image/svg+xml", body=b"<svg/>"),
            chosen("nothing.jpg", body=b""),
        ],
    )
    other = "This file type is not supported"
    expect(page.locator(".card-title")).to_have_text([other, other, other, "This file is empty"])
    assert stub.uploads == []


BUSY = [
    (503, "overloaded", "The service is busy"),
    (429, "rate_limited", "Too many photos at once"),
    (502, "bad_gateway", "The service is temporarily unavailable"),
]


def test_a_busy_service_is_asked_again_by_itself_under_the_same_key(open_page: OpenPage, stub: StubService) -> None:
    for status, code, _ in BUSY:
        stub.expect(refusals=[(status, code, {"Retry-After": "2"})])
    page = open_page(tolerate=QUIETLY)
    page.set_input_files("#picker", [chosen() for _ in BUSY])
    for _, _, reason in BUSY:
        expect(page.get_by_role("heading", name=reason)).to_be_visible()
    expect(page.get_by_text("Retrying in 1 s").first).to_be_visible()
    expect(page.locator("[data-phase=answered]")).to_have_count(3)
    assert len(stub.uploads) == 6
    assert len({upload["key"] for upload in stub.uploads}) == 3


def test_a_service_that_starts_says_so(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(refusals=[(503, "no_model_ready", {})])
    page = open_page(tolerate=QUIETLY)
    send(page)
    expect(page.get_by_role("heading", name="The service is starting")).to_be_visible()
    expect(page.get_by_text("Retrying in 5 s")).to_be_visible()


def test_the_impatient_may_try_at_once(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(refusals=[(503, "overloaded", {"Retry-After": "90"})])
    page = open_page(tolerate=QUIETLY)
    send(page)
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()


def test_asking_again_ends_after_some_tries(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(refusals=[(503, "overloaded", {"Retry-After": "60"})] * 6)
    page = open_page(tolerate=QUIETLY)
    send(page)
    for _ in range(5):
        page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_role("heading", name="The service is busy")).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    assert len(stub.uploads) == 6


def test_offline_photos_wait_for_the_connection(open_page: OpenPage, stub: StubService) -> None:
    page = open_page(tolerate=QUIETLY)
    page.context.set_offline(True)
    send(page)
    expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()


def test_a_service_out_of_reach_is_said_plainly(open_page: OpenPage, stub: StubService) -> None:
    page = open_page(tolerate=QUIETLY)
    page.route("**/v1/predictions", lambda route: route.abort())
    send(page)
    expect(page.get_by_role("heading", name="The service cannot be reached")).to_be_visible()
    page.unroute("**/v1/predictions")
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()


def test_a_photo_that_fails_later_may_be_tried_again(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(ends="failed", error={"code": "inference_failed", "detail": "x"})
    stub.expect(ends="failed", error={"code": "brand_new", "detail": "x"})
    stub.expect(ends="expired")
    page = open_page()
    page.set_input_files("#picker", [chosen(), chosen(), chosen()])
    for title in ("The photo could not be analysed", "Something went wrong", "This took too long"):
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    for _ in range(3):
        page.get_by_role("button", name="Try again").first.click()
    expect(page.locator("[data-phase=answered]")).to_have_count(3)


def test_where_there_are_no_events_the_page_asks(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(events="missing")
    page = open_page(tolerate=QUIETLY)
    send(page)
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    assert len(stub.reads) >= 2
    assert len(stub.uploads) == 1


def test_where_events_are_held_back_the_page_asks_after_a_while(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(events="silent")
    page = open_page()
    page.clock.install()
    send(page)
    expect(page.get_by_role("heading", name="Waiting in the queue")).to_be_visible()
    assert stub.reads == []
    page.clock.run_for(15_000)
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    assert len(stub.uploads) == 1


def test_a_waiting_photo_may_be_stopped_and_started_again(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(hold=["queued"])
    page = open_page()
    send(page)
    expect(page.get_by_role("heading", name="Waiting in the queue")).to_be_visible()
    page.get_by_role("button", name="Cancel photo 1").click()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_focused()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    assert len(stub.canceled) == 1


def test_a_photo_whose_turn_has_not_come_is_stopped_without_being_sent(open_page: OpenPage, stub: StubService) -> None:
    held = [stub.expect(hold=["queued"]) for _ in range(3)]
    page = open_page()
    page.set_input_files("#picker", [chosen(f"{number}.jpg") for number in range(4)])
    expect(page.locator("[data-phase=waiting]")).to_have_count(1)
    expect(page.locator("[data-phase=queued]")).to_have_count(3)
    page.locator("[data-phase=waiting]").get_by_role("button").click()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
    for journey in held:
        journey.gate.set()
    expect(page.locator("[data-phase=answered]")).to_have_count(3)
    assert len(stub.uploads) == 3


def test_stop_stays_under_the_finger_from_stage_to_stage(open_page: OpenPage, stub: StubService) -> None:
    journey = stub.expect(hold=["queued", "running"])
    page = open_page()
    send(page)
    expect(page.get_by_role("heading", name="Waiting in the queue")).to_be_visible()
    page.get_by_role("button", name="Cancel photo 1").focus()
    journey.hold = frozenset(["running"])
    expect(page.get_by_role("heading", name="Analysing the leaf")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel photo 1")).to_be_focused()
    journey.gate.set()
    expect(page.get_by_role("heading", name="Late blight")).to_be_focused()
