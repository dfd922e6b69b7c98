"""An image that would be refused after it was read is refused before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx

from splitleaf.jobs.admission import Room
from splitleaf.jobs.queue import Priority
from tests.api.served import Served, code
from tests.support.images import BLUE, GREEN, jpeg

LEAF = jpeg(GREEN)


class Upload:
    """A body that knows whether it was read."""

    def __init__(self, image: bytes = LEAF) -> None:
        self._image = image
        self.is_read = False

    async def pieces(self) -> AsyncIterator[bytes]:
        self.is_read = True
        yield self._image


async def post(served: Served, upload: Upload, key: str = "", **options: Any) -> httpx.Response:
    headers = {"Content-Type": "image/jpeg", "Splitleaf-Unit": "ada"} | ({"Idempotency-Key": key} if key else {})
    async with served.client(**options) as client:
        return await client.post("/v1/predictions", content=upload.pieces(), headers=headers)


def fill(served: Served, version: str = "v1") -> None:
    served.services.admission.heard(version, Priority.INTERACTIVE, Room(tasks=0, task_ms=1e9, wait_ms=20_000))


async def test_a_full_queue_is_known_before_the_body_is_read(served: Served) -> None:
    fill(served)
    upload = Upload()
    answer = await post(served, upload)
    assert code(answer) == (503, "overloaded")
    assert 10 <= int(answer.headers["retry-after"]) <= 14
    assert not upload.is_read


async def test_a_key_that_was_accepted_gets_its_answer_from_a_full_queue_and_no_other_image_does(
    served: Served,
) -> None:
    first = await post(served, Upload(), "key-1")
    fill(served)
    assert (await post(served, Upload(), "key-1")).json()["id"] == first.json()["id"]
    assert code(await post(served, Upload(jpeg(BLUE)), "key-1")) == (422, "idempotency_key_reused")
    upload = Upload()
    assert code(await post(served, upload, "key-2")) == (503, "overloaded")
    assert not upload.is_read


async def test_one_client_leaves_room_to_others(served: Served) -> None:
    served.services.admission.heard("v1", Priority.INTERACTIVE, Room(tasks=5, task_ms=1e9, wait_ms=1e9))
    flood = [(await post(served, Upload())).status_code for _ in range(30)]
    served.services.admission.heard("v1", Priority.INTERACTIVE, Room(tasks=5, task_ms=1e9, wait_ms=1e9))
    assert flood[-1] == 503
    assert (await post(served, Upload(), address="192.0.2.99")).status_code == 202
