"""The two networks: raw 8-bit pixels in, probabilities out. Standard layers only."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers


@dataclass(frozen=True)
class Recipe:
    """How a version is trained."""

    side: int
    widths: tuple[int, ...]
    """Channels of each stage; every stage halves the side."""
    residual: bool
    epochs: int
    learning_rate: float
    batch_size: int = 64
    weight_decay: float = 1e-4
    dropout: float = 0.2
    label_smoothing: float = 0.05
    mixup: float = 0.0
    """Largest share of another picture that is laid over one."""


RECIPES = {
    "v1": Recipe(side=64, widths=(24, 48, 64, 96), residual=False, epochs=32, learning_rate=3e-3),
    # On small pictures first, then on larger ones from those weights (progressive resizing): the features are
    # found at a fraction of the cost.
    "v2-96": Recipe(side=96, widths=(32, 64, 96, 160), residual=True, epochs=20, learning_rate=2e-3),
    "v2-128": Recipe(side=128, widths=(32, 64, 96, 160), residual=True, epochs=24, learning_rate=1.5e-3),
    "v2": Recipe(
        side=160,
        widths=(32, 64, 96, 160),
        residual=True,
        epochs=14,
        learning_rate=1e-3,
        weight_decay=0.03,
        mixup=0.3,
    ),
}


def build_network(recipe: Recipe, classes: int) -> keras.Model:
    """Return an untrained network for pictures (side, side, 3) with values 0-255."""
    image = keras.Input((recipe.side, recipe.side, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(image)
    for index, width in enumerate(recipe.widths):
        x = _conv(x, width, stride=2)
        if recipe.residual and index > 0:
            x = _residual(x, width)
        elif not recipe.residual and index > 0:
            x = _conv(x, width)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(recipe.dropout)(x)
    # Probabilities in float32 also where the rest is trained in bfloat16.
    return keras.Model(image, layers.Dense(classes, activation="softmax", name="condition", dtype="float32")(x))


def _conv(x: keras.KerasTensor, width: int, stride: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def _residual(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    y = _conv(x, width)
    y = layers.Conv2D(width, 3, padding="same", use_bias=False)(y)
    return layers.ReLU()(layers.Add()([x, layers.BatchNormalization(momentum=0.9)(y)]))
