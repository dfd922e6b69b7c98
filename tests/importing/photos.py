"""Folders of labelled images, and networks that answer them in a known way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import helper
from PIL import Image

from tests.support.networks import build

NAMES = ("blue", "green", "red")
"""The images of the name at place i are brightest in channel i of RGB."""
SIDE = 16


def labelled_folder(folder: Path, per_class: int = 4, *, side: int = 48, names: Sequence[str] = NAMES) -> Path:
    """Write a folder for each name; as PNG, so that every pixel arrives as it was."""
    rng = np.random.default_rng(0)
    for channel, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = rng.integers(60, 130, (side, side, 3))
            pixels[..., channel] += 100
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def picky_network(order: Sequence[int] = (0, 1, 2), *, side: int | str = SIDE, ending: str = "Softmax") -> bytes:
    """Return a network that is right for x/255 and RGB alone: output i answers for the channel `order[i]`.

    Other scalings leave the range that it tells apart, as they do for trained networks.
    """
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("Clip", ["mean", "low", "high"], ["clipped"]),
        helper.make_node("Sub", ["clipped", "dim"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distance"]),
        helper.make_node("MatMul", ["distance", "weights"], ["logits"]),
        helper.make_node(ending, ["logits"], ["scores"]),
    ]
    constants = {
        "axes": np.array([1, 2], dtype=np.int64),
        "low": np.float32(-1),
        "high": np.float32(1),
        "dim": np.float32(0.37),
        "weights": 20 * np.eye(3, dtype=np.float32)[:, list(order)],
    }
    return build(nodes, constants, (side, side, 3), "scores", 3)  # type: ignore[arg-type]
