"""Keys that are made while the system runs: what they open, and how soon they do not."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from splitleaf.core.access import key_digest
from splitleaf.core.errors import DependencyDown
from tests.api.served import READ_KEY, SESSION, WRITE_KEY, Served, code, unknown_key
from tests.support.keys import is_key
from tests.support.stores import EmptyStore

MOVE = {"version": "v2", "reason": "better"}


class FailingStore(EmptyStore):
    """Answers until it is told not to."""

    is_down = False
    reads = 0

    def api_keys(self) -> Any:
        self.reads += 1
        if self.is_down:
            raise DependencyDown
        return super().api_keys()


class HangingStore(EmptyStore):
    """Answers until it is frozen, and then not before its test is over."""

    def __init__(self) -> None:
        super().__init__()
        self.is_frozen, self.is_over, self.reads_that_hang = False, threading.Event(), 0

    def api_keys(self) -> Any:
        if self.is_frozen:
            self.reads_that_hang += 1
            self.is_over.wait(60)
        return super().api_keys()


async def create(served: Served, scope: str = "read", **more: object) -> dict[str, Any]:
    body = {"name": "anna", "scope": scope, "reason": "needs it", **more}
    response = await served.client(WRITE_KEY).post("/admin/api/keys", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def revoke(served: Served, key_id: str) -> httpx.Response:
    return await served.client(WRITE_KEY).post(f"/admin/api/keys/{key_id}/revoke", json={"reason": "left"})


async def status(served: Served, key: str) -> int:
    return (await served.client(key).get("/admin/api/models")).status_code


async def test_a_key_is_shown_once_and_kept_as_a_digest(served: Served) -> None:
    made = await create(served, "write")
    assert is_key(made["key"])
    listed = await served.client(WRITE_KEY).get("/admin/api/keys")
    assert made["key"] not in listed.text
    (record,) = served.store.api_keys()
    assert record.digest == key_digest(made["key"])
    assert (await served.client(made["key"]).put("/admin/api/aliases/champion", json=MOVE)).status_code == 200
    assert served.store.audit_log()[0].actor == f"anna (key:{record.key_id[:8]})"


async def test_the_list_shows_whose_keys_there_are_and_which_stand_in_the_settings(served: Served) -> None:
    made = await create(served, expires_at="2027-01-15T10:00:00+01:00")
    listed = (await served.client(WRITE_KEY).get("/admin/api/keys")).json()["keys"]
    assert listed[0] == made["record"]
    assert (listed[0]["name"], listed[0]["scope"], listed[0]["source"]) == ("anna", "read", "store")
    assert listed[0]["expires_at"] == "2027-01-15T09:00:00.000Z"
    assert {(one["scope"], one["source"]) for one in listed[1:]} == {("read", "settings"), ("admin", "settings")}


@pytest.mark.parametrize("scope", ["read", "write"])
async def test_only_admins_manage_keys(served: Served, scope: str) -> None:
    key = (await create(served, scope))["key"]
    client = served.client(key)
    assert code(await client.get("/admin/api/keys")) == (403, "forbidden")
    more = {"name": "mine", "scope": "admin", "reason": "why not"}
    assert code(await client.post("/admin/api/keys", json=more)) == (403, "forbidden")
    assert len(served.store.api_keys()) == 1


async def test_a_revoked_key_opens_nothing_and_neither_do_its_sessions(served: Served) -> None:
    made = await create(served, "admin")
    browser = await served.browser(made["key"])
    assert await status(served, made["key"]) == 200
    assert (await revoke(served, made["record"]["id"])).status_code == 200
    assert await status(served, made["key"]) == 401
    assert code(await browser.get("/admin/api/session")) == (401, "unauthorized")
    login = await served.client().post("/admin/api/session", json={"key": made["key"]}, headers=SESSION)
    assert login.status_code == 401


async def test_every_replica_obeys_within_two_seconds(served: Served) -> None:
    other = await replace(served).start()
    made = await create(served)
    assert await status(other, made["key"]) == 200
    await revoke(served, made["record"]["id"])
    served.clock.move(2)
    assert await status(other, made["key"]) == 401


async def test_a_logout_holds_on_every_replica_also_for_a_copied_cookie(served: Served) -> None:
    other = await replace(served).start()
    browser = await served.browser()
    headers = {"Cookie": f"splitleaf_session={browser.cookies['splitleaf_session']}"}
    assert (await other.client().get("/admin/api/session", headers=headers)).status_code == 200
    await browser.delete("/admin/api/session", headers=SESSION)
    assert code(await served.client().get("/admin/api/session", headers=headers)) == (401, "unauthorized")
    served.clock.move(2)
    assert code(await other.client().get("/admin/api/session", headers=headers)) == (401, "unauthorized")


async def test_a_key_ends_by_itself_and_its_session_with_it(served: Served) -> None:
    made = await create(served, expires_at="2027-01-15T08:10:00Z")
    browser = await served.browser(made["key"])
    assert (await browser.get("/admin/api/session")).json()["expires_at"] == "2027-01-15T08:10:00.000Z"
    served.clock.move(600)
    assert await status(served, made["key"]) == 401
    assert code(await browser.get("/admin/api/session")) == (401, "unauthorized")


@pytest.mark.parametrize("expires_at", ["2027-01-15T08:00:00Z", "2001-01-01T00:00:00Z"])
async def test_a_key_that_is_over_already_is_not_made(served: Served, expires_at: str) -> None:
    body = {"name": "anna", "scope": "read", "reason": "oops", "expires_at": expires_at}
    response = await served.client(WRITE_KEY).post("/admin/api/keys", json=body)
    assert code(response) == (422, "invalid_key")


async def test_keys_of_the_settings_are_taken_out_there(served: Served) -> None:
    listed = (await served.client(WRITE_KEY).get("/admin/api/keys")).json()["keys"]
    assert code(await revoke(served, listed[0]["id"])) == (409, "conflict")
    assert code(await revoke(served, "0" * 16)) == (404, "key_not_found")


async def test_the_last_use_is_noted(served: Served) -> None:
    made = await create(served)
    await asyncio.gather(*(status(served, made["key"]) for _ in range(5)))
    await served.access.keys.close()
    (record,) = served.store.api_keys()
    assert record.last_used_ms == served.clock.now_ms()


async def test_the_store_is_asked_at_most_once_a_second_whatever_is_tried(tmp_path: Path) -> None:
    store = FailingStore()
    served = await Served(tmp_path, store=store).start()
    for _ in range(20):
        assert await status(served, READ_KEY) == 200
    assert store.reads == 0
    for _ in range(20):
        assert await status(served, unknown_key()) == 401
    assert store.reads == 1


async def test_while_the_store_is_silent_only_the_keys_of_the_settings_open_anything(tmp_path: Path) -> None:
    store = FailingStore()
    served = await Served(tmp_path, store=store).start()
    made = await create(served)
    browser = await served.browser()
    assert await status(served, made["key"]) == 200
    store.is_down = True
    served.clock.move(1.5)
    assert await status(served, made["key"]) == 200
    served.clock.move(1)
    # It may have been revoked where we cannot see it.
    assert code(await served.client(made["key"]).get("/admin/api/models")) == (503, "unavailable")
    assert await status(served, WRITE_KEY) == 200
    assert (await browser.get("/admin/api/session")).status_code == 200


async def test_a_store_that_hangs_holds_up_nobody_for_long(tmp_path: Path) -> None:
    store = HangingStore()
    served = await Served(tmp_path, store=store).start()
    made, browser = await create(served), await served.browser()
    store.is_frozen = True
    served.clock.move(5)
    try:
        answers = await asyncio.gather(*(served.client(made["key"]).get("/admin/api/models") for _ in range(20)))
        assert {code(one) for one in answers} == {(503, "unavailable")}
        assert (await browser.get("/admin/api/session")).status_code == 200
        assert store.reads_that_hang == 1
    finally:
        store.is_over.set()


async def test_a_digest_that_only_begins_alike_is_another_key(served: Served) -> None:
    made = await create(served)
    (record,) = served.store.api_keys()
    ring = served.access.keys
    assert await ring.find(record.digest) is not None
    assert await ring.find(record.digest[:-1] + ("0" if record.digest[-1] != "0" else "1")) is None
    assert made["record"]["id"] == record.key_id
