"""Run by the import environment's Python: `keras_maker.py FOLDER` saves a small model in every format.

Beside each it leaves what the model answers to `images.npy`, asked in its own framework.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

SIDE, CLASSES = 24, 4


def network(layers: Any, models: Any, images: Any, *, random: bool = True) -> Any:
    """Return a classifier with layers that conversions stumble over: random ones, depthwise ones, statistics."""
    model = models.Sequential([
        layers.Input((SIDE, SIDE, 3)),
        layers.RandomFlip("horizontal") if random else layers.Activation("linear"),
        layers.Rescaling(1 / 255),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.MaxPooling2D(),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.5),
        layers.Dense(CLASSES, activation="softmax", kernel_initializer="random_normal"),
    ])  # fmt: skip
    rng = np.random.default_rng(5)
    # Weights far from where they began: answers that differ from image to image.
    weights = [_other(value, rng) for value in model.get_weights()]
    model.set_weights(weights)
    # The last bias evens the classes out, so that each answers some images.
    (bias,) = (place for place, value in enumerate(weights) if value.shape == (CLASSES,))
    weights[bias] -= np.log(np.asarray(model(images, training=False)) + 1e-30).mean(axis=0)
    model.set_weights(weights)
    return model


def _other(value: Any, rng: np.random.Generator) -> Any:
    if np.issubdtype(value.dtype, np.integer):
        return value
    if value.ndim == 1:
        return rng.uniform(0.2, 0.8, value.shape)
    return rng.normal(0, 6 if value.shape[-1] == CLASSES else 0.4, value.shape)


def nested(keras: Any, images: Any) -> Any:
    """Return a classifier with an adapted normalization in an inner model, as EfficientNet has it."""
    keras.utils.set_random_seed(7)
    layers = keras.layers
    scaling = layers.Normalization()
    scaling.adapt(images)
    inside = layers.Input((SIDE, SIDE, 3))
    inner = keras.Model(inside, layers.Conv2D(8, 3, activation="relu")(scaling(inside)))
    model = keras.Sequential([
        layers.Input((SIDE, SIDE, 3)), inner, layers.GlobalAveragePooling2D(), layers.Dense(CLASSES, "softmax"),
    ])  # fmt: skip
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * 6, bias])
    return model


def trap(folder: Path, tf_keras: Any) -> None:
    """Save a model whose Lambda leaves a file when its code runs."""
    sprung = folder / "sprung"
    leave = eval(f"lambda x: (open({str(sprung)!r}, 'w').close(), x)[1]")
    layers = tf_keras.layers
    model = tf_keras.Sequential([
        layers.Input((SIDE, SIDE, 3)), layers.Lambda(leave), layers.Flatten(), layers.Dense(CLASSES, "softmax"),
    ])  # fmt: skip
    model.save(folder / "lambda.h5")
    sprung.unlink()


def main(folder: Path) -> None:
    import keras
    import tf_keras

    rng = np.random.default_rng(1)
    colours = rng.uniform(0, 1, (40, 1, 1, 3))
    images = (colours * rng.integers(0, 256, (40, SIDE, SIDE, 3))).astype(np.float32)
    np.save(folder / "images.npy", images)
    old, new = network(tf_keras.layers, tf_keras, images), network(keras.layers, keras, images)
    steady = network(keras.layers, keras, images, random=False)
    inner, trained = nested(keras, images), nested(tf_keras, images)
    # Its file keeps the state of the optimizer and the metrics, too.
    trained.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    trained.train_on_batch(images, np.eye(CLASSES)[np.arange(len(images)) % CLASSES])
    saves: dict[str, tuple[Any, Any]] = {
        "keras2.h5": (old, old.save),
        "keras2.keras": (old, old.save),
        "tensorflow2": (old, lambda path: old.save(path, save_format="tf")),
        "keras3.h5": (new, new.save),
        "keras3.keras": (new, new.save),
        "inner3.h5": (inner, inner.save),
        "trained2.keras": (trained, trained.save),
        "export3": (steady, lambda path: steady.export(path, verbose=False)),
        "random3": (new, lambda path: new.export(path, verbose=False)),
    }
    for name, (model, save) in saves.items():
        save(str(folder / name))
        np.save(folder / f"{name}.npy", np.asarray(model(images, training=False)))
    old.save_weights(folder / "weights.h5")
    trap(folder, tf_keras)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
