"""How an answer reads, what people say to it, and what the browser remembers."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from tests.web.conftest import OpenPage
from tests.web.images import chosen
from tests.web.stub import StubService, result

pytestmark = pytest.mark.browser


def ask(page: Page, *, count: int = 1) -> None:
    """Send so many photos and wait for all answers."""
    before = page.locator("[data-phase=answered]").count()
    page.set_input_files("#picker", [chosen(f"{number}.jpg") for number in range(count)])
    expect(page.locator("[data-phase=answered]")).to_have_count(before + count)


def shares(page: Page) -> list[str]:
    return page.locator(".bar").all_inner_texts()


def test_confidence_is_said_in_words(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    for confidence, words in [(99.97, "Very likely"), (90.0, "Very likely"), (89.99, "Likely"), (62.0, "Likely")]:
        stub.expect(result=result("Early_blight", confidence))
        ask(page)
        expect(page.locator(".chip-sure").first).to_have_text(words)


def test_the_three_best_stand_as_bars_with_their_share(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(result=result("Leaf_Mold", 80.0))
    page = open_page(reduced_motion="reduce")  # otherwise the bars grow
    ask(page)
    expect(page.locator(".bar-name")).to_have_text(["Leaf mold", "Bacterial spot", "Early blight"])
    expect(page.locator(".bar-share")).to_have_text(["80 %", "14 %", "4 %"])
    widths = page.locator(".bar-fill").evaluate_all(
        "(bars) => bars.map((bar) => bar.clientWidth / bar.parentElement.clientWidth)"
    )
    assert [round(width * 100) for width in widths] == pytest.approx([80, 14, 4], abs=1)


def test_no_share_is_rounded_up_to_certainty(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(result=result("Leaf_Mold", 99.7))
    page = open_page()
    ask(page)
    expect(page.locator(".bar-share")).to_have_text(["over 99 %", "under 1 %", "under 1 %"])


def test_a_condition_is_described_with_what_to_do_first(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    ask(page)
    expect(page.get_by_text("Cause: Water mould (Phytophthora infestans)")).to_be_visible()
    expect(page.get_by_text("Act soon")).to_be_visible()
    expect(page.get_by_text("Act today.")).to_be_visible()
    page.get_by_text("Compare the symptoms").click()
    expect(page.get_by_text("White fuzz underneath")).to_be_visible()


def test_among_several_photos_the_advice_waits_to_be_opened(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    ask(page, count=2)
    expect(page.get_by_text("Act today.").first).to_be_hidden()
    page.locator("summary", has_text="What to do first").first.click()
    expect(page.get_by_text("Act today.").first).to_be_visible()


def test_a_label_that_the_guide_does_not_know_has_no_description(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(result=result("Powdery_mildew", 95.0) | {"display_name": "Powdery mildew"})
    page = open_page()
    ask(page)
    expect(page.get_by_role("heading", name="Powdery mildew")).to_be_visible()
    expect(page.locator(".advice")).to_have_count(0)
    expect(page.get_by_text("Is this correct?")).to_be_visible()


def test_names_from_the_service_are_shown_as_text(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(result=result("x", 95.0) | {"display_name": "<img src=x onerror=alert(1)>"})
    page = open_page()
    ask(page)
    expect(page.get_by_role("heading", name="<img src=x onerror=alert(1)>")).to_be_visible()


def test_a_doubtful_answer_is_not_named_boldly(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(result=result("Target_Spot", 41.0, sure=False))
    page = open_page()
    ask(page)
    expect(page.get_by_role("heading", name="No clear result")).to_be_visible()
    expect(page.get_by_role("heading", name="Target spot")).to_have_count(0)
    expect(page.get_by_text("Closest matches (uncertain)")).to_be_visible()
    expect(page.get_by_text("Lay one leaf flat on plain paper")).to_be_visible()
    with page.expect_file_chooser():
        page.get_by_role("button", name="Try another photo").click()


def test_an_empty_image_is_called_that_and_gets_no_guesses(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(result=result("Target_Spot", 71.0, sure=False, bare=True))
    page = open_page()
    ask(page)
    expect(page.get_by_text("little to analyse")).to_be_visible()
    assert shares(page) == []


def test_yes_is_one_press(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    ask(page)
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".thanks")).to_contain_text("Thank you. Your feedback: correct.")
    assert [answer for _, answer in stub.feedback] == [{"correct": True}]


def test_an_answer_may_be_put_right_and_changed_again(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    ask(page)
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.get_by_role("radio")).to_have_count(10)
    expect(page.get_by_role("radio", name="Late blight")).to_have_count(0)  # "No" was pressed to it
    page.get_by_role("radio", name="Leaf mold").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".thanks")).to_contain_text("Thank you. Your feedback: Leaf mold.")
    page.get_by_role("button", name="Change").click()
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.get_by_role("radio", name="Leaf mold")).to_be_checked()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Change").click()
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".thanks")).to_contain_text("Thank you. Your feedback: correct.")
    assert [answer for _, answer in stub.feedback] == [{"label": "Leaf_Mold"}, {"correct": True}]
    assert len({identifier for identifier, _ in stub.feedback}) == 1


def test_one_may_say_no_without_knowing_more(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    ask(page)
    page.get_by_role("button", name="No", exact=True).click()
    page.get_by_role("radio", name="Something else, or I don't know").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".thanks")).to_contain_text("Your feedback: something else.")
    assert [answer for _, answer in stub.feedback] == [{"correct": False}]


def test_those_who_know_better_than_a_doubtful_answer_may_say_so(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(result=result("Target_Spot", 41.0, sure=False))
    page = open_page()
    ask(page)
    page.get_by_role("button", name="Choose the condition").click()
    page.get_by_role("radio", name="Healthy").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".thanks")).to_contain_text("Your feedback: Healthy")


def test_feedback_that_fails_can_be_given_again(open_page: OpenPage, stub: StubService) -> None:
    stub.feedback_status = 503
    page = open_page(tolerate="Failed to load resource")
    ask(page)
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".thanks")).to_contain_text("Your feedback could not be saved.")
    stub.feedback_status = 201
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".thanks")).to_contain_text("Thank you.")


def test_feedback_to_what_is_no_longer_kept_ends_kindly(open_page: OpenPage, stub: StubService) -> None:
    stub.feedback_status = 404
    page = open_page(tolerate="Failed to load resource")
    ask(page)
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".thanks")).to_contain_text("too old for feedback")


def test_a_list_of_conditions_that_does_not_load_is_asked_for_again(open_page: OpenPage, stub: StubService) -> None:
    stub.labels_status = 503
    page = open_page(tolerate="Failed to load resource")
    ask(page)
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.get_by_role("button", name="Try again")).to_be_focused()
    stub.labels_status = 200
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.get_by_role("radio")).to_have_count(10)


def test_the_history_comes_back_with_images_answers_and_feedback(open_page: OpenPage, stub: StubService) -> None:
    stub.expect(result=result("Leaf_Mold", 80.0))
    page = open_page()
    ask(page)
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.locator(".thanks")).to_contain_text("Thank you.")
    expect(page.locator("#history")).to_be_hidden()  # it still stands above, as a card
    page.reload()
    row = page.locator(".memory")
    expect(row).to_have_count(1)
    expect(row.locator("summary").first).to_contain_text("Leaf mold")
    assert (row.locator("img").get_attribute("src") or "").startswith("data:image/jpeg;base64,")
    row.locator("summary").first.click()
    expect(row.get_by_text("Air the house well")).to_be_visible()
    expect(row.get_by_text("Your feedback: correct.")).to_be_visible()


def test_what_is_put_away_is_found_in_the_history(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    ask(page, count=2)
    page.get_by_role("button", name="Remove photo 1").click()
    expect(page.locator(".card-title")).to_be_focused()
    expect(page.locator(".memory")).to_have_count(1)
    ask(page)
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator(".memory")).to_have_count(3)
    expect(page.get_by_text("How to take a good photo")).to_be_visible()


def test_one_memory_or_all_may_be_forgotten(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    ask(page, count=3)
    page.get_by_role("button", name="Remove all").click()
    page.locator(".memory summary").first.click()
    page.get_by_role("button", name="Remove from history").click()
    expect(page.locator(".memory")).to_have_count(2)
    page.get_by_role("button", name="Clear history").click()
    dialog = page.get_by_role("dialog", name="Clear the history?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator(".memory")).to_have_count(2)
    page.get_by_role("button", name="Clear history").click()
    page.keyboard.press("Escape")
    expect(page.locator(".memory")).to_have_count(2)
    page.get_by_role("button", name="Clear history").click()
    dialog.get_by_role("button", name="Clear history").click()
    expect(page.locator("#history")).to_be_hidden()
    page.reload()
    expect(page.locator("#history")).to_be_hidden()


def test_a_full_or_broken_store_does_not_hurt(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    page.evaluate(
        """() => {
          localStorage.setItem("splitleaf.history.v1", "{broken");
          Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
        }"""
    )
    ask(page)
    page.get_by_role("button", name="Remove photo 1").click()
    expect(page.locator(".memory summary")).to_contain_text(re.compile("Late blight"))


def test_the_page_never_names_who_answered(open_page: OpenPage, stub: StubService) -> None:
    page = open_page()
    ask(page)
    text = page.locator("body").inner_text().lower()
    assert not re.search(r"\b(version|variant|experiment|model)", text)


def test_an_image_of_something_else_gets_no_guess_but_what_to_photograph(
    open_page: OpenPage, stub: StubService
) -> None:
    stub.expect(result=result("Late_blight", 99.0, sure=False, unfamiliar=True))
    page = open_page()
    ask(page)
    expect(page.get_by_role("heading", name="This does not look like a tomato leaf")).to_be_visible()
    assert shares(page) == []
    expect(page.get_by_text("Late blight")).to_have_count(0)
    expect(page.get_by_text("Lay one leaf flat on plain paper")).to_be_visible()
    expect(page.get_by_role("button", name="Why this result?")).to_have_count(0)
    expect(page.get_by_text("Do you know the condition?")).to_be_visible()


def test_the_evidence_is_drawn_over_the_photo_and_said_in_words(open_page: OpenPage, stub: StubService) -> None:
    stub.heat = [[100 if row > 6 and column > 6 else 0 for column in range(10)] for row in range(10)]
    page = open_page()
    ask(page)
    why = page.get_by_role("button", name="Why this result?")
    expect(why).to_have_attribute("aria-pressed", "false")
    why.press("Enter")
    expect(why).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("status").filter(has_text="in the lower right")).to_be_visible()
    corners = page.locator("canvas.heat").evaluate(
        "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
        ".filter((_, place) => place % 4 === 3).reduce((found, opacity, place, all) =>"
        " place === 0 || place === all.length - 1 ? [...found, opacity] : found, [])"
    )
    assert corners[0] == 0
    assert corners[1] > 150
    why.press("Enter")
    expect(page.locator("canvas.heat")).to_have_count(0)


def test_the_drawing_lies_where_the_photo_lies(open_page: OpenPage, stub: StubService) -> None:
    stub.heat = [[100] * 10] * 10
    page = open_page()
    ask(page)
    page.get_by_role("button", name="Why this result?").click()
    expect(page.locator("canvas.heat")).to_be_visible()
    boxes = [page.locator(f".card-image {part}").bounding_box() for part in ("img", "canvas")]
    assert boxes[0] == boxes[1]
    ratios = page.evaluate(
        "[document.querySelector('.card-image img'), document.querySelector('canvas.heat')]"
        ".map((each) => (each.naturalWidth ?? each.width) / (each.naturalHeight ?? each.height))"
    )
    assert ratios[0] == pytest.approx(ratios[1], rel=0.02)


def test_on_a_phone_the_evidence_is_drawn_on_more_than_a_thumbnail(open_page: OpenPage, stub: StubService) -> None:
    page = open_page(width=360, height=740, has_touch=True, is_mobile=True)
    ask(page)
    why = page.get_by_role("button", name="Why this result?")
    why.click()
    expect(page.locator("canvas.heat")).to_be_visible()
    box = page.locator("canvas.heat").bounding_box()
    assert box is not None
    assert box["width"] > 250
    why.click()
    small = page.locator(".card-image img").bounding_box()
    assert small is not None
    assert small["width"] < 100


def test_where_no_map_is_offered_it_says_so(open_page: OpenPage, stub: StubService) -> None:
    stub.heat = None
    page = open_page()
    ask(page)
    page.get_by_role("button", name="Why this result?").click()
    expect(page.get_by_text("There is no explanation for this result.")).to_be_visible()
