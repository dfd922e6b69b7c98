"""What the public is told of why, through the API."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from splitleaf.core.prediction import MAP_SIDE
from splitleaf.flows.submit_image import UNEXPLAINED
from tests.api.served import Served, code
from tests.outcomes.facts import failed_outcome, outcome

CORNER = bytes([255, *[0] * (MAP_SIDE**2 - 1)])


async def explanation(served: Served, **facts: Any) -> dict[str, Any]:
    fact = outcome(**facts)
    served.store.record_outcomes([fact])
    async with served.client() as client:
        response = await client.get(f"/v1/predictions/{fact.prediction_id}/explanation")
        assert response.status_code == 200
        body: dict[str, Any] = response.json()
        return body


async def test_a_heat_map_has_ten_rows_of_ten_cells_in_percent(tmp_path: Path) -> None:
    body = await explanation(await Served(tmp_path).start(), heat=base64.b64encode(CORNER).decode())
    assert body["heat"] == [[100, *[0] * 9], *[[0] * 10] * 9]
    assert (body["label"], body["display_name"]) == ("late_blight", 'Late "blight" 🍅')


async def test_versions_without_a_map_are_answered_in_the_same_form(tmp_path: Path) -> None:
    served = await Served(tmp_path).start()
    with_map = await explanation(served, heat=base64.b64encode(CORNER).decode(), served_version="v2")
    without = await explanation(served)
    assert without["heat"] is None
    assert without.keys() == with_map.keys()


async def test_a_map_that_would_tell_versions_apart_is_not_shown(tmp_path: Path) -> None:
    heat = base64.b64encode(CORNER).decode()
    body = await explanation(await Served(tmp_path).start(), heat=heat, flags=(UNEXPLAINED,))
    assert body["heat"] is None


async def test_where_there_is_no_answer_there_is_nothing_to_explain(tmp_path: Path) -> None:
    served = await Served(tmp_path).start()
    fact = failed_outcome()
    served.store.record_outcomes([fact])
    async with served.client() as client:
        address = f"/v1/predictions/{fact.prediction_id}/explanation"
        assert code(await client.get(address)) == (409, "no_answer_to_explain")
        assert code(await client.get("/v1/predictions/unknown/explanation")) == (404, "prediction_not_found")


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"is_sure": True, "is_familiar": True}, "sure"),
        ({"is_sure": False, "is_familiar": True}, "unsure"),
        ({"is_sure": False, "is_familiar": False}, "unfamiliar"),
        ({"is_sure": True, "is_familiar": None}, "sure"),
    ],
)
async def test_the_verdict_outlives_the_broker(tmp_path: Path, facts: dict[str, Any], verdict: str) -> None:
    served = await Served(tmp_path).start()
    fact = outcome(**facts)
    served.store.record_outcomes([fact])
    async with served.client() as client:
        body = (await client.get(f"/v1/predictions/{fact.prediction_id}")).json()
    assert body["result"]["verdict"] == verdict
    assert body["links"]["explanation"] == f"/v1/predictions/{fact.prediction_id}/explanation"
