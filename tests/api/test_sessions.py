"""The dashboard's login: what opens it, what ends it, and what another site's page cannot do with it."""

from __future__ import annotations

from dataclasses import replace
from http.cookies import SimpleCookie

import httpx
import pytest

from splitleaf.api.security.sessions import SESSION_COOKIE, SessionSigner
from splitleaf.core.errors import DependencyDown
from splitleaf.jobs.rates import Rate, Standing
from tests.api.served import READ_KEY, SESSION, WRITE_KEY, Served, code, unknown_key

MOVE = {"version": "v2", "reason": "better"}


def cookie_of(response: httpx.Response) -> SimpleCookie:
    return SimpleCookie(response.headers["set-cookie"])


async def test_a_key_opens_a_session_that_may_do_what_the_key_may(served: Served) -> None:
    browser = await served.browser()
    said = (await browser.get("/admin/api/session")).json()
    assert (said["scope"], said["expires_at"]) == ("admin", "2027-01-15T09:00:00.000Z")
    moved = await browser.put("/admin/api/aliases/champion", json=MOVE, headers=SESSION)
    assert moved.status_code == 200
    assert moved.json()["actor"] == said["actor"]


async def test_a_session_of_a_reading_key_changes_nothing(served: Served) -> None:
    browser = await served.browser(READ_KEY)
    assert (await browser.get("/admin/api/session")).json()["scope"] == "read"
    assert (await browser.get("/admin/api/models")).status_code == 200
    refused = await browser.put("/admin/api/aliases/champion", json=MOVE, headers=SESSION)
    assert code(refused) == (403, "forbidden")


@pytest.mark.parametrize(("scheme", "is_secure"), [("http", ""), ("https", True)])
async def test_no_script_and_no_other_site_gets_at_the_cookie(served: Served, scheme: str, is_secure: object) -> None:
    client = served.client(scheme=scheme)
    response = await client.post("/admin/api/session", json={"key": WRITE_KEY}, headers=SESSION)
    morsel = cookie_of(response)[SESSION_COOKIE]
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Strict", "/admin")
    assert (morsel["secure"], morsel["max-age"]) == (is_secure, "3600")
    assert response.headers["cache-control"] == "no-store"
    assert WRITE_KEY not in response.text + morsel.value


@pytest.mark.parametrize("key", ["", "   ", unknown_key(), "a" * 500])
async def test_what_is_no_key_opens_nothing(served: Served, key: str) -> None:
    response = await served.client().post("/admin/api/session", json={"key": key}, headers=SESSION)
    assert code(response) == (401, "unauthorized")
    assert "set-cookie" not in response.headers


async def test_a_session_ends_by_itself(served: Served) -> None:
    browser = await served.browser()
    served.clock.move(3599)
    assert (await browser.get("/admin/api/session")).status_code == 200
    served.clock.move(1)
    assert code(await browser.get("/admin/api/session")) == (401, "unauthorized")


async def test_a_session_opened_before_the_clock_went_back_is_over(served: Served) -> None:
    browser = await served.browser()
    served.clock.move(-30)
    assert (await browser.get("/admin/api/session")).status_code == 200
    served.clock.move(-3600)
    assert code(await browser.get("/admin/api/session")) == (401, "unauthorized")


async def test_logging_out_makes_the_browser_forget(served: Served) -> None:
    browser = await served.browser()
    response = await browser.delete("/admin/api/session", headers=SESSION)
    assert response.status_code == 204
    assert cookie_of(response)[SESSION_COOKIE]["max-age"] == "0"
    assert code(await browser.get("/admin/api/session")) == (401, "unauthorized")


async def test_every_replica_knows_the_session_and_one_without_the_key_does_not(served: Served) -> None:
    browser = await served.browser()
    cookie = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"}
    other = await replace(served).start()
    assert (await other.client().get("/admin/api/session", headers=cookie)).status_code == 200
    without = await replace(served, write_keys=()).start()
    assert code(await without.client().get("/admin/api/session", headers=cookie)) == (401, "unauthorized")


async def test_a_forged_cookie_is_none(served: Served) -> None:
    browser = await served.browser()
    genuine = browser.cookies[SESSION_COOKIE]
    version, key_id, expires_ms, session_id, signature = genuine.split(".")
    stranger = SessionSigner(b"another key", 3600, served.clock)
    forged = [
        f"{version}.{key_id}.{int(expires_ms) + 1}.{session_id}.{signature}",
        f"{version}.{'0' * 16}.{expires_ms}.{session_id}.{signature}",
        stranger.cookie(stranger.open(key_id), is_secure=False).partition(";")[0].partition("=")[2],
        genuine[:-1],
        genuine.rpartition(".")[0] + ".",
        "é" + genuine,
        "",
    ]
    for value in forged:
        headers = {b"Cookie": f"{SESSION_COOKIE}={value}".encode()}
        assert code(await served.client().get("/admin/api/models", headers=headers)) == (401, "unauthorized"), value


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {**SESSION, "Sec-Fetch-Site": "cross-site"},
        {**SESSION, "Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_site_cannot_make_the_browser_change_things(
    served: Served, headers: dict[str, str]
) -> None:
    browser = await served.browser()
    assert code(await browser.put("/admin/api/aliases/champion", json=MOVE, headers=headers)) == (403, "cross_site")
    assert code(await browser.delete("/admin/api/session", headers=headers)) == (403, "cross_site")
    # Nor can it log the browser in under a key of its own.
    login = await served.client().post("/admin/api/session", json={"key": WRITE_KEY}, headers=headers)
    assert code(login) == (403, "cross_site")
    assert "champion" not in (await browser.get("/admin/api/aliases/champion/history")).text


async def test_pages_of_this_server_may(served: Served) -> None:
    browser = await served.browser()
    headers = {**SESSION, "Sec-Fetch-Site": "same-origin"}
    assert (await browser.put("/admin/api/aliases/champion", json=MOVE, headers=headers)).status_code == 200


async def test_a_key_needs_no_header_and_counts_alone(served: Served) -> None:
    assert (await served.client(WRITE_KEY).put("/admin/api/aliases/champion", json=MOVE)).status_code == 200
    asked = (await served.client(READ_KEY).get("/admin/api/session")).json()
    assert (asked["scope"], asked["expires_at"]) == ("read", None)
    browser = await served.browser()
    wrong = {"Authorization": f"Bearer {unknown_key()}"}
    assert code(await browser.get("/admin/api/models", headers=wrong)) == (401, "unauthorized")
    assert code(await browser.get("/admin/api/models", headers={"Authorization": "Basic YTpi"})) == (
        401,
        "unauthorized",
    )


async def test_an_address_may_try_a_few_times_and_then_has_to_wait(served: Served) -> None:
    async def attempt(address: str, key: str) -> httpx.Response:
        client = served.client(address=address)
        return await client.post("/admin/api/session", json={"key": key}, headers=SESSION)

    answers = [await attempt("2001:db8:1:2::1", unknown_key()) for _ in range(12)]
    assert [one.status_code for one in answers] == [401] * 10 + [429] * 2
    assert code(answers[-1]) == (429, "rate_limited")
    assert 6 <= int(answers[-1].headers["retry-after"]) <= 9
    # A neighbour in the same network of 64 bits is the same client; the right key does not help either.
    assert (await attempt("2001:db8:1:2:ffff::9", WRITE_KEY)).status_code == 429
    assert (await attempt("2001:db8:1:3::1", WRITE_KEY)).status_code == 200
    served.clock.move(6)
    assert (await attempt("2001:db8:1:2::1", WRITE_KEY)).status_code == 200


async def test_a_broker_that_is_down_locks_nobody_out(served: Served) -> None:
    class Silent:
        async def charge(self, rate: Rate, client: str) -> Standing:
            raise DependencyDown

    without_broker = await replace(served, rates=Silent()).start()
    browser = await without_broker.browser()
    assert (await browser.get("/admin/api/session")).status_code == 200
