"""Folders of versions, made on the spot."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tomlkit

from splitleaf.engine.onnx import OnnxRuntime
from tests.support.networks import mean_colour_network

LABELS = ("red", "green", "blue")
TELLS_COLOUR = np.eye(3) * 20 / 255
"""Weights with which the label is the channel that is brightest, for inputs 0-255."""
SIDE = 16


def add_version(
    models: Path,
    version: str,
    *,
    weights: np.ndarray = TELLS_COLOUR,
    labels: Sequence[str] = LABELS,
    side: int = SIDE,
    softmax: bool = True,
    temperature: float = 1.0,
    min_confidence: float = 0.5,
    cap: int = 4,
    resize: str = "pillow-bilinear",
    other_label: str | None = None,
) -> Path:
    """Write a whole imported version, whose network names the brightest colour, and return its folder."""
    network = mean_colour_network(side, side, 3, weights, softmax=softmax)
    return write_version(
        models,
        version,
        network,
        labels=labels,
        side=side,
        output="probabilities" if softmax else "logits",
        temperature=temperature,
        min_confidence=min_confidence,
        cap=cap,
        resize=resize,
        other_label=other_label,
    )


def write_version(
    models: Path,
    version: str,
    network: bytes,
    *,
    labels: Sequence[str],
    side: int,
    output: str = "probabilities",
    temperature: float = 1.0,
    min_confidence: float = 0.5,
    cap: int = 4,
    resize: str = "pillow-bilinear",
    other_label: str | None = None,
) -> Path:
    """Write an ONNX network as a whole imported version, and return its folder."""
    folder = models / version
    (folder / "artifact").mkdir(parents=True, exist_ok=True)
    (folder / "artifact/model.onnx").write_bytes(network)
    inputs = np.random.default_rng(7).integers(0, 256, (4, side, side, 3)).astype(np.uint8)
    answers = OnnxRuntime(network).run(inputs.astype(np.float32))
    np.savez(folder / "artifact/golden.npz", inputs=inputs, probabilities=answers)
    source = folder / "network.onnx"
    source.write_bytes(network)
    manifest = {
        "schema": 1,
        "version": version,
        "labels": list(labels),
        "preprocessing": {"height": side, "width": side, "resize": resize},
        "calibration": {"temperature": temperature},
        "decision": {"min_confidence": min_confidence} | ({"other_label": other_label} if other_label else {}),
        "batching": {"cap": cap},
        "source": {"file": source.name, "format": "onnx", "sha256": sha256(source), "size_bytes": len(network)},
        "artifact": {
            "sha256": sha256(folder / "artifact/model.onnx"),
            "size_bytes": len(network),
            "output": output,
            "golden_sha256": sha256(folder / "artifact/golden.npz"),
        },
    }
    (folder / "model.toml").write_text(tomlkit.dumps(manifest), encoding="utf-8")
    return folder


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
