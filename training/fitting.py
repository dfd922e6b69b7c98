"""The training loop: seeded epoch by epoch, resumable after each, on a GPU where there is one."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from training.augmentation import augment
from training.images import Images
from training.networks import LeafNetwork, Unit
from training.recipes import Recipe

SEED = 20_261_125
VALIDATE_EVERY = 3
SETTLE_BATCHES = 60


@dataclass(frozen=True)
class Run:
    """What one training works with. Its checkpoint is `folder/checkpoint.pt`."""

    recipe: Recipe
    name: str
    """Of the recipe; a checkpoint says by which it was made."""
    classes: int
    train: Images
    held: Images
    folder: Path
    teachers: tuple[LeafNetwork, ...] = ()
    teacher_names: tuple[str, ...] = ()
    seed: int = SEED

    @property
    def device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Fitting:
    """The state of a training between two epochs."""

    def __init__(self, run: Run) -> None:
        torch.manual_seed(run.seed)
        torch.backends.cudnn.benchmark = True  # batches are all of one size
        self.run = run
        self.network = LeafNetwork(run.recipe, run.classes).to(run.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network)
        self.optimizers = _optimizers(self.network, run.recipe)
        self.epoch, self.step = 0, 0
        self.history: list[dict[str, Any]] = []
        self.merged_with: str | None = None
        self.machines: list[str] = []
        self.taught_by: list[str] = []
        self.base: tuple[int, torch.Tensor] | None = None
        # Reused between epochs, so that each side of the images is compiled once.
        self.forward = torch.compile(self.network, dynamic=False)
        self.teach = [torch.compile(teacher, dynamic=False) for teacher in run.teachers]

    def begin_from(self, network: LeafNetwork) -> None:
        """Begin with another network's weights."""
        for ours in (self.network, self.average):
            ours.load_state_dict(network.state_dict())

    def resume(self) -> bool:
        """Continue where a run in the same folder stopped; return whether there is one."""
        file = self.run.folder / "checkpoint.pt"
        if not file.exists():
            return False
        state = torch.load(file, map_location=self.run.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.epoch, self.step, self.history = state["epoch"], state["step"], state["history"]
        self.merged_with = state.get("merged_with")
        self.machines, self.taught_by = state.get("machines", []), state.get("taught_by", [])
        return True

    def save(self) -> None:
        state = {
            "recipe": self.run.name,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "epoch": self.epoch,
            "step": self.step,
            "history": self.history,
            "merged_with": self.merged_with,
            "machines": self.machines,
            "taught_by": self.taught_by,
        }
        part = self.run.folder / "checkpoint.part"
        torch.save(state, part)
        part.rename(self.run.folder / "checkpoint.pt")
        (self.run.folder / "history.json").write_text(json.dumps(self.history, indent=1) + "\n", encoding="utf-8")

    def fit(self, epochs: int) -> None:
        """Train up to that many epochs in all."""
        while self.epoch < epochs:
            started = time.monotonic()
            row = {"epoch": self.epoch + 1, "side": self.run.recipe.phase_of(self.epoch).side, **self._epoch(epochs)}
            self.epoch += 1
            # Parts of a run may have been trained elsewhere, or by others.
            self._note([machine()], self.run.teacher_names)
            if self.epoch % VALIDATE_EVERY == 0 or self.epoch == epochs:
                row |= self._validate()
            row["seconds"] = round(time.monotonic() - started, 1)
            self.history.append(row)
            print(json.dumps(row), flush=True)
            self.save()

    def merge(self, folder: Path) -> None:
        """Average the weights with those of a copy of this run that went on as far under another seed.

        Both lie in one valley, and its middle is lower than its sides (Wortsman et al. 2022, arXiv 2203.05482).

        Raises:
            ValueError: when the two are not equally far.
        """
        other = torch.load(folder / "checkpoint.pt", map_location=self.run.device, weights_only=True)
        if other["epoch"] != self.epoch:
            raise ValueError(f"{folder.name} is at epoch {other['epoch']}, this run at {self.epoch}")
        for ours, theirs in ((self.network, other["network"]), (self.average, other["average"])):
            _approach(ours, theirs, 0.5)
        self.merged_with = folder.name
        self._note(other.get("machines", []), other.get("taught_by", []))
        self.save()

    def settled(self) -> LeafNetwork:
        """Return the averaged network with the statistics of batch normalisation measured on unchanged photos.

        Training sees changed ones, whose statistics are others.
        """
        network = copy.deepcopy(self.average)
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        network.train()
        base = self._base(self.run.recipe.side)
        generator = torch.Generator().manual_seed(SEED)
        weights = torch.from_numpy(_draw_weights(self.run.train))
        with torch.no_grad():
            for _ in range(SETTLE_BATCHES):
                chosen = torch.multinomial(weights, 128, replacement=True, generator=generator)
                network(self._upload(base, chosen)[:, :3])
        return network.eval()

    def _note(self, machines: Sequence[str], teachers: Sequence[str]) -> None:
        """Keep who had a part in the run, each once, in order."""
        self.machines = list(dict.fromkeys([*self.machines, *machines]))
        self.taught_by = list(dict.fromkeys([*self.taught_by, *teachers]))

    def _epoch(self, epochs: int) -> dict[str, float]:
        run, recipe = self.run, self.run.recipe
        torch.manual_seed(run.seed + self.epoch)
        self.network.train()
        batches = max(1, run.train.photos // recipe.batch_size)
        # Summed where they are: a GPU that is asked after every batch waits for the next one.
        total, right = torch.zeros((), device=run.device), torch.zeros((), device=run.device)
        for images, labels in tqdm(self._batches(batches), f"epoch {self.epoch + 1}/{epochs}", batches, leave=False):
            rate = recipe.rate(self.step / batches, epochs)
            logits, loss = self._loss(*self._mixed(images, labels))
            self.network.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
            for optimizer, share in zip(self.optimizers, (1.0, recipe.other_rate), strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = rate * share
                optimizer.step()
            self.step += 1
            self._follow()
            total += loss.detach()
            right += (logits.detach().argmax(1) == labels).sum()
        return {
            "learning_rate": round(rate, 6),
            "loss": round(float(total) / batches, 4),
            "accuracy": round(float(right) / (batches * recipe.batch_size), 4),
        }

    def _mixed(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Lay a part of the batch's next image over each; return them and the shares of the labels (n, classes).

        Zhang et al. 2018, arXiv 1710.09412, with an even part of up to the phase's `mixed`; a teacher sees it, too.
        """
        truth = functional.one_hot(labels, self.run.classes).float()
        mixed = self.run.recipe.phase_of(self.epoch).mixed
        if not mixed:
            return images, truth
        part = torch.rand(len(images), 1, device=images.device) * mixed
        return images.lerp(images.roll(1, 0), part[..., None, None]), truth.lerp(truth.roll(1, 0), part)

    def _loss(self, images: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        recipe = self.run.recipe
        small = _resized(images, recipe.phase_of(self.epoch).side).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.run.device.type, torch.bfloat16):
            logits = self.forward(small)
        logits = logits.float()
        loss = functional.cross_entropy(logits, truth, label_smoothing=recipe.label_smoothing)
        if not self.teach:
            return logits, loss
        # Hinton et al. 2015: softened answers, their gradient scaled back by the square of the temperature. Of several
        # teachers, the mean.
        heat = recipe.teacher_temperature
        answers = []
        with torch.no_grad(), torch.autocast(self.run.device.type, torch.bfloat16):
            for teach, teacher in zip(self.teach, self.run.teachers, strict=True):
                seen = _resized(images, teacher.recipe.phases[-1].side).contiguous(memory_format=torch.channels_last)
                answers.append((teach(seen).float() / heat).softmax(1))
        taught = torch.stack(answers).mean(dim=0)
        soft = functional.kl_div((logits / heat).log_softmax(1), taught, reduction="batchmean")
        return logits, (1 - recipe.teacher_share) * loss + recipe.teacher_share * heat**2 * soft

    def _batches(self, batches: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        recipe, train = self.run.recipe, self.run.train
        phase = recipe.phase_of(self.epoch)
        # A teacher sees the same image as the pupil does, each at the side at which it was trained last.
        base = self._base(max([phase.side, *(teacher.recipe.phases[-1].side for teacher in self.run.teachers)]))
        drawn = torch.multinomial(torch.from_numpy(_draw_weights(train)), batches * recipe.batch_size, replacement=True)
        labels = torch.from_numpy(train.labels)
        for chosen in drawn.split(recipe.batch_size):
            yield augment(self._upload(base, chosen), phase.strength), labels[chosen].to(self.run.device)

    def _follow(self) -> None:
        """Move the average towards the network; the first steps count for little."""
        keep = min(self.run.recipe.average_decay, (1 + self.step) / (10 + self.step))
        _approach(self.average, self.network.state_dict(), 1 - keep)

    def _validate(self) -> dict[str, float]:
        logits = answer(self.average, self.run.held, self.run.device)
        labels = torch.from_numpy(self.run.held.labels)
        return {
            "held_loss": round(float(functional.cross_entropy(logits, labels)), 4),
            "held_accuracy": round(float((logits.argmax(1) == labels).float().mean()), 4),
        }

    def _base(self, side: int) -> torch.Tensor:
        """Return the training images (n, 4, side, side) uint8; the last side's are kept."""
        if self.base is None or self.base[0] != side:
            parts = [
                _resized(torch.from_numpy(np.array(part)).permute(0, 3, 1, 2), side)
                for part in np.array_split(self.run.train.pixels, max(1, len(self.run.train) // 512))
            ]
            # On a GPU all of them lie in its memory: more than a gigabyte for 13,000 images of 160 pixels.
            self.base = side, torch.cat(parts).to(self.run.device)
        return self.base[1]

    def _upload(self, base: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return base[chosen.to(base.device)].float()


def machine() -> str:
    """Return what trains here, in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} of {os.cpu_count()} processor cores, shared with other work"


def answer(network: LeafNetwork, images: Images, device: torch.device) -> torch.Tensor:
    """Return the logits (n, classes) for the images, at their own side, in float32."""
    network.eval()
    rows = []
    with torch.no_grad():
        for start in range(0, len(images), 64):
            pixels = torch.from_numpy(np.array(images.pixels[start : start + 64, ..., :3]))
            rows.append(network(pixels.permute(0, 3, 1, 2).to(device).float()).cpu())
    return torch.cat(rows)


def _approach(network: nn.Module, goal: Mapping[str, torch.Tensor], share: float) -> None:
    """Move weights and statistics that share of the way to the goal's."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(goal[name], share)


def _resized(images: torch.Tensor, side: int) -> torch.Tensor:
    if images.shape[2] == side:
        return images
    return functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True, align_corners=False)


def _draw_weights(images: Images) -> np.ndarray:
    """Return a weight for each image; a class weighs the square root of its photos, between even and as they are."""
    photos = np.bincount(images.labels, weights=images.shares)
    return images.shares / np.sqrt(photos[images.labels])


def draw_shares(images: Images) -> np.ndarray:
    """Return the share (classes,) of the drawn images that are of each class."""
    weights = np.bincount(images.labels, weights=_draw_weights(images))
    return weights / weights.sum()


def _optimizers(network: LeafNetwork, recipe: Recipe) -> tuple[torch.optim.Muon, torch.optim.AdamW]:
    """Return Muon (Jordan et al. 2024) for the kernels, with steps of AdamW's size, and AdamW for all else.

    After three epochs on images of 80 pixels it told 0.92 of the held-back photos, and AdamW alone, at the rate of
    0.002 that served it best so far, 0.72.
    Scales and offsets of normalisation are not decayed: they have nothing to shrink from.
    """
    kernels = [unit.kernel for unit in network.modules() if isinstance(unit, Unit)]
    muon = torch.optim.Muon(kernels, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw")
    ours = {id(kernel) for kernel in kernels}
    others = [value for value in network.parameters() if id(value) not in ours]
    groups = [
        {"params": [value for value in others if value.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [value for value in others if value.ndim <= 1], "weight_decay": 0.0},
    ]
    return muon, torch.optim.AdamW(groups, fused=True)
