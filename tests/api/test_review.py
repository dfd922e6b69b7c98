"""The review's calls: an expert's way from an image to a label, blind, and labels in files."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest

from splitleaf.core.ids import new_prediction_id, shadow_prediction_id
from splitleaf.flows.curate_reviews import ReviewCurator
from splitleaf.images.directory import DirectoryImageArchive
from splitleaf.outcomes.events import FeedbackSource, Outcome
from tests.api.served import READ_KEY, WRITE_KEY, Served, code
from tests.outcomes.facts import outcome, step

IMAGE = b"\xff\xd8 what is kept of an image \xff\xd9"
AUDITED = 1.0


@pytest.fixture
async def served(tmp_path: Path) -> Served:
    served = Served(tmp_path / "models", images=DirectoryImageArchive(tmp_path / "images"))
    served.store.change_experiment(step())
    return await served.start()


def scores(*labels: str) -> tuple[tuple[str, str, float], ...]:
    return tuple((label, label.title(), 0.6 / (place + 1)) for place, label in enumerate(labels))


def scored(served: Served, first: str, second: str, *, prediction_id: str = "", audit: float = 0.0) -> Outcome:
    """Record an image of which v1 said one thing and v2, unseen, another; keep and enrol it."""
    common: dict[str, Any] = {"experiment": "leaf", "created_ms": served.clock.now_ms()}
    primary = outcome(
        prediction_id=prediction_id or new_prediction_id(), label=first, top=scores(first, "blue", second), **common
    )
    shadow = outcome(
        prediction_id=shadow_prediction_id(primary.prediction_id, "v2"),
        primary_id=primary.prediction_id,
        role="shadow",
        assigned_version="v2",
        label=second,
        top=scores(second, "blue", first),
        **common,
    )
    served.store.record_outcomes([primary, shadow])
    assert served.images
    served.images.keep(primary.prediction_id, IMAGE)
    ReviewCurator(served.store, served.clock, audit).enrol_once()
    return primary


async def next_item(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/admin/api/review/next", json={"experiment": "leaf", "expert": "anna", **body})
    response.raise_for_status()
    (item,) = response.json()["items"]
    return dict(item)


async def say(client: httpx.AsyncClient, item: str, **body: Any) -> httpx.Response:
    return await client.post(f"/admin/api/review/items/{item}/label", json={"expert": "anna", **body})


async def test_an_image_on_which_versions_disagree_is_shown_labelled_and_joined(served: Served) -> None:
    primary = scored(served, "red", "green")
    async with served.client(WRITE_KEY) as client:
        item = await next_item(client)
        image = await client.get(item["image"])
        said = await say(client, item["id"], label="green")
        empty = (await client.post("/admin/api/review/next", json={"experiment": "leaf", "expert": "anna"})).json()
    assert (item["id"], sorted(item["candidates"])) == (primary.prediction_id, ["blue", "green", "red"])
    assert (image.content, image.headers["content-type"]) == (IMAGE, "image/jpeg")
    assert "no-store" in image.headers["cache-control"]
    assert (said.json()["label"], said.json()["expert"], said.json()["verdict"]) == ("green", "anna", "answer")
    assert empty["items"] == []
    assert [one["label"] for one in empty["labels"]] == ["red", "green", "blue"]
    truths = list(served.store.labelled_outcomes("leaf"))
    assert [(one.version, one.is_right, one.source) for one in truths] == [
        ("v1", False, FeedbackSource.EXPERT),
        ("v2", True, FeedbackSource.EXPERT),
    ]


async def test_what_an_expert_gets_is_the_same_byte_for_byte_whichever_version_said_which(tmp_path: Path) -> None:
    bodies = set()
    prediction_id = new_prediction_id()
    for number, (first, second) in enumerate(itertools.permutations(("red", "green"))):
        archive = DirectoryImageArchive(tmp_path / f"images{number}")
        served = await Served(tmp_path / f"models{number}", images=archive).start()
        scored(served, first, second, prediction_id=prediction_id)
        async with served.client(WRITE_KEY) as client:
            offered = await client.post("/admin/api/review/next", json={"experiment": "leaf", "expert": "anna"})
            said = await say(client, prediction_id, label="red")
            undone = await client.post(f"/admin/api/review/items/{prediction_id}/undo", json={"expert": "anna"})
        bodies.add(tuple((one.content, *_headers(one)) for one in (offered, said, undone)))
    assert len(bodies) == 1


def _headers(response: httpx.Response) -> list[tuple[bytes, bytes]]:
    """Return all headers but the one that is new for each request."""
    return [(name, value) for name, value in response.headers.raw if name.lower() != b"x-request-id"]


async def test_nothing_that_an_expert_gets_names_a_version_a_reason_or_a_probability(served: Served) -> None:
    scored(served, "red", "green", audit=AUDITED)
    async with served.client(WRITE_KEY) as client:
        offered = await client.post("/admin/api/review/next", json={"experiment": "leaf"})
        item = offered.json()["items"][0]["id"]
        said = await say(client, item, label="red")
    shown = (offered.text + said.text).replace(item, "ID")  # chance writes "v2" into ids, too
    for word in ("v1", "v2", "audit", "disagree", "unsure", "0.6", "probab", "variant", "control"):
        assert word not in shown


async def test_the_order_of_the_candidates_says_nothing(served: Served) -> None:
    firsts = []
    for _ in range(60):
        scored(served, "red", "green")
    async with served.client(WRITE_KEY) as client:
        for _ in range(60):
            item = await next_item(client)
            firsts.append(item["candidates"][0])
            await say(client, item["id"], label="red")
    # Of 60 fair throws of a die with three sides, one comes up less than six times in 1 of 100,000 runs.
    assert all(firsts.count(label) >= 6 for label in ("red", "green", "blue"))


async def test_a_label_of_a_drawn_image_carries_the_probability_of_its_draw(served: Served) -> None:
    primary = scored(served, "red", "red", audit=AUDITED)
    async with served.client(WRITE_KEY) as client:
        item = await next_item(client)
        await say(client, item["id"], label="red")
    (word,) = served.store.current_feedback([primary.prediction_id])
    assert (word.source, word.sampling_probability, word.correct) == (FeedbackSource.AUDIT, 1.0, True)
    assert len(item["candidates"]) == 2 + ("green" in item["candidates"])


async def test_a_word_is_taken_back_and_said_anew(served: Served) -> None:
    primary = scored(served, "red", "green")
    async with served.client(WRITE_KEY) as client:
        item = (await next_item(client))["id"]
        nothing = await client.post(f"/admin/api/review/items/{item}/undo", json={"expert": "anna"})
        await say(client, item, label="red")
        undone = await client.post(f"/admin/api/review/items/{item}/undo", json={"expert": "anna"})
        assert list(served.store.labelled_outcomes("leaf")) == []
        again = await next_item(client)
        await say(client, item, label="green")
    assert code(nothing) == (409, "nothing_to_undo")
    assert (undone.json()["id"], again["id"]) == (item, item)
    rows = served.store.feedback(primary.prediction_id)
    assert [(row.verdict, row.label) for row in rows] == [("answer", "red"), ("withdrawn", None), ("answer", "green")]
    assert rows[1].supersedes == rows[0].feedback_id
    assert {one.truth for one in served.store.labelled_outcomes("leaf")} == {"green"}


async def test_who_cannot_tell_answers_and_who_skips_leaves_it_to_others(served: Served) -> None:
    scored(served, "red", "green")
    async with served.client(WRITE_KEY) as client:
        item = (await next_item(client))["id"]
        skipped = await say(client, item, verdict="skip")
        mine = (await client.post("/admin/api/review/next", json={"experiment": "leaf", "expert": "anna"})).json()
        assert (await next_item(client, expert="ben"))["id"] == item
        await say(client, item, verdict="cannot_tell", expert="ben")
        counts = (await client.get("/admin/api/review/progress?experiment=leaf")).json()["reasons"]
        undone = await client.post(f"/admin/api/review/items/{item}/undo", json={"expert": "anna"})
    assert (skipped.json()["verdict"], mine["items"]) == ("skip", [])
    assert counts == [{"reason": "disagreement", "items": 1, "labelled": 0, "cannot_tell": 1, "gone": 0}]
    assert undone.json()["id"] == item
    assert list(served.store.labelled_outcomes("leaf")) == []


async def test_two_experts_are_compared_and_where_they_differ_is_told(served: Served) -> None:
    images = [scored(served, "red", "green").prediction_id for _ in range(3)]
    async with served.client(WRITE_KEY) as client:
        for image, (anna, ben) in zip(images, [("red", "red"), ("green", "green"), ("red", "green")], strict=True):
            await say(client, image, label=anna)
            await say(client, image, label=ben, expert="ben")
        found = (await client.get("/admin/api/review/agreement?experiment=leaf")).json()
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"], pair["items"], pair["agreed"]) == ("anna", "ben", 3, 2)
    assert (pair["raw"], pair["kappa"]) == (pytest.approx(2 / 3), pytest.approx(0.4))
    assert (found["compared"], found["contested"]) == (3, [images[2]])


async def test_several_images_can_be_loaded_ahead(served: Served) -> None:
    images = {scored(served, "red", "green").prediction_id for _ in range(3)}
    async with served.client(WRITE_KEY) as client:
        ahead = await client.post("/admin/api/review/next", json={"experiment": "leaf", "count": 5})
        others = await client.post("/admin/api/review/next", json={"experiment": "leaf", "expert": "ben"})
    assert {one["id"] for one in ahead.json()["items"]} == images
    assert others.json()["items"] == []


async def test_an_image_that_is_gone_is_passed_over_and_stays_so(served: Served) -> None:
    gone, there = (scored(served, "red", "green").prediction_id for _ in range(2))
    assert served.images
    served.images.discard(gone)
    async with served.client(WRITE_KEY) as client:
        assert (await next_item(client))["id"] == there
        assert code(await client.get(f"/admin/api/review/items/{gone}/image")) == (404, "image_not_kept")
        await say(client, there, label="red")
        await client.post("/admin/api/review/next", json={"experiment": "leaf"})
        counts = (await client.get("/admin/api/review/progress?experiment=leaf")).json()["reasons"]
    assert (counts[0]["labelled"], counts[0]["gone"]) == (1, 1)


async def test_a_grower_gets_their_image_deleted_and_it_is_written_down(served: Served) -> None:
    image = scored(served, "red", "green").prediction_id
    async with served.client(WRITE_KEY) as client:
        done = await client.delete(f"/admin/api/images/{image}?reason=its%20owner%20asked")
        again = await client.delete(f"/admin/api/images/{image}?reason=its%20owner%20asked")
        assert (await client.get(f"/admin/api/review/items/{image}/image")).status_code == 404
    assert (done.json(), again.json()["discarded"]) == ({"id": image, "discarded": True}, False)
    (entry,) = served.store.audit_log(f"image/{image}")
    assert (entry.action, entry.reason) == ("discard_image", "its owner asked")
    assert served.store.outcome(image) is not None


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, (422, "invalid_feedback")),
        ({"label": "red", "verdict": "skip"}, (422, "invalid_feedback")),
        ({"label": "rust"}, (422, "unknown_label")),
        ({"verdict": "perhaps"}, (422, "invalid_request")),
    ],
)
async def test_a_word_that_says_nothing_is_a_problem(
    served: Served, body: dict[str, Any], problem: tuple[int, str]
) -> None:
    image = scored(served, "red", "green").prediction_id
    async with served.client(WRITE_KEY) as client:
        assert code(await say(client, image, **body)) == problem
        assert code(await say(client, new_prediction_id(), label="red")) == (404, "prediction_not_found")
        assert code(await say(client, "0" * 26, label="red")) == (404, "prediction_not_found")
    assert served.store.feedback(image) == []


async def test_without_retention_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    served = await Served(tmp_path).start()
    async with served.client(WRITE_KEY) as client:
        assert code(await client.post("/admin/api/review/next", json={})) == (409, "retention_off")
        counts = (await client.get("/admin/api/review/progress")).json()
        gone = await client.delete(f"/admin/api/images/{new_prediction_id()}?reason=x")
    assert counts == {"experiment": "", "images_are_kept": False, "audit_share": 0.02, "reasons": []}
    assert gone.json()["discarded"] is False


async def test_a_key_that_may_read_looks_and_changes_nothing(served: Served) -> None:
    image = scored(served, "red", "green").prediction_id
    item = f"/admin/api/review/items/{image}"
    async with served.client(READ_KEY) as client:
        refused = [
            await client.post("/admin/api/review/next", json={}),
            await client.post(f"{item}/label", json={"label": "red"}),
            await client.post(f"{item}/undo", json={}),
            await client.post("/admin/api/labels/import", content="", headers={"Content-Type": "text/csv"}),
            await client.delete(f"/admin/api/images/{image}?reason=x"),
        ]
        allowed = [
            await client.get(f"{item}/image"),
            await client.get("/admin/api/review/progress"),
            await client.get("/admin/api/review/agreement"),
            await client.get("/admin/api/labels/export"),
        ]
    assert [one.status_code for one in refused] == [403] * 5
    assert [one.status_code for one in allowed] == [200] * 4


async def test_labels_of_a_file_are_kept_and_come_out_again(served: Served) -> None:
    image = scored(served, "red", "green", audit=AUDITED).prediction_id
    text = f"prediction_id,label,author\r\n{image},green,field-team\r\n"
    csv = {"Content-Type": "text/csv; charset=utf-8"}
    async with served.client(WRITE_KEY) as client:
        dry = await client.post("/admin/api/labels/import?dry_run=true", content=text, headers=csv)
        assert served.store.feedback(image) == []
        done = await client.post("/admin/api/labels/import", content=text, headers=csv)
        again = await client.post("/admin/api/labels/import", content=text, headers=csv)
        export = await client.get("/admin/api/labels/export?experiment=leaf")
        wrong = await client.post("/admin/api/labels/import", content=text.replace("green", "rust"), headers=csv)
        not_csv = await client.post("/admin/api/labels/import", content=text, headers={"Content-Type": "text/plain"})
        not_text = await client.post("/admin/api/labels/import", content=b"\xff\xfe", headers=csv)
    assert (dry.json()["imported"], dry.json()["dry_run"]) == (1, True)
    assert (done.json()["imported"], again.json()["imported"], again.json()["unchanged"]) == (1, 0, 1)
    header, row = export.text.splitlines()
    assert header == "prediction_id,label,author,source,verdict,sampling_probability,created_at"
    assert row.startswith(f"{image},green,field-team,import,answer,1,")
    assert code(wrong) == (422, "invalid_labels")
    assert "Line 2: no version knows a class 'rust'" in wrong.json()["detail"]
    assert (code(not_csv), code(not_text)) == ((415, "unsupported_media_type"), (422, "invalid_labels"))


async def test_a_mistyped_experiment_is_not_taken_for_one_without_images(served: Served) -> None:
    async with served.client(WRITE_KEY) as client:
        for answer in (
            await client.post("/admin/api/review/next", json={"experiment": "leef"}),
            await client.get("/admin/api/review/progress?experiment=leef"),
            await client.get("/admin/api/review/agreement?experiment=leef"),
            await client.get("/admin/api/labels/export?experiment=leef"),
        ):
            assert code(answer) == (404, "experiment_not_found")
        assert (await client.post("/admin/api/review/next", json={})).json()["items"] == []


async def test_a_settled_label_is_undone_by_whoever_settled_it(served: Served) -> None:
    item = scored(served, "red", "green").prediction_id
    path = f"/admin/api/review/items/{item}/settle"
    async with served.client(WRITE_KEY) as client:
        await say(client, item, label="red")
        await say(client, item, label="green", expert="ben")
        (await client.post(path, json={"label": "green", "expert": "head"})).raise_for_status()
        by_another = await client.post(f"{path}/undo", json={"expert": "anna"})
        undone = await client.post(f"{path}/undo", json={"expert": "head"})
        disputes = (await client.get("/admin/api/review/disputes", params={"experiment": "leaf"})).json()
    assert code(by_another) == (409, "nothing_to_undo")
    assert [(one["author"], one["label"]) for one in undone.json()["words"]] == [("anna", "red"), ("ben", "green")]
    assert [one["id"] for one in disputes["disputes"]] == [item]
