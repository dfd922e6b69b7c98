"""The architecture in Keras, as whose H5 file it is handed over."""

from __future__ import annotations

import os
from pathlib import Path

# Keras computes with what is installed here anyway; the file that it writes is the same.
os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch
from keras import layers

from training.networks import EPSILON, LeafNetwork
from training.recipes import Recipe


def build_keras(recipe: Recipe, classes: int) -> keras.Model:
    """Return the untrained network for images (side, side, 3) with values 0-255; it answers probabilities."""
    image = keras.Input((recipe.side, recipe.side, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(image)
    for stage, (width, blocks) in enumerate(zip(recipe.widths, recipe.blocks, strict=True)):
        x = layers.ReLU(name=f"stage{stage}_relu")(_keras_unit(x, width, f"stage{stage}", stride=2))
        for block in range(blocks):
            name = f"stage{stage}_block{block}"
            y = layers.ReLU(name=f"{name}_a_relu")(_keras_unit(x, width, f"{name}_a"))
            x = layers.Add(name=f"{name}_add")([x, _keras_unit(y, width, f"{name}_b")])
            x = layers.ReLU(name=f"{name}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Dropout(recipe.dropout, name="dropout")(x)
    return keras.Model(image, layers.Dense(classes, activation="softmax", name="condition")(x), name="tomato_leaf")


def to_keras(network: LeafNetwork, classes: int) -> keras.Model:
    """Return the same network in Keras.

    Raises:
        RuntimeError: when the two answer differently.
    """
    model = build_keras(network.recipe, classes)
    for name, unit in network.units.items():
        model.get_layer(f"{name}_conv").set_weights(
            [_array(unit.kernel.unflatten(1, (-1, 3, 3))).transpose(2, 3, 1, 0)]
        )
        norm = unit.norm
        values = [_array(part) for part in (norm.weight, norm.bias, norm.running_mean, norm.running_var)]
        model.get_layer(f"{name}_norm").set_weights(values)
    last = network.condition
    model.get_layer("condition").set_weights([_array(last.weight).T, _array(last.bias)])
    pixels = np.random.default_rng(0).uniform(0, 255, (4, network.recipe.side, network.recipe.side, 3))
    with torch.no_grad():
        ours = network.eval()(torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2)).softmax(1).numpy()
    theirs = np.asarray(keras.ops.convert_to_numpy(model(pixels.astype(np.float32), training=False)))
    if not np.allclose(ours, theirs, atol=1e-4):
        raise RuntimeError(f"the Keras network answers differently, by up to {np.abs(ours - theirs).max():.2g}")
    return model


def from_keras(file: Path, recipe: Recipe, classes: int) -> LeafNetwork:
    """Return the network whose weights an H5 file of ours holds; the recipe's side may be another.

    Raises:
        ValueError: when the file's network has other layers.
    """
    model = build_keras(recipe, classes)
    model.load_weights(file)
    network = LeafNetwork(recipe, classes)
    with torch.no_grad():
        for name, unit in network.units.items():
            (kernel,) = model.get_layer(f"{name}_conv").get_weights()
            unit.kernel.copy_(torch.from_numpy(kernel.transpose(3, 2, 0, 1)).flatten(1))
            norm = unit.norm
            parts = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
            for part, value in zip(parts, model.get_layer(f"{name}_norm").get_weights(), strict=True):
                part.copy_(torch.from_numpy(value))
        kernel, bias = model.get_layer("condition").get_weights()
        network.condition.weight.copy_(torch.from_numpy(kernel.T))
        network.condition.bias.copy_(torch.from_numpy(bias))
    return network


def _keras_unit(x: keras.KerasTensor, width: int, name: str, stride: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm")(x)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
