"""What is left of accepted predictions when an image hangs its workers, and when everything is stopped."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.faults.checker import check_states
from tests.faults.clients import Clients
from tests.faults.history import History
from tests.support.images import jpeg
from tests.support.networks import build
from tests.support.repositories import LABELS, SIDE, write_version
from tests.system.running import start_small_system, start_system

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def hanging_network() -> bytes:
    """Return a network that never answers for images that are all white, and tells colours apart otherwise."""
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


def test_an_image_on_which_the_network_hangs_fails_alone(tmp_path: Path) -> None:
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


async def test_a_stopped_system_keeps_what_it_accepted(tmp_path: Path) -> None:
    """Stopped in order and started again: every answer is still there, and unchanged."""
    system, history = await asyncio.to_thread(start_small_system, tmp_path), History()
    clients = Clients([system.url], history, per_second=100, seed=1)
    await clients.run(0.4)
    clients.close()
    assert await asyncio.to_thread(system.stop) == 0
    system = await asyncio.to_thread(start_system, tmp_path / "models", tmp_path / "data")
    clients = Clients([system.url], history, per_second=100, seed=1)
    await clients.look_at_all()
    clients.close()
    assert await asyncio.to_thread(system.stop) == 0
    assert len(history.accepted()) > 30
    assert list(check_states(history)) == []
