"""The backbone in Keras, the format of the exported file."""

from __future__ import annotations

import os

# Keras computes with what is installed here anyway; the file that it writes is the same.
os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch
from keras import layers

from training.backbone import CENTRE, FEATURES, SIDE, SPREAD, STEM, Backbone, Block, list_blocks

LARGEST_DIFFERENCE = 1e-4


def build_keras(outputs: int) -> keras.Model:
    """Return the untrained network for images (side, side, 3) with values 0-255; it answers probabilities."""
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Rescaling(1 / SPREAD, offset=-CENTRE / SPREAD, name="rescaling")(image)
    x = layers.Conv2D(STEM, 3, strides=2, padding="same", name="stem")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    for index, block in enumerate(list_blocks()):
        x = _block(x, block, f"block{index}")
    x = layers.ReLU(6.0, name="head_relu")(layers.Conv2D(FEATURES, 1, name="head")(x))
    x = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(image, layers.Dense(outputs, activation="softmax", name="condition")(x), name="tomato_leaf")


def _block(x: keras.KerasTensor, block: Block, name: str) -> keras.KerasTensor:
    y = x
    if block.expansion > 1:
        y = layers.ReLU(6.0, name=f"{name}_expand_relu")(layers.Conv2D(block.wide, 1, name=f"{name}_expand")(y))
    y = layers.DepthwiseConv2D(block.kernel, strides=block.stride, padding="same", name=f"{name}_depthwise")(y)
    y = layers.Conv2D(block.outputs, 1, name=f"{name}_project")(layers.ReLU(6.0, name=f"{name}_depthwise_relu")(y))
    return layers.Add(name=f"{name}_add")([x, y]) if block.is_residual else y


def to_keras(network: Backbone) -> keras.Model:
    """Return the same network in Keras.

    Raises:
        RuntimeError: when the two answer differently.
    """
    model = build_keras(network.condition.out_features)
    for name, part in _convolutions(network):
        kernel = _array(part.weight).transpose((2, 3, 0, 1) if part.groups > 1 else (2, 3, 1, 0))
        model.get_layer(name).set_weights([kernel, _array(part.bias)])
    model.get_layer("condition").set_weights([_array(network.condition.weight).T, _array(network.condition.bias)])
    pixels = np.random.default_rng(0).uniform(0, 255, (4, SIDE, SIDE, 3)).astype(np.float32)
    with torch.no_grad():
        ours = network.eval()(torch.from_numpy(pixels).permute(0, 3, 1, 2)).softmax(1).numpy()
    theirs = np.asarray(keras.ops.convert_to_numpy(model(pixels, training=False)))
    difference = float(np.abs(ours - theirs).max())
    if difference > LARGEST_DIFFERENCE:
        raise RuntimeError(f"the Keras network answers differently, by up to {difference:.2g}")
    return model


def _convolutions(network: Backbone) -> list[tuple[str, torch.nn.Conv2d]]:
    """Return all convolutions with the names of their layers in Keras."""
    named = [("stem", network.stem), ("head", network.head)]
    for index, block in enumerate(network.blocks):
        parts = {"expand": block.expand, "depthwise": block.depthwise, "project": block.project}
        named += [(f"block{index}_{name}", part) for name, part in parts.items() if part is not None]
    return named


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
