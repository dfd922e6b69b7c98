"""What operators see of the service: versions with their imports, workers, traffic."""

from __future__ import annotations

import json

import pytest

from splitleaf.api.admin.overview import TRAFFIC_KEPT_S
from splitleaf.registry.reports import REPORT_NAME
from tests.api.served import READ_KEY, Served, code
from tests.outcomes.facts import outcome

PATHS = ["models", "models/v1", "workers", "traffic"]


async def test_a_version_is_shown_with_its_manifest_and_the_report_of_its_import(served: Served) -> None:
    report = {"parity": {"same_top_1": 616}, "warnings": ["<b>look</b>"]}
    (served.models / "v2/artifact" / REPORT_NAME).write_text(json.dumps(report), encoding="utf-8")
    async with served.client(READ_KEY) as client:
        shown = (await client.get("/admin/api/models/v2")).json()
        bare = (await client.get("/admin/api/models/v1")).json()
    assert shown["model"]["workers"] == {"w": "ready"}
    assert shown["manifest"]["preprocessing"]["height"] == 16
    assert shown["report"] == report
    assert bare["report"] is None


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
async def test_a_report_that_cannot_be_read_hides_nothing_else(served: Served, text: str) -> None:
    (served.models / "v1/artifact" / REPORT_NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    async with served.client(READ_KEY) as client:
        shown = (await client.get("/admin/api/models/v1")).json()
    assert shown["report"] is None
    assert shown["model"]["version"] == "v1"


async def test_an_unknown_version_is_not_found(served: Served) -> None:
    async with served.client(READ_KEY) as client:
        assert code(await client.get("/admin/api/models/v9")) == (404, "version_not_found")


async def test_the_traffic_is_counted_anew_after_some_seconds(served: Served) -> None:
    def arrive() -> None:
        served.store.record_outcomes([outcome(created_ms=served.clock.now_ms(), finished_ms=served.clock.now_ms())])

    async def counted() -> int:
        async with served.client(READ_KEY) as client:
            answer = (await client.get("/admin/api/traffic", params={"window": "hour"})).json()
        assert len(answer["periods"]) == 60
        return int(answer["total"]["outcomes"].get("succeeded", 0))

    arrive()
    assert await counted() == 1
    arrive()
    assert await counted() == 1
    served.clock.move(TRAFFIC_KEPT_S)
    assert await counted() == 2


async def test_an_unknown_window_is_refused(served: Served) -> None:
    async with served.client(READ_KEY) as client:
        assert code(await client.get("/admin/api/traffic", params={"window": "year"})) == (422, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_sees_it_without_a_key(served: Served, path: str) -> None:
    async with served.client() as client:
        assert code(await client.get(f"/admin/api/{path}")) == (401, "unauthorized")
