"""What is left of accepted predictions when workers and the broker die under load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from benchmarks.faults import broker_drill, start_null_system, worker_drill
from onnx import TensorProto, helper

from tests.support.networks import build
from tests.support.pictures import jpeg
from tests.support.repositories import LABELS, SIDE, write_version
from tests.system.drills import Crowd, find_out
from tests.system.running import RunningSystem, start_system

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LEASE_S = 2.0


@pytest.fixture
def system(tmp_path: Path) -> Iterator[RunningSystem]:
    running = start_null_system(tmp_path, SPLITLEAF_QUEUE__LEASE_MS=str(round(LEASE_S * 1000)))
    yield running
    assert running.stop() == 0


async def test_workers_killed_and_frozen_lose_nothing_and_change_nothing(system: RunningSystem) -> None:
    crowd = Crowd(system, count=600, per_second=50)
    facts = await worker_drill(crowd, workers=3, lease_s=LEASE_S)
    assert int(str(facts["SIGKILL"])) >= 4
    assert int(str(facts["SIGSTOP beyond the lease, then SIGCONT"])) >= 2
    findings = await find_out(crowd)
    assert findings.accepted == 600
    assert findings.faults == 0, findings
    assert findings.by_status == {"succeeded": 600}


async def test_a_broker_killed_under_load_loses_nothing_and_work_goes_on_by_itself(system: RunningSystem) -> None:
    crowd = Crowd(system, count=600, per_second=60)
    facts = await broker_drill(crowd, kills=3)
    findings = await find_out(crowd)
    assert findings.accepted == 600
    assert findings.faults == 0, findings
    assert findings.by_status == {"succeeded": 600}
    assert float(str(facts["longest_pause_s"])) < 5
    # What clients saw meanwhile was the one honest answer.
    assert set(crowd.ledger.refusals) <= {(503, "unavailable")}
    assert crowd.ledger.refusals


def hanging_network() -> bytes:
    """Return a network that never answers for pictures that are all white, and tells colours apart otherwise."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still_on"]), helper.make_node("Identity", ["x"], ["same_x"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3]),
        ],
        [
            helper.make_tensor_value_info("still_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("same_x", TensorProto.FLOAT, ["batch", 3]),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("ReduceMin", ["mean", "channels"], ["darkest"], keepdims=0),
        helper.make_node("ReduceMax", ["darkest", "batch_axis"], ["brightest"], keepdims=0),
        helper.make_node("Greater", ["brightest", "nearly_white"], ["is_white"]),
        helper.make_node("Loop", ["for_ever", "is_white", "mean"], ["kept"], body=body),
        helper.make_node("MatMul", ["kept", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    constants: dict[str, np.ndarray] = {
        "axes": np.array([1, 2], dtype=np.int64),
        "channels": np.array([1], dtype=np.int64),
        "batch_axis": np.array([0], dtype=np.int64),
        "nearly_white": np.array(254.5, dtype=np.float32),
        "for_ever": np.array(2**62, dtype=np.int64),
        "weights": (np.eye(3) * 20 / 255).astype(np.float32),
    }
    return build(nodes, constants, (SIDE, SIDE, 3), "probabilities", 3)


def test_a_picture_on_which_the_network_hangs_fails_alone(tmp_path: Path) -> None:
    """The worker's process ends itself three times; the mates of the batch are answered all the same."""
    write_version(tmp_path / "models", "v1", hanging_network(), labels=LABELS, side=SIDE)
    (tmp_path / "models/repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")
    settings = {"QUEUE__LEASE_MS": "1000", "WORKER__BATCH_TIMEOUT_S": "1", "WORKER__THREADS": "1"}
    system = start_system(
        tmp_path / "models", tmp_path / "data", **{f"SPLITLEAF_{name}": value for name, value in settings.items()}
    )
    try:
        with httpx.Client(base_url=system.url, timeout=40) as client:
            colours = [(200, 30, 30), (255, 255, 255), (30, 200, 30), (30, 30, 200)]
            sent = [client.post("/v1/predictions", files={"file": jpeg(colour)}).json() for colour in colours]
            ends = [until_final(client, one["id"]) for one in sent]
        assert [one["status"] for one in ends] == ["succeeded", "failed", "succeeded", "succeeded"]
        assert [one["result"]["label"] for one in ends if one["result"]] == ["red", "green", "blue"]
        assert ends[1]["error"]["code"] == "inference_failed"
        with system.admin() as admin:
            (letter,) = admin.get("/dead-letters", params={"version": "v1"}).json()["dead_letters"]
        assert (letter["task_id"], letter["deliveries"]) == (sent[1]["id"], 3)
    finally:
        assert system.stop() == 0


def until_final(client: httpx.Client, prediction_id: str) -> dict[str, Any]:
    give_up_at = time.monotonic() + 45
    while time.monotonic() < give_up_at:
        body: dict[str, Any] = client.get(f"/v1/predictions/{prediction_id}", params={"wait": 5}).json()
        if body["status"] in ("succeeded", "failed", "expired", "canceled"):
            return body
    raise AssertionError(f"{prediction_id} has no final state")


def test_a_stopped_system_keeps_what_it_accepted(tmp_path: Path) -> None:
    """Stopped in order and started again: every answer is still there, and unchanged."""
    system = start_null_system(tmp_path)
    crowd = Crowd(system, count=40, per_second=200)
    asyncio.run(crowd.run())
    assert system.stop() == 0
    crowd.system = start_system(tmp_path / "models", tmp_path / "data")
    findings = asyncio.run(find_out(crowd))
    assert crowd.system.stop() == 0
    assert (findings.accepted, findings.by_status, findings.faults) == (40, {"succeeded": 40}, 0)
