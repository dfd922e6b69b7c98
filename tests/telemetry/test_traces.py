"""One image's way, as a collector of OpenTelemetry sees it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.images import GREEN, jpeg
from tests.support.repositories import add_version
from tests.system.running import RunningSystem, start_system
from tests.telemetry.collector import Collector

pytestmark = pytest.mark.slow
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.stop()


@pytest.fixture
def traced(collector: Collector, tmp_path: Path) -> Iterator[RunningSystem]:
    add_version(tmp_path / "models", "v1")
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    running = start_system(tmp_path / "models", tmp_path / "data", SPLITLEAF_LOG_LEVEL="info", **settings)
    yield running
    assert running.stop() == 0


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_a_request_is_followed_into_its_batch_and_back(traced: RunningSystem, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "from-the-door", "Prefer": "wait=10"}
    answer = httpx.post(f"{traced.url}/v1/predictions", content=jpeg(GREEN), headers=headers, timeout=30)
    assert answer.status_code == 200
    assert "trace" not in str(answer.headers).lower()

    def is_whole(spans: list[tuple[str, Any]]) -> bool:
        names = {span.name for _, span in spans}
        return {"POST /v1/predictions", "intake", "submit and wait", "classify v1", "work"} <= names

    found = {span.name: (service, span) for service, span in collector.spans(until=is_whole)}
    service, request = found["POST /v1/predictions"]
    assert (service, request.trace_id.hex(), request.parent_span_id.hex()) == ("splitleaf-api", TRACE, PARENT)
    said = attributes(request)
    assert (said["http.route"], said["http.response.status_code"]) == ("/v1/predictions", 200)
    assert said["splitleaf.request_id"] == "from-the-door"
    for name in ("intake", "submit and wait"):
        inner = found[name][1]
        assert (inner.trace_id, inner.parent_span_id) == (request.trace_id, request.span_id)
    submit = found["submit and wait"][1]
    service, work = found["work"]
    assert (service, work.trace_id, work.parent_span_id) == ("splitleaf-worker", request.trace_id, submit.span_id)
    assert attributes(work)["splitleaf.prediction"] == answer.json()["id"]
    batch = found["classify v1"][1]
    assert [(link.trace_id, link.span_id) for link in work.links] == [(batch.trace_id, batch.span_id)]
    assert [(link.trace_id, link.span_id) for link in batch.links] == [(submit.trace_id, submit.span_id)]
    assert batch.trace_id != request.trace_id
    assert attributes(batch)["splitleaf.inference_ms"] > 0


def test_a_batch_of_several_requests_links_to_each(traced: RunningSystem, collector: Collector) -> None:
    def send(_: int) -> str:
        url, headers = f"{traced.url}/v1/predictions", {"Prefer": "wait=10"}
        return str(httpx.post(url, content=jpeg(GREEN), headers=headers, timeout=30).json()["id"])

    with ThreadPoolExecutor(16) as threads:
        ids = set(threads.map(send, range(48)))

    def works(spans: list[tuple[str, Any]]) -> list[Any]:
        return [span for _, span in spans if span.name == "work"]

    def is_whole(spans: list[tuple[str, Any]]) -> bool:
        links = sum(len(span.links) for _, span in spans if span.name == "classify v1")
        return len(works(spans)) == links == len(ids)

    spans = collector.spans(until=is_whole)
    assert {attributes(work)["splitleaf.prediction"] for work in works(spans)} == ids


def test_what_the_client_does_not_trace_is_not_traced(traced: RunningSystem, collector: Collector) -> None:
    url, unsampled = f"{traced.url}/v1/predictions", {"traceparent": f"00-{TRACE}-{PARENT}-00", "Prefer": "wait=10"}
    assert httpx.post(url, content=jpeg(GREEN), headers=unsampled, timeout=30).status_code == 200
    assert httpx.post(url, content=jpeg(GREEN), headers={"Prefer": "wait=10"}, timeout=30).status_code == 200
    spans = collector.spans(until=lambda seen: any(span.name == "work" for _, span in seen))
    assert sum(span.name == "work" for _, span in spans) == 1
    assert all(span.trace_id.hex() != TRACE for _, span in spans)


def test_one_request_id_is_in_the_log_of_the_api_and_of_the_worker(traced: RunningSystem) -> None:
    url, headers = f"{traced.url}/v1/predictions", {"X-Request-ID": "seen-by-both", "Prefer": "wait=10"}
    assert httpx.post(url, content=jpeg(GREEN), headers=headers, timeout=30).status_code == 200
    give_up_at = time.monotonic() + 10
    while len(said := lines_about("seen-by-both", traced.data / "up.log")) < 2:
        assert time.monotonic() < give_up_at, said
        time.sleep(0.05)
    assert sorted((line["role"], line["event"]) for line in said) == [("api", "request"), ("worker", "batch")]


def lines_about(request_id: str, log: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
    return [one for one in lines if one.get("request_id") == request_id or request_id in one.get("requests", ())]
