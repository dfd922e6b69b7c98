"""How photos come in, in a real browser."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.web import images
from tests.web.conftest import OpenPage
from tests.web.images import chosen
from tests.web.stub import StubService

pytestmark = pytest.mark.browser


def hand_over(page: Page, event: str, files: list[tuple[str, str, bytes]]) -> None:
    """Dispatch a drop or a paste that carries these files, as a browser does."""
    packed = [[name, kind, base64.b64encode(body).decode()] for name, kind, body in files]
    page.evaluate(
        """([event, files]) => {
          const transfer = new DataTransfer();
          for (const [name, type, packed] of files) {
            const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type }));
          }
          const dispatch = (name) => document.body.dispatchEvent(name === "paste"
            ? new ClipboardEvent(name, { clipboardData: transfer, bubbles: true, cancelable: true })
            : new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true }));
          dispatch(event);
        }""",
        [event, packed],
    )


def test_a_chosen_photo_is_sent_once_and_answered(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    page.set_input_files("#picker", chosen("my leaf.jpg"))
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    expect(page.locator(".card-name")).to_contain_text("my leaf.jpg")
    expect(page.get_by_alt_text("Your photo 1")).to_be_visible()
    (upload,) = stub.uploads
    assert upload["bytes"] == len(images.leaf())
    assert upload["type"] == "image/jpeg"
    assert upload["prefer"] == "respond-async"
    assert re.fullmatch(r"[0-9a-f]{32}", upload["key"])


def test_the_name_of_the_file_stays_at_home(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    page.set_input_files("#picker", chosen("anna at the lake.jpg"))
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    assert stub.uploads[0]["name"] == "photo"


def test_photos_may_be_dropped_anywhere(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    files = [("a.jpg", "image/jpeg", images.leaf(seed=1)), ("b.jpg", "image/jpeg", images.leaf(seed=2))]
    hand_over(page, "dragenter", files)
    expect(page.get_by_text("Drop photos anywhere")).to_be_visible()
    hand_over(page, "drop", files)
    expect(page.get_by_text("Drop photos anywhere")).to_be_hidden()
    expect(page.locator("[data-phase=answered]")).to_have_count(2)
    assert len(stub.uploads) == 2


def test_a_dropped_folder_gives_its_images(open_page: OpenPage, stub: StubService, tmp_path: Path) -> None:
    folder = tmp_path / "tomatoes"
    folder.mkdir()
    for name in ("leaf 10.jpg", "leaf 9.JPG", "notes.txt"):
        (folder / name).write_bytes(images.leaf())
    page = open_page()
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
    expect(page.locator(".file-name")).to_have_text(["leaf 9.JPG", "leaf 10.jpg"])
    expect(page.locator("[data-phase=answered]")).to_have_count(2)


def test_a_drag_that_leaves_again_lifts_the_veil(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    files = [("a.jpg", "image/jpeg", images.leaf())]
    hand_over(page, "dragenter", files)
    hand_over(page, "dragleave", files)
    expect(page.get_by_text("Drop photos anywhere")).to_be_hidden()
    assert stub.uploads == []


def test_a_photo_may_be_pasted(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    hand_over(page, "paste", [("image.jpg", "image/jpeg", images.leaf())])
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    assert len(stub.uploads) == 1


def test_pasted_words_are_left_alone(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    hand_over(page, "paste", [])
    expect(page.locator(".card")).to_have_count(0)


def test_a_phone_offers_its_camera_first(open_page: OpenPage, stub: StubService) -> None:
    page = open_page(width=360, height=740, has_touch=True, is_mobile=True)
    expect(page.get_by_text("Take a photo", exact=True)).to_be_visible()
    expect(page.get_by_text("Choose photos")).to_be_visible()
    assert page.locator("#camera").get_attribute("capture") == "environment"
    page.set_input_files("#camera", chosen("image.jpg"))
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()


def test_a_desk_without_camera_gets_the_picker_alone(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    expect(page.get_by_text("Take a photo", exact=True)).to_be_hidden()
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose photos").click()
    assert chooser.value.is_multiple()
    chooser.value.set_files([chosen()])
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()


def test_several_photos_go_three_at_a_time_and_all_arrive(open_page: OpenPage, stub: StubService) -> None:
    journeys = [stub.expect(hold=["queued"]) for _ in range(7)]
    page = open_page()
    page.set_input_files("#picker", [chosen(f"{number}.jpg", seed=number) for number in range(7)])
    expect(page.locator("[data-phase=queued]")).to_have_count(3)
    expect(page.locator("[data-phase=waiting]")).to_have_count(4)
    assert len(stub.uploads) == 3
    for journey in journeys:
        journey.gate.set()
    expect(page.locator("[data-phase=answered]")).to_have_count(7)
    assert stub.most_at_once == 3
    assert len({upload["key"] for upload in stub.uploads}) == 7


def test_cards_stand_in_the_order_of_choosing_with_the_latest_batch_on_top(
    open_page: OpenPage, stub: StubService
) -> None:
    page = open_page()
    page.set_input_files("#picker", [chosen("a.jpg"), chosen("b.jpg")])
    page.set_input_files("#picker", [chosen("c.jpg")])
    expect(page.locator(".file-name")).to_have_text([re.compile("c.jpg"), re.compile("a.jpg"), re.compile("b.jpg")])


def test_the_same_file_may_be_chosen_twice(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    for count in (1, 2):
        page.set_input_files("#picker", chosen())
        expect(page.locator("[data-phase=answered]")).to_have_count(count)


def test_progress_is_that_of_the_service(open_page: OpenPage, stub: StubService) -> None:
    queued = stub.expect(hold=["queued", "running"])
    page = open_page()
    page.set_input_files("#picker", chosen())
    expect(page.get_by_role("heading", name="Waiting in the queue")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuetext", "Waiting in the queue")
    queued.hold = frozenset(["running"])
    expect(page.get_by_role("heading", name="Analysing the leaf")).to_be_visible()
    queued.gate.set()
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()


def test_an_upload_shows_how_much_has_gone_out(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    network = page.context.new_cdp_session(page)
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 40_000},
    )
    page.set_input_files("#picker", chosen(body=images.leaf(side=640)))
    expect(page.get_by_role("heading", name=re.compile(r"Uploading the photo, [1-9]\d? %"))).to_be_visible()
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()


def test_a_very_large_photo_is_made_smaller_first(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    page.set_input_files("#picker", chosen(body=images.large_photo()))
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    (upload,) = stub.uploads
    assert upload["bytes"] < len(images.large_photo())
    assert upload["type"] == "image/jpeg"


def test_a_photo_that_the_browser_cannot_draw_is_sent_as_it_is(open_page: OpenPage, stub: StubService) -> None:
    body = b"\0\0\0\x18ftypheic" + bytes(500)
    page = open_page()
    page.set_input_files("#picker", chosen("IMG_1.HEIC", body=body, kind="image/heic"))
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    assert stub.uploads[0]["bytes"] == len(body)
    expect(page.locator(".card-image svg")).to_be_visible()


def test_everything_is_done_by_keyboard(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to choosing photos")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#picker")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([chosen()])
    expect(page.get_by_role("heading", name="Late blight")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Why this result?")).to_be_focused()
    for name in ("Signs", "Steps"):  # two summaries
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY", name
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Yes", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Bacterial spot")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Thank you. Your feedback: Early blight.")).to_be_visible()
    expect(page.get_by_role("button", name="Change")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Remove photo 1")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(0)
    expect(page.locator("#intake")).to_be_focused()
    assert [answer for _, answer in stub.feedback] == [{"label": "Early_blight"}]


def test_what_happens_is_told_to_those_who_listen(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    page.set_input_files("#picker", chosen())
    log = page.get_by_role("log")
    expect(log).to_contain_text("One photo added.")
    expect(log).to_contain_text("Photo 1: Very likely Late blight, 97 %.")
