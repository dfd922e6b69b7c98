"""The report over HTTP."""

from __future__ import annotations

from pathlib import Path

from splitleaf.analysis.report import Report
from tests.api.served import READ_KEY, Served, code
from tests.support.synthetic import Synthetic, World, shadow_plan


async def test_a_key_that_may_read_gets_the_whole_report(tmp_path: Path) -> None:
    served = await Served(tmp_path).start()
    Synthetic(shadow_plan(), World(labels_disagreements=True), store=served.store).run(300)
    async with served.client(READ_KEY) as client:
        response = await client.get("/admin/api/experiments/v2-against-v1/report")
        assert response.status_code == 200
        report = Report.model_validate_json(response.content)
        assert report.agreements[0].images == 300
        assert code(await client.get("/admin/api/experiments/nothing/report")) == (404, "experiment_not_found")
        document = (await client.get("/openapi.json")).json()
        ours = document["paths"]["/admin/api/experiments/{key}/report"]["get"]
        assert ours["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Report")


async def test_without_a_key_there_is_no_report(tmp_path: Path) -> None:
    served = await Served(tmp_path).start()
    async with served.client() as client:
        assert code(await client.get("/admin/api/experiments/v2-against-v1/report")) == (401, "unauthorized")
