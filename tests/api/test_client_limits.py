"""What one client may send: counted by address or by key, told in headers, refused with a time to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from splitleaf.api.security.client_limits import ClientRates
from splitleaf.core.errors import DependencyDown, Overloaded
from splitleaf.jobs.rates import Rate, Standing
from tests.api.served import READ_KEY, WRITE_KEY, Served, code, unknown_key
from tests.support.images import jpeg

IMAGE = jpeg()
LIMITED = ClientRates(per_address=Rate("address", 3, 60), per_key=Rate("key", 5, 60))


@pytest.fixture
async def limited(tmp_path: Path) -> Served:
    return await Served(tmp_path, limits=LIMITED).start()


async def send(client: httpx.AsyncClient, path: str = "/v1/predictions", **headers: str) -> httpx.Response:
    return await client.post(path, content=IMAGE, headers={"Content-Type": "image/jpeg", **headers})


async def test_an_address_that_has_had_its_share_is_told_when_to_come_back(limited: Served) -> None:
    client = limited.client()
    answers = [await send(client) for _ in range(4)]
    assert [one.status_code for one in answers] == [202, 202, 202, 429]
    assert [one.headers["ratelimit"] for one in answers] == [
        '"address";r=2;t=20', '"address";r=1;t=40', '"address";r=0;t=20', '"address";r=0;t=20',
    ]  # fmt: skip
    assert {one.headers["ratelimit-policy"] for one in answers} == {'"address";q=3;w=60'}
    assert code(answers[3]) == (429, "rate_limited")
    assert 20 <= int(answers[3].headers["retry-after"]) <= 27
    assert answers[3].headers["content-type"] == "application/problem+json"
    limited.clock.move(20)
    assert [(await send(client)).status_code for _ in range(2)] == [202, 429]


async def test_a_refused_image_is_not_accepted_and_its_body_is_not_read(limited: Served) -> None:
    client = limited.client()
    for _ in range(3):
        await send(client)
    accepted = len(limited.broker.entries)

    was_read = []

    async def body() -> AsyncIterator[bytes]:
        was_read.append(True)
        yield IMAGE

    refused = await client.post("/v1/predictions", content=body(), headers={"Content-Type": "image/jpeg"})
    assert (refused.status_code, was_read, len(limited.broker.entries)) == (429, [], accepted)


async def test_feedback_counts_too_and_looking_does_not(limited: Served) -> None:
    client = limited.client()
    made = (await send(client)).json()
    for _ in range(5):
        looked = await client.get(made["links"]["self"])
        assert "ratelimit" not in looked.headers
        assert looked.status_code == 200
    answers = [await client.post(made["links"]["feedback"], json={"correct": True}) for _ in range(3)]
    assert [one.status_code for one in answers] == [409, 409, 429]


@pytest.mark.parametrize(
    ("one", "another", "are_one"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
async def test_who_is_one_client(limited: Served, one: str, another: str, are_one: bool) -> None:
    for _ in range(3):
        await send(limited.client(address=one))
    answer = await send(limited.client(address=another))
    assert (answer.status_code == 429) is are_one


async def test_a_key_is_counted_apart_from_the_address_it_comes_from(limited: Served) -> None:
    for _ in range(4):
        await send(limited.client())
    answers = [await send(limited.client(READ_KEY)) for _ in range(6)]
    assert [one.status_code for one in answers] == [202] * 5 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"key";q=5;w=60'
    assert (await send(limited.client(WRITE_KEY))).status_code == 202


async def test_a_made_up_key_makes_nobody_a_better_client(limited: Served) -> None:
    answers = [await send(limited.client(unknown_key())) for _ in range(4)]
    assert [one.status_code for one in answers] == [202, 202, 202, 429]
    assert answers[0].headers["ratelimit-policy"].startswith('"address"')


async def test_a_client_cannot_speak_for_another_address(limited: Served) -> None:
    # As uvicorn wraps the application: only 10.0.0.1 is a proxy.
    limited.app = ProxyHeadersMiddleware(limited.app, trusted_hosts="10.0.0.1")  # type: ignore[arg-type,assignment]
    spoofed = [await send(limited.client(), **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(5)]
    assert [one.status_code for one in spoofed] == [202, 202, 202, 429, 429]
    through = [
        await send(limited.client(address="10.0.0.1"), **{"X-Forwarded-For": f"203.0.113.{n}, 198.51.100.7"})
        for n in range(5)
    ]
    assert [one.status_code for one in through] == [202, 202, 202, 429, 429]
    other = await send(limited.client(address="10.0.0.1"), **{"X-Forwarded-For": "198.51.100.8"})
    assert other.status_code == 202


async def test_replicas_count_together(limited: Served) -> None:
    shared = limited.services.client_limits
    other = await replace(limited, rates=shared._limiter).start()
    answers = [await send(one.client()) for one in (limited, other, limited, other)]
    assert [one.status_code for one in answers] == [202, 202, 202, 429]


class Failing:
    """A broker in trouble."""

    def __init__(self, trouble: Exception | None) -> None:
        self.trouble = trouble

    async def charge(self, rate: Rate, client: str) -> Standing:
        if self.trouble:
            raise self.trouble
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("trouble", [DependencyDown(), Overloaded(), None], ids=["down", "full", "silent"])
async def test_where_nobody_can_count_everybody_may_pass(tmp_path: Path, trouble: Exception | None) -> None:
    served = await Served(tmp_path, limits=LIMITED, rates=Failing(trouble)).start()
    answers = [await send(served.client()) for _ in range(4)]
    assert [one.status_code for one in answers] == [202] * 4
    assert "ratelimit" not in answers[0].headers


async def test_without_limits_nothing_is_asked_and_nothing_is_said(tmp_path: Path) -> None:
    class Unasked:
        async def charge(self, rate: Rate, client: str) -> Standing:
            pytest.fail("a request was counted")

    served = await Served(tmp_path, rates=Unasked()).start()
    answer = await send(served.client(READ_KEY))
    assert (answer.status_code, "ratelimit" in answer.headers) == (202, False)


async def test_the_broker_does_not_learn_who_it_is(limited: Served) -> None:
    names = []

    class Telling:
        async def charge(self, rate: Rate, client: str) -> Standing:
            names.append(client)
            return Standing(rate, is_allowed=True, remaining=1, wait_s=0)

    served = await replace(limited, rates=Telling()).start()
    await send(served.client(address="192.0.2.7"))
    await send(served.client(READ_KEY))
    assert len(set(names)) == 2
    assert not [one for one in names if "192" in one or READ_KEY in one or ":" in one]
