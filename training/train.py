"""Train one version: `python train.py --data DIR --recipe v1 --out ../models/v1`.

Reads a folder of class folders, writes an H5 file, `evaluation.json` and `MODEL_CARD.md`. Seeded; resumes
from the last finished epoch when it is started again with the same arguments.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from augmentation import augment, mixed
from evaluation import evaluate
from model_card import write_card
from networks import RECIPES, Recipe, build_network
from pictures import Pictures, class_names, read_pictures, read_split

SEED = 20_261_123
VALIDATION_SHARE = 0.02
STATISTICS_BATCHES = 60


def main() -> None:
    arguments = parse_arguments()
    keras.utils.set_random_seed(SEED)
    recipe = RECIPES[arguments.recipe]
    epochs = arguments.epochs or recipe.epochs
    names = class_names(arguments.data)
    train, held = read_split(
        arguments.data, arguments.extra, names, recipe.side, share=VALIDATION_SHARE, limit=arguments.limit
    )
    print(f"{len(train)} photos to train on, {len(held)} to validate, {len(names)} classes")
    arguments.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    if arguments.bfloat16:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    trained = fit(recipe, epochs, train, held, arguments.out / "checkpoints", arguments.start)
    # What is saved computes in float32 whatever it was trained in: the weights are float32 all along.
    keras.mixed_precision.set_global_policy("float32")
    network = build_network(recipe, len(names))
    network.set_weights(trained.get_weights())
    settle_statistics(network, train, recipe)
    file = arguments.out / f"tomato_leaf_{arguments.recipe}.h5"
    network.save(file, include_optimizer=False)
    report = {
        "recipe": arguments.recipe,
        "seed": SEED,
        "epochs": epochs,
        "training_minutes": round((time.monotonic() - started) / 60, 1),
        "training_photos": len(train),
        "parameters": int(network.count_params()),
        "file_bytes": file.stat().st_size,
        "side": recipe.side,
        "validation": evaluate(network, held),
    }
    if arguments.test:
        report["test"] = evaluate(network, read_pictures(arguments.test, names, recipe.side))
    (arguments.out / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    write_card(arguments.out / "MODEL_CARD.md", file.name, report)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of class folders")
    parser.add_argument("--extra", type=Path, help="further photos of the same classes")
    parser.add_argument("--test", type=Path, help="photos for the final evaluation, never trained on")
    parser.add_argument("--recipe", choices=sorted(RECIPES), required=True)
    parser.add_argument("--out", type=Path, required=True, help="the version's folder")
    parser.add_argument("--start", type=Path, help="H5 file whose weights to begin with: the same network, any side")
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    parser.add_argument("--limit", type=int, help="photos a class, for a quick try")
    parser.add_argument("--bfloat16", action="store_true", help="compute in bfloat16: twice as fast where the CPU can")
    return parser.parse_args()


def fit(
    recipe: Recipe, epochs: int, train: Pictures, held: Pictures, checkpoints: Path, start: Path | None
) -> keras.Model:
    """Train with every class seen equally often; return the network."""
    network = build_network(recipe, len(train.names))
    if start is not None:
        network.load_weights(start)
    steps = len(train) // recipe.batch_size
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 20, epochs * steps, warmup_target=recipe.learning_rate, warmup_steps=2 * steps
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay, clipnorm=1.0)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing)
    network.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    network.fit(
        balanced_batches(train, recipe),
        steps_per_epoch=steps,
        epochs=epochs,
        validation_data=(held.pixels, one_hot(held)),
        callbacks=[
            keras.callbacks.BackupAndRestore(str(checkpoints), delete_checkpoint=True),
            keras.callbacks.CSVLogger(str(checkpoints.with_suffix(".csv")), append=True),
        ],
        verbose=2,
    )
    return network


def settle_statistics(network: keras.Model, train: Pictures, recipe: Recipe) -> None:
    """Measure the statistics of batch normalisation again, on photos as they will be served.

    Training saw changed and mixed ones, whose statistics are others: v2 went from 0.957 to 0.967 on the test photos.
    """
    plain = balanced_batches(train, replace(recipe, batch_size=2 * recipe.batch_size, mixup=0.0), change=False)
    forward = tf.function(lambda images: network(images, training=True))
    for images, _ in plain.take(STATISTICS_BATCHES):
        forward(images)


def balanced_batches(pictures: Pictures, recipe: Recipe, *, change: bool = True) -> tf.data.Dataset:
    """Draw classes evenly and photos evenly within a class, for ever; the same for the same seed."""
    order = np.argsort(pictures.labels, kind="stable")
    counts = np.bincount(pictures.labels, minlength=len(pictures.names))
    starts = np.cumsum(counts) - counts
    # Tensors in memory and drawing inside the graph: a Python generator costs half of each step.
    pixels, targets = tf.constant(pictures.pixels[order]), tf.constant(one_hot(pictures)[order])
    first, size = tf.constant(starts, tf.float32), tf.constant(counts, tf.float32)

    def draw(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        chance = tf.random.stateless_uniform([2, recipe.batch_size], tf.stack([step, SEED]))
        drawn = tf.cast(chance[0] * len(counts), tf.int32)
        chosen = tf.cast(tf.gather(first, drawn) + chance[1] * tf.gather(size, drawn), tf.int32)
        images, answers = tf.gather(pixels, chosen), tf.gather(targets, chosen)
        images = augment(images) if change else tf.cast(images, tf.float32)
        return mixed(images, answers, recipe.mixup) if recipe.mixup else (images, answers)

    return tf.data.Dataset.counter().map(draw, num_parallel_calls=1).prefetch(4)


def one_hot(pictures: Pictures) -> np.ndarray:
    return np.eye(len(pictures.names), dtype=np.float32)[pictures.labels]


if __name__ == "__main__":
    main()
