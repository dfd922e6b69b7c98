"""Writes `tf_resize.npz`: what TensorFlow itself computes. Run it in the import environment (`make import-env`).

    .venv-import/bin/python tests/images/golden/make_tf_resize.py

The inputs are a formula (`pattern`), so only outputs are stored; large ones are thinned by `THIN`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SIZES = [
    ((37, 53), (24, 31)),
    ((24, 31), (37, 53)),
    ((40, 40), (40, 40)),
    ((256, 256), (224, 224)),
    ((300, 401), (96, 64)),
    ((1024, 768), (32, 32)),
    ((7, 5), (16, 16)),
    ((33, 64), (2, 3)),
    ((48, 200), (50, 51)),
    ((999, 1001), (300, 299)),
]
METHODS = {
    "tf-nearest": ("nearest", False),
    "tf-bilinear": ("bilinear", False),
    "tf-bilinear-antialias": ("bilinear", True),
    "tf-bicubic": ("bicubic", False),
    "tf-area": ("area", False),
}
MOST_SIDE = 32


def pattern(height: int, width: int, channels: int = 3) -> npt.NDArray[np.uint8]:
    """An image of sharp and smooth parts, the same on every machine."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels].astype(np.int64)
    sharp = (x * x * 3 + y * 17 + c * 91 + x * y * 5) % 251
    smooth = (x + 2 * y + 40 * c) % 256
    return np.asarray(np.where((x // 9 + y // 11) % 2 == 0, sharp, smooth), dtype=np.uint8)


def thinned(tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """At most about 32 rows and columns, always with the first and the last."""
    rows = np.unique(np.linspace(0, tensor.shape[0] - 1, MOST_SIDE).astype(int))
    columns = np.unique(np.linspace(0, tensor.shape[1] - 1, MOST_SIDE).astype(int))
    return np.asarray(tensor[rows[:, None], columns[None, :]])


def case_name(method: str, fit: str, size: tuple[int, int], wanted: tuple[int, int]) -> str:
    return f"{method}|{fit}|{size[0]}x{size[1]}|{wanted[0]}x{wanted[1]}"


def main() -> None:
    import tensorflow as tf

    golden = {}
    for size, wanted in SIZES:
        image = tf.constant(pattern(*size))
        for name, (method, antialias) in METHODS.items():
            stretched = tf.image.resize(image, wanted, method=method, antialias=antialias)
            padded = tf.image.resize_with_pad(image, *wanted, method=method, antialias=antialias)
            golden[case_name(name, "stretch", size, wanted)] = thinned(stretched.numpy())
            golden[case_name(name, "pad", size, wanted)] = thinned(padded.numpy())
            if not antialias:
                cropped = tf.keras.preprocessing.image.smart_resize(image, wanted, interpolation=method)
                golden[case_name(name, "crop", size, wanted)] = thinned(np.asarray(cropped))
    compact: dict[str, Any] = {
        k: v.astype(np.float32) if (v % 1).any() else v.astype(np.uint8) for k, v in golden.items()
    }
    np.savez_compressed(Path(__file__).with_name("tf_resize.npz"), **compact)
    print(len(golden), "cases, TensorFlow", tf.__version__)


if __name__ == "__main__":
    main()
