"""What holds for every route of the admin API, taken from the route table: new routes are held to it as well."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from splitleaf.api.admin.router import admin_router
from splitleaf.api.security.access import Required
from splitleaf.core.access import Scope, key_digest
from splitleaf.images.directory import DirectoryImageArchive
from splitleaf.jobs.queue import DeadLetter
from tests.api.served import READ_KEY, SESSION, WRITE_KEY, Served, unknown_key
from tests.api.test_review import scored
from tests.experiments import plans
from tests.jobs.tasks import task

Call = tuple[str, str]
LOGIN = ("POST", "/admin/api/session")
FORMER = {
    ("GET", "/admin/api/review/items/{prediction_id}/picture"),
    ("DELETE", "/admin/api/pictures/{prediction_id}"),
}
"""Former paths of documented routes; they do the same."""
OF_THE_SESSION = {LOGIN, ("GET", "/admin/api/session"), ("DELETE", "/admin/api/session")}
SAFE = ("GET", "HEAD", "OPTIONS")


async def make_middle_key(served: Served) -> str:
    body = {"name": "middle", "scope": "write", "reason": "for the test"}
    key: str = (await served.client(WRITE_KEY).post("/admin/api/keys", json=body)).json()["key"]
    return key


def table(served: Served) -> dict[Call, Scope | None]:
    """Every admin route with the scope that it wants; None for those of the session itself."""
    routes = [one for one in admin_router(served.services).routes if isinstance(one, APIRoute)]
    return {(method, one.path): scope_of(one) for one in routes for method in one.methods or ()}


def scope_of(route: APIRoute) -> Scope | None:
    required = [one.call.scope for one in route.dependant.dependencies if isinstance(one.call, Required)]
    return required[0] if required else None


def changing(served: Served) -> set[Call]:
    """The routes that change something: not those that only ask a question in a body."""
    return {
        (method, path)
        for (method, path), scope in table(served).items()
        if scope and scope is not Scope.READ and method not in SAFE
    }


def filled(path: str) -> str:
    return re.sub(r"{[^}]+}", "0123456789abcdef", path)


async def test_every_route_wants_a_scope(served: Served) -> None:
    routes = table(served)
    paths = (await served.client().get("/openapi.json")).json()["paths"]
    documented = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert set(routes) - FORMER == {(method, path) for method, path in documented if path.startswith("/admin")}
    assert len(routes) > 30
    assert {call for call, scope in routes.items() if scope is None} == OF_THE_SESSION
    assert len(changing(served)) > 15


async def test_no_key_and_a_wrong_key_open_nothing(served: Served) -> None:
    wrong = []
    for key in ("", unknown_key()):
        for method, path in table(served):
            headers = SESSION if (method, path) == LOGIN else {}
            body = {"key": key} if (method, path) == LOGIN else None
            answer = await served.client(key).request(method, filled(path), headers=headers, json=body)
            if answer.status_code != 401 or answer.headers["content-type"] != "application/problem+json":
                wrong.append((key, method, path, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("by", ["key", "session"])
@pytest.mark.parametrize("has", [Scope.READ, Scope.WRITE])
async def test_a_key_of_less_scope_is_refused_and_one_of_enough_is_not(served: Served, has: Scope, by: str) -> None:
    key = READ_KEY if has is Scope.READ else await make_middle_key(served)
    before = served.store.audit_log()
    client = served.client(key) if by == "key" else await served.browser(key)
    wrong = []
    for (method, path), wanted in table(served).items():
        if wanted is None:
            continue
        answer = await client.request(method, filled(path), headers=SESSION)
        if (answer.status_code == 403) is has.allows(wanted):
            wrong.append((method, path, wanted, answer.status_code))
    assert wrong == []
    assert served.store.audit_log() == before


async def test_a_session_without_its_header_changes_nothing_anywhere(served: Served) -> None:
    browser = await served.browser()
    before = served.store.audit_log()
    wrong = [
        (method, path)
        for method, path in table(served)
        if method not in SAFE and (await browser.request(method, filled(path), json={})).status_code != 403
    ]
    assert wrong == []
    assert served.store.audit_log() == before


@dataclass(frozen=True)
class Step:
    """One change: a route, and what to send there."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    names: tuple[str, ...] = ()
    query: str = ""
    why: str = ""
    """Where the route wants no reason of its own: the one that it gives."""
    csv: str = ""
    entries: int = 1

    def request(self, client: httpx.AsyncClient, image: str, key_id: str) -> httpx.Request:
        path = self.path
        for name in self.names:
            path = re.sub(r"{[^}]+}", name.replace("IMAGE", image).replace("KEY", key_id), path, count=1)
        address = f"/admin/api{path}{self.query}"
        if self.csv:
            text = self.csv.replace("IMAGE", image)
            return client.build_request(self.method, address, content=text, headers={"Content-Type": "text/csv"})
        reason = {} if self.why else {"reason": "because"}
        body = None if self.body is None else {**reason, **self.body}
        return client.build_request(self.method, address, json=body)


def experiment(step: str, key: str = "leaf", **more: Any) -> Step:
    return Step("POST", f"/experiments/{{key}}/{step}", more, (key,))


def draft(key: str) -> Step:
    return Step("POST", "/experiments", {"plan": plans.table(key=key, ramp=plans.RAMP[:2])})


JOURNEY = [
    draft("leaf"),
    Step("PUT", "/experiments/{key}", {"plan": plans.table(hypothesis="another", ramp=plans.RAMP[:2])}, ("leaf",)),
    experiment("start"),
    experiment("pause"),
    experiment("resume"),
    experiment("ramp", stage=1),
    experiment("stop"),
    experiment("promote", variant="candidate", against_evidence=True),
    experiment("rollback"),
    draft("other"),
    experiment("start", "other"),
    experiment("stop", "other"),
    experiment("reject", "other"),
    Step("PUT", "/aliases/{alias}", {"version": "v2"}, ("challenger",)),
    Step("PUT", "/aliases/{alias}", {"version": "v1"}, ("challenger",)),
    Step("POST", "/aliases/{alias}/rollback", {}, ("challenger",)),
    Step("PUT", "/routing", {"shares": {"v1": 50, "v2": 50}}),
    Step("DELETE", "/routing", query="?reason=because"),
    Step("POST", "/dead-letters/{version}/{token}/retry", {}, ("v1", "1-0")),
    Step("DELETE", "/dead-letters/{version}/{token}", None, ("v1", "2-0"), "?reason=because"),
    Step("POST", "/review/next", {"experiment": "leaf", "expert": "anna"}, why="a turn", entries=0),
    Step("POST", "/review/items/{prediction_id}/label", {"label": "green", "expert": "anna"}, ("IMAGE",), why="review"),
    Step(
        "POST", "/review/items/{prediction_id}/settle", {"label": "green", "expert": "anna"}, ("IMAGE",), why="review"
    ),
    Step("POST", "/review/items/{prediction_id}/settle/undo", {"expert": "anna"}, ("IMAGE",), why="review"),
    Step("POST", "/review/items/{prediction_id}/undo", {"expert": "anna"}, ("IMAGE",), why="review"),
    Step("POST", "/labels/import", query="?reason=because", csv="prediction_id,label,author\r\nIMAGE,green,team\r\n"),
    Step("DELETE", "/images/{prediction_id}", None, ("IMAGE",), "?reason=because"),
    Step("POST", "/keys", {"name": "new", "scope": "read"}),
    Step("POST", "/keys/{key_id}/revoke", {}, ("KEY",)),
]
"""Every change that the admin API offers, in an order in which each can be made."""


async def test_every_change_leaves_an_entry_of_who_and_why(tmp_path: Path) -> None:
    images = DirectoryImageArchive(tmp_path / "images")
    served = await Served(tmp_path / "models", read_keys=(), images=images).start()
    image = scored(served, "red", "green").prediction_id
    for token in ("1-0", "2-0"):
        served.broker.dead[token] = (DeadLetter(token, "a" * 26, "v1", 3, "worker died", 1), task("v1"))
    client, log = served.client(WRITE_KEY), served.store.audit_log
    for step in JOURNEY:
        key_id = "".join(one.key_id for one in served.store.api_keys())
        before = len(log(limit=1000))
        answer = await client.send(step.request(client, image, key_id))
        assert answer.is_success, (step, answer.text)
        made = log(limit=1000)[: len(log(limit=1000)) - before]
        assert len(made) == step.entries, step
        for entry in made:
            assert (entry.actor, entry.reason) == (f"key:{key_digest(WRITE_KEY)[:8]}", step.why or "because"), step
            assert entry.created_ms == served.clock.now_ms(), step
    walked = {(one.method, f"/admin/api{one.path}") for one in JOURNEY}
    assert walked == changing(served) - FORMER, "a new route that changes something belongs into the journey above"


async def test_what_was_not_done_leaves_no_entry(served: Served) -> None:
    client = served.client(WRITE_KEY)
    for path in ("/dead-letters/v1/9-0/retry", f"/keys/{'0' * 16}/revoke", "/aliases/nobody/rollback"):
        assert (await client.post(f"/admin/api{path}", json={"reason": "because"})).status_code == 404
    assert served.store.audit_log() == []


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 501}])
async def test_nobody_changes_anything_without_saying_why(served: Served, body: dict[str, str]) -> None:
    client = served.client(WRITE_KEY)
    silent = []
    gives_its_own = {(one.method, f"/admin/api{one.path}") for one in JOURNEY if one.why or one.csv}
    for method, path in changing(served) - gives_its_own:
        query = f"?reason={body.get('reason', '')}" if method == "DELETE" else ""
        answer = await client.request(method, filled(path) + query, json=body)
        if answer.status_code != 422:
            silent.append((method, path, answer.status_code))
    assert silent == []
    assert served.store.audit_log() == []
