"""Train one version: `python -m training.train --recipe v2 --data DIR --extra DIR --test DIR --out training/runs/v2`.

Reads folders of class folders; writes an H5 file, `evaluation.json`, `MODEL_CARD.md`, plots, and the folders `held`
and `reference` with links to photos for `splitleaf models import`. Seeded. Continues after the last finished epoch when
it is started again with the same arguments; `--more` adds epochs to a finished run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from training.fitting import SEED, Fitting, Run, answer, draw_shares
from training.images import Images, read_images
from training.metrics import evaluate, fit_temperature
from training.model_card import write_card
from training.networks import LeafNetwork
from training.photos import Split, class_names, link_photos, list_photos, split_photos
from training.plots import draw_abstention, draw_confusion, draw_learning, draw_reliability
from training.recipes import RECIPES

CACHE = Path(__file__).parent / "runs" / "cache"
LATENCY_RUNS = 30


def main() -> None:
    """Train, hand over, measure."""
    arguments = parse_arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = class_names(arguments.data)
    run, split = prepare(arguments, names)
    fitting = Fitting(run)
    if not fitting.resume() and arguments.start:
        from training.keras_network import from_keras

        fitting.begin_from(from_keras(arguments.start, run.recipe, len(names)))
    if arguments.merge:
        fitting.merge(arguments.merge)
    fitting.fit(run.recipe.epochs + arguments.more)
    if arguments.fit_only:
        return
    # A machine that only trains has no Keras.
    from training.keras_network import to_keras

    network = fitting.settled().cpu()
    even_out(network, run)
    file = arguments.out / f"tomato_leaf_{arguments.recipe}.h5"
    model = to_keras(network, len(names))
    model.save(file, include_optimizer=False)
    link_photos(((photo.path, names[photo.label]) for photo in split.held), arguments.out / "held")
    # What is familiar is measured on photos like the served ones.
    full = ((photo.path, names[photo.label]) for photo in split.train if photo.full)
    link_photos(full, arguments.out / "reference")
    report = {
        "recipe": arguments.recipe,
        "seed": arguments.seed,
        "epochs": fitting.epoch,
        "training_minutes": round(sum(row["seconds"] for row in fitting.history) / 60, 1),
        "training_photos": run.train.photos,
        "trained_with": ", ".join(fitting.machines),
        "started_from": arguments.start.name if arguments.start else None,
        "teachers": fitting.taught_by,
        "merged_with": fitting.merged_with,
        "parameters": int(model.count_params()),
        "file_bytes": file.stat().st_size,
        "side": run.recipe.side,
        **measure(network, run.held, arguments.test, names),
        "history": fitting.history,
    }
    (arguments.out / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    write_card(arguments.out / "MODEL_CARD.md", file.name, report)
    draw(report, names, arguments.out / "plots")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", choices=sorted(RECIPES), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of class folders, photos like the served ones")
    parser.add_argument("--extra", type=Path, help="further photos of the same classes, reduced to 144 pixels")
    parser.add_argument("--test", type=Path, help="photos for the final evaluation; never trained or selected on")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        help="folder of a run that teaches this one (distillation); may be given again",
    )
    parser.add_argument("--start", type=Path, help="H5 file of the same network, with whose weights to begin")
    parser.add_argument("--rate", type=float, default=1.0, help="share of the recipe's learning rate")
    parser.add_argument("--merge", type=Path, help="folder of a copy of this run that is as far under another seed")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--epochs", type=int, help="instead of the recipe's; its phases are stretched")
    parser.add_argument("--strength", type=float, default=1.0, help="share of the recipe's augmentation")
    parser.add_argument("--fit-only", action="store_true", help="train; the same command without it hands over")
    parser.add_argument("--more", type=int, default=0, help="epochs to add to the recipe's, at a lower rate")
    parser.add_argument("--limit", type=int, help="photos a class, for a quick try")
    parser.add_argument("--threads", type=int, help="of the processor; all cores by default")
    return parser.parse_args()


def prepare(arguments: argparse.Namespace, names: Sequence[str]) -> tuple[Run, Split]:
    """Return what is trained with, and the photos of both sides."""
    photos = list_photos(arguments.data, names, limit=arguments.limit)
    if arguments.extra:
        photos += list_photos(arguments.extra, names, full=False, limit=arguments.limit)
    split = split_photos(photos, len(names))
    print(f"{len(split.train)} photos to train on, {len(split.held)} held back, {len(names)} classes")
    recipe = RECIPES[arguments.recipe]
    recipe = replace(recipe, learning_rate=recipe.learning_rate * arguments.rate).weakened(arguments.strength)
    if arguments.epochs:
        recipe = recipe.stretched(arguments.epochs)
    teachers = tuple(load_teacher(folder, len(names)) for folder in arguments.teacher)
    # Larger sides than this are of no use: most photos have no more pixels.
    train = read_images(split.train, max(one.side for one in RECIPES.values()), CACHE, both_forms=True)
    held = read_images(split.held, recipe.side, CACHE)
    run = Run(
        recipe,
        arguments.recipe,
        len(names),
        train,
        held,
        arguments.out,
        teachers,
        tuple(folder.name for folder in arguments.teacher),
        arguments.seed,
    )
    return run, split


def load_teacher(folder: Path, classes: int) -> LeafNetwork:
    """Return the averaged network of another run, ready to answer."""
    state = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    network = LeafNetwork(RECIPES[state["recipe"]], classes)
    network.load_state_dict(state["average"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return network.to(device, memory_format=torch.channels_last).eval().requires_grad_(requires_grad=False)


def even_out(network: LeafNetwork, run: Run) -> None:
    """Take from the last layer's offsets how often training drew each class: that says nothing of a grower's plants.

    Posterior over prior (Saerens et al. 2002), where the logits over their temperature are the posterior's logarithm.
    """
    temperature = fit_temperature(answer(network, run.held, torch.device("cpu")).numpy(), run.held.labels)
    with torch.no_grad():
        network.condition.bias -= temperature * torch.from_numpy(draw_shares(run.train)).log().to(torch.float32)


def measure(network: LeafNetwork, held: Images, test: Path | None, names: Sequence[str]) -> dict[str, Any]:
    """Return the figures. The temperature is fitted on held-back photos, and the test photos only measure."""
    cpu = torch.device("cpu")
    logits = answer(network, held, cpu).numpy()
    temperature = fit_temperature(logits, held.labels)
    figures = {
        "temperature": temperature,
        "held": evaluate(logits, held.labels, names, temperature),
        "torch_ms_per_photo_on_one_thread": latency_ms(network),
    }
    if test:
        images = read_images(list_photos(test, names), network.recipe.side, CACHE)
        figures["test"] = evaluate(answer(network, images, cpu).numpy(), images.labels, names, temperature)
    return figures


def latency_ms(network: LeafNetwork) -> float:
    """Return the median processor time of one image on one thread. Import measures the served artifact's."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    image, times = torch.full((1, 3, network.recipe.side, network.recipe.side), 128.0), []
    with torch.no_grad():
        for _ in range(LATENCY_RUNS):
            started = time.thread_time()
            network(image)
            times.append((time.thread_time() - started) * 1000)
    torch.set_num_threads(threads)
    return round(sorted(times)[LATENCY_RUNS // 2], 3)


def draw(report: dict[str, Any], names: Sequence[str], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    measured = report.get("test") or report["held"]
    draw_learning(report["history"], folder / "learning.png")
    draw_confusion(measured["confusion"], names, folder / "confusion.png")
    draw_reliability(measured["reliability"], measured["ece"], folder / "reliability.png")
    draw_abstention(measured["abstention"], folder / "abstention.png")


if __name__ == "__main__":
    main()
