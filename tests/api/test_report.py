"""The report over HTTP."""

from __future__ import annotations

from pathlib import Path

from splitleaf.analysis.report import Report
from tests.api.served import READ_KEY, Served, code
from tests.support.synthetic import Synthetic, World, plan_of, shadow_plan


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


async def test_a_recent_report_serves_who_looks_and_a_current_one_who_asks_or_promotes(tmp_path: Path) -> None:
    served = await Served(tmp_path).start()
    plan = plan_of(primary={"metric": "confidence", "direction": "increase"})
    experiment = Synthetic(plan, World(confidence={"v2": 0.1}), store=served.store).run(20)
    path = f"/admin/api/experiments/{experiment.plan.key}"
    async with served.client(READ_KEY) as client:
        first = await client.get(f"{path}/report")
        experiment.run(980)
        assert (await client.get(f"{path}/report")).content == first.content
        evidence = (await client.get(f"{path}/evidence")).json()["contenders"]["candidate"]
        assert evidence["verdict"] == "better"
        experiment.run(10)
        current = await client.get(f"{path}/report", headers={"Cache-Control": "no-cache"})
        assert Report.model_validate_json(current.content).newest_outcome == 1010


async def test_without_a_key_there_is_no_report(tmp_path: Path) -> None:
    served = await Served(tmp_path).start()
    async with served.client() as client:
        assert code(await client.get("/admin/api/experiments/v2-against-v1/report")) == (401, "unauthorized")
