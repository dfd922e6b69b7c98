"""The origin of an image, as far as its request shows it."""

from __future__ import annotations

import pytest

from splitleaf.api.public.origins import find_origin
from splitleaf.core.prediction import Origin
from tests.api.served import Served
from tests.support.images import GREEN, jpeg

LEAF = jpeg(GREEN)

REQUESTS = {
    "our page, over TLS or from this machine": ({"sec-fetch-site": "same-origin"}, Origin.PAGE),
    "our page on plain HTTP": ({"origin": "http://Farm.example:8080", "host": "farm.example:8080"}, Origin.PAGE),
    "our page behind a proxy that drops the port": ({"origin": "http://leaf:8080", "host": "leaf"}, Origin.PAGE),
    "our page at an IPv6 address": ({"origin": "http://[2001:db8::1]:80", "host": "[2001:db8::1]"}, Origin.PAGE),
    "a page of another host": ({"sec-fetch-site": "cross-site", "origin": "http://leaf", "host": "leaf"}, Origin.API),
    "the same, on plain HTTP": ({"origin": "http://leaf.example", "host": "leaf"}, Origin.API),
    "another IPv6 address": ({"origin": "http://[2001:db8::2]", "host": "[2001:db8::1]"}, Origin.API),
    "a page without an origin": ({"origin": "null", "host": "leaf"}, Origin.API),
    "nonsense": ({"origin": "http://[", "host": "["}, Origin.API),
    "nothing on both sides": ({"origin": "://", "host": ":"}, Origin.API),
    "no host": ({"origin": "http://leaf"}, Origin.API),
    "a program": ({"host": "leaf"}, Origin.API),
    "a program that names its units": ({"splitleaf-unit": "phone-1", "sec-fetch-site": "same-origin"}, Origin.UNIT),
}


@pytest.mark.parametrize("request_of", REQUESTS)
def test_a_request_shows_how_its_image_came(request_of: str) -> None:
    headers, origin = REQUESTS[request_of]
    scope = {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    assert find_origin(scope) is origin


async def test_the_origin_travels_with_the_image_and_nothing_of_it_comes_back(served: Served) -> None:
    sent = {Origin.PAGE: {"Sec-Fetch-Site": "same-origin"}, Origin.UNIT: {"Splitleaf-Unit": "a"}, Origin.API: {}}
    forms = set()
    for origin, headers in sent.items():
        async with served.client() as client:
            answer = await client.post("/v1/predictions", files={"file": LEAF}, headers=headers)
        state = await served.services.queue.state(answer.json()["id"])
        assert state is not None
        assert state.context.origin == origin
        forms.add((*answer.json(), *(name for name in answer.headers if name != "set-cookie")))
    assert len(forms) == 1
