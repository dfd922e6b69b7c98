"""Fine-tune the backbone: `python -m training.transfer draw ...` and, at the same time, `... fit ...`.

The first draws images and computes the output of the frozen blocks; the second trains the other blocks on it. Both
continue where they were stopped. `export` then writes the files for the import: a Keras file, and folders of links to
photos (`held`, `reference`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from training.backbone import SIDE, Backbone, load_pretrained
from training.chunks import DEPTH, KEPT, Teacher, chunk_file, draw_chunks, draw_held, held_file, wait_for
from training.field import FieldPhoto, list_field, split_field
from training.fine_tuning import Chunk, FineTuning
from training.mixture import Mixture
from training.photos import class_names, link_photos, list_photos, split_photos

VALIDATE_EVERY = 3
FILE = "tomato_leaf_v2.h5"


def main() -> None:
    """Run one of the commands."""
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    (arguments.out / "chunks").mkdir(parents=True, exist_ok=True)
    {"draw": draw, "fit": fit, "export": export}[arguments.command](arguments)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["draw", "fit", "export"])
    parser.add_argument("--photos", type=Path, required=True, help="folder with train, test and train_extra_144px")
    parser.add_argument("--field", type=Path, required=True, help="folder with field, others and boxes.csv")
    parser.add_argument("--things", type=Path, help="folder of everyday photos")
    parser.add_argument("--teacher", type=Path, help="artifact (ONNX) of a version trained on plain photos")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--chunks", type=int, default=100, help="of the whole run; 512 images each")
    parser.add_argument("--cool", type=int, default=0, help="end the run within so many chunks, at a falling rate")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def read_mixtures(arguments: argparse.Namespace) -> tuple[Mixture, Mixture]:
    """Return the training photos and the held-back ones."""
    names = class_names(arguments.photos / "train")
    photos = list_photos(arguments.photos / "train", names)
    photos += list_photos(arguments.photos / "train_extra_144px", names, full=False)
    plain, (train, held) = split_photos(photos, len(names)), split_field(list_field(arguments.field, "train"))
    things = sorted(arguments.things.iterdir()) if arguments.things else []
    return Mixture(names, plain.train, train, things, SIDE), Mixture(names, plain.held, held, things, SIDE)


def draw(arguments: argparse.Namespace) -> None:
    # A machine that only fits has no ONNX Runtime.
    from training.frozen import draw_lower, start

    network = Backbone(1)
    load_pretrained(network)
    lower = start(draw_lower(network, DEPTH).SerializeToString(), arguments.threads)
    teacher = Teacher(start(str(arguments.teacher), arguments.threads)) if arguments.teacher else None
    train, held = read_mixtures(arguments)
    draw_held(arguments.out, held, lower)
    draw_chunks(arguments.out, arguments.chunks, train, lower, teacher)


def fit(arguments: argparse.Namespace) -> None:
    """Train on one chunk after the other; with `--cool`, at a falling rate until the end."""
    tuning = FineTuning(arguments.out, len(class_names(arguments.photos / "train")) + 1)
    chunks: deque[Chunk] = deque(maxlen=KEPT)
    for number in range(max(0, tuning.chunks - KEPT + 1), tuning.chunks):
        chunks.append(wait_for(chunk_file(arguments.out, number)))
    held, cool = wait_for(held_file(arguments.out)), arguments.cool
    while tuning.chunks < arguments.chunks and (not cool or tuning.cooled < cool):
        started = time.monotonic()
        chunks.append(wait_for(chunk_file(arguments.out, tuning.chunks)))
        rate = (cool - tuning.cooled) / (cool + 1) if cool else 1.0
        row: dict[str, Any] = {"chunk": tuning.chunks, "rate": round(rate, 3), **tuning.train_on(chunks, rate)}
        tuning.cooled += bool(cool)
        if tuning.chunks % VALIDATE_EVERY == 0 or tuning.cooled == cool > 0:
            row |= tuning.validate(held)
        tuning.history.append(row | {"seconds": round(time.monotonic() - started, 1)})
        print(json.dumps(tuning.history[-1]), flush=True)
        tuning.save()
        chunk_file(arguments.out, tuning.chunks - KEPT - 1).unlink(missing_ok=True)


def export(arguments: argparse.Namespace) -> None:
    """Write the files for the import, from the averaged weights."""
    from training.keras_backbone import to_keras

    train, held = read_mixtures(arguments)
    tuning = FineTuning(arguments.out, len(train.outputs))
    to_keras(tuning.average).save(arguments.out / FILE, include_optimizer=False)
    (arguments.out / "labels.txt").write_text("\n".join(train.outputs) + "\n", encoding="utf-8")
    (arguments.out / "history.json").write_text(json.dumps(tuning.history, indent=1) + "\n", encoding="utf-8")
    for name, mixture in (("reference", train), ("held", held)):
        # What is familiar is measured on photos like the served ones.
        plain = [(photo.path, mixture.outputs[photo.label]) for photo in mixture.plain if photo.full]
        link_photos([*plain, *_of_field(mixture.field, is_other=name == "held")], arguments.out / name)


def _of_field(photos: Sequence[FieldPhoto], *, is_other: bool) -> list[tuple[Path, str]]:
    """Return the photos of plants and, for the calibration, those of other things."""
    return [(photo.path, photo.label) for photo in photos if is_other or photo.kind == "field"]


if __name__ == "__main__":
    main()
