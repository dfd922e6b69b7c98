"""Run in the import environment: what `keras.utils.image_dataset_from_directory` gives a network in training.

python keras_dataset.py FOLDER RESULT.npz      FOLDER holds one folder of images for each "class"
"""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "area")
SIZE = (60, 88)


def main(folder: str, result: str) -> None:
    arrays: dict[str, Any] = {}
    for interpolation in INTERPOLATIONS:
        for crop in (False, True):
            for mode in ("rgb", "grayscale"):
                dataset = keras.utils.image_dataset_from_directory(
                    folder,
                    labels=None,
                    shuffle=False,
                    batch_size=None,
                    image_size=SIZE,
                    interpolation=interpolation,
                    crop_to_aspect_ratio=crop,
                    color_mode=mode,
                    verbose=False,
                )
                arrays[f"{interpolation}|{'crop' if crop else 'stretch'}|{mode}"] = np.stack([*dataset])
    np.savez(result, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
