"""A submit that is sent again by somebody who never saw the first answer, and so has no cookie."""

from __future__ import annotations

import httpx

from splitleaf.api.public.units import COOKIE
from tests.api.served import Served, code
from tests.support.images import BLUE, GREEN, jpeg

LEAF = jpeg(GREEN)


async def submitted(
    served: Served, key: str, *, image: bytes = LEAF, address: str = "192.0.2.7", unit: str = "", program: str = "one"
) -> httpx.Response:
    """Submit as a client that has no cookie."""
    headers = {"Content-Type": "image/jpeg", "User-Agent": program} | ({"Idempotency-Key": key} if key else {})
    headers |= {"Splitleaf-Unit": unit} if unit else {}
    async with served.client(address=address) as client:
        return await client.post("/v1/predictions", content=image, headers=headers)


async def test_a_first_request_that_is_repeated_is_the_same_prediction_of_the_same_unit(served: Served) -> None:
    first, again = await submitted(served, "key-1"), await submitted(served, "key-1")
    assert first.json()["id"] == again.json()["id"]
    assert first.cookies[COOKIE] == again.cookies[COOKIE]


async def test_another_key_network_program_image_or_named_unit_is_another_prediction(served: Served) -> None:
    answers = [
        await submitted(served, "key-1"),
        await submitted(served, "key-2"),
        await submitted(served, "key-1", address="192.0.2.8"),
        await submitted(served, "key-1", unit="ada"),
        await submitted(served, "key-1", program="another"),
        await submitted(served, "key-1", image=jpeg(BLUE)),
        await submitted(served, ""),
        await submitted(served, ""),
    ]
    assert len({answer.json()["id"] for answer in answers}) == len(answers)
    cookies = [answer.cookies[COOKIE] for answer in answers if COOKIE in answer.cookies]
    assert len(set(cookies)) == len(cookies) == 7


async def test_a_key_that_comes_again_with_another_image_is_refused(served: Served) -> None:
    await submitted(served, "key-1", unit="ada")
    refused = await submitted(served, "key-1", image=jpeg(BLUE), unit="ada")
    assert code(refused) == (422, "idempotency_key_reused")
