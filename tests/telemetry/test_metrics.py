"""Metrics of the real processes, read as Prometheus reads them."""

from __future__ import annotations

import httpx
import pytest

from tests.support.images import GREEN, jpeg
from tests.system.running import RunningSystem
from tests.telemetry.conftest import Metrics, wait_for

pytestmark = pytest.mark.slow
OF = {"model": "colours", "version": "v1"}


def test_each_process_counts_its_part_of_an_image(measured: RunningSystem, ports: tuple[int, int, int]) -> None:
    for _ in range(3):
        answer = httpx.post(f"{measured.url}/predict", files={"file": jpeg(GREEN)}, timeout=30)
        assert answer.status_code == 200
    api = Metrics(ports[0])
    asked = {"method": "POST", "route": "/predict"}
    assert api.value("splitleaf_http_requests_total", **asked, status="200") == 3
    assert api.value("splitleaf_http_request_duration_seconds_count", **asked) == 3
    assert api.value("splitleaf_predictions_accepted_total", **OF, priority="interactive") == 3
    assert api.value("splitleaf_intake_duration_seconds_count", **OF) == 3
    assert api.value("splitleaf_ready") == 1
    assert api.value("splitleaf_versions", state="ready") == 1
    worker = wait_for(ports[1], lambda seen: seen.value("splitleaf_images_total") == 3)
    assert worker.value("splitleaf_images_total", **OF, status="succeeded") == 3
    assert worker.value("splitleaf_queue_duration_seconds_count", **OF) == 3
    assert 1 <= worker.value("splitleaf_batch_size_count", **OF) <= 3
    assert worker.value("splitleaf_inference_duration_seconds_sum", **OF) > 0
    assert worker.value("splitleaf_version_loaded", **OF) == 1
    controller = wait_for(ports[2], lambda seen: seen.value("splitleaf_outcomes_total") == 3)
    assert controller.value("splitleaf_outcomes_total", **OF, role="primary", status="succeeded") == 3
    wait_for(ports[2], lambda seen: seen.value("splitleaf_workers") == 1 and seen.value("splitleaf_broker_up") == 1)


def test_the_controller_judges_the_newest_window_of_the_champion(
    measured: RunningSystem, ports: tuple[int, int, int]
) -> None:
    seen = wait_for(ports[2], lambda seen: "splitleaf_drift_ratio" in {name for name, _ in seen.samples})
    assert 0 < seen.value("splitleaf_drift_ratio", **OF, measure="brightness") < 1
    assert seen.value("splitleaf_drift_alarms_in_a_row", **OF) == 0
    assert measured.process.poll() is None


def test_problems_are_counted_by_code_and_unknown_addresses_as_one_route(
    measured: RunningSystem, ports: tuple[int, int, int]
) -> None:
    before = Metrics(ports[0])
    assert httpx.post(f"{measured.url}/v1/predictions", content=b"no image").status_code == 415
    for name in ("a", "b", "c"):
        assert httpx.get(f"{measured.url}/{name}").status_code == 404
    assert httpx.request("PROPFIND", f"{measured.url}/livez").status_code == 405
    assert httpx.get(f"{measured.url}/admin/api/models").status_code == 401
    after = Metrics(ports[0])

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert grown("splitleaf_http_problems_total", code="unsupported_media_type") == 1
    assert grown("splitleaf_http_problems_total", code="not_found") == 3
    assert grown("splitleaf_http_requests_total", route="other", status="404") == 3
    assert grown("splitleaf_http_requests_total", method="OTHER", route="/livez", status="405") == 1
    assert grown("splitleaf_http_requests_total", route="/admin/api/models", status="401") == 1
    routes = {dict(labels).get("route") for _, labels in after.samples}
    assert not routes & {"/a", "/b", "/c"}


def test_the_public_door_has_no_metrics(measured: RunningSystem) -> None:
    assert httpx.get(f"{measured.url}/metrics").status_code == 404
