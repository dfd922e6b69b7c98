"""The training loop of the backbone, resumable after each chunk."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.backbone import Backbone, load_pretrained
from training.chunks import DEPTH
from training.metrics import softmax
from training.mixture import Kind

Chunk = dict[str, np.ndarray]

STEPS, BATCH = 128, 16
"""For each chunk: an image is used four times on average."""
RATE, HEAD_RATE = 0.003, 1e-3
"""The first is relative to the size of each kernel, the second absolute."""
DECAY = 0.02
SMOOTHING = 0.05
AVERAGE = 0.996
WARM_UP = 100
LARGEST_GRADIENT = 5.0
TAUGHT, HEAT = 0.5, 2.0
"""The teacher's share of the loss for plain photos, and its temperature."""


class FineTuning:
    """The state of a training between two chunks."""

    def __init__(self, folder: Path, outputs: int) -> None:
        torch.manual_seed(1)
        self._folder = folder
        network = Backbone(outputs)
        load_pretrained(network)
        nn.init.zeros_(network.condition.weight)
        nn.init.zeros_(network.condition.bias)
        self.network = network.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network)
        self._optimizer = torch.optim.AdamW(self._groups(), fused=True)
        self.chunks, self.step, self.cooled = 0, 0, 0
        self.history: list[dict[str, Any]] = []
        if (folder / "checkpoint.pt").exists():
            self._load(torch.load(folder / "checkpoint.pt", weights_only=True))

    def save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "chunks": self.chunks,
            "step": self.step,
            "cooled": self.cooled,
            "history": self.history,
        }
        torch.save(state, self._folder / "checkpoint.part")
        (self._folder / "checkpoint.part").rename(self._folder / "checkpoint.pt")
        (self._folder / "progress.json").write_text(json.dumps({"chunks": self.chunks}), encoding="utf-8")

    def train_on(self, chunks: Sequence[Chunk], rate: float) -> dict[str, float]:
        """Take the steps for one chunk, on images of all chunks; `rate` is relative to the highest rate."""
        self.network.train()
        rng = np.random.default_rng([3, self.chunks])
        total, right = 0.0, 0
        for _ in range(STEPS):
            loss, hits = self._take(_drawn(chunks, rng), rate)
            total, right = total + loss, right + hits
        self.chunks += 1
        return {"loss": round(total / STEPS, 4), "accuracy": round(right / (STEPS * BATCH), 4)}

    def validate(self, held: Chunk) -> dict[str, float]:
        """Return the figures of the averaged network. The accuracies ignore the output `other`."""
        logits = answer(self.average, held["features"])
        labels, kinds, other = held["labels"], held["kinds"], logits.shape[1] - 1
        best, named = logits.argmax(1), logits[:, :other].argmax(1)
        chance = -np.log(softmax(logits)[np.arange(len(labels)), labels])
        figures = {
            "others_refused": (best == other)[kinds == Kind.OTHER],
            "field_refused": (best == other)[kinds == Kind.FIELD],
        }
        for kind in (Kind.FIELD, Kind.PLAIN, Kind.COMPOSED):
            figures[kind.name.lower()] = (named == labels)[kinds == kind]
            figures[f"{kind.name.lower()}_loss"] = chance[kinds == kind]
        return {name: round(float(values.mean()), 3) for name, values in figures.items()}

    def _load(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.chunks, self.step, self.cooled = state["chunks"], state["step"], state["cooled"]
        self.history = state["history"]

    def _groups(self) -> list[dict[str, Any]]:
        """Return the trained weights, each with a rate relative to its size: kernels include the normalisation."""
        groups = []
        for value in [*self.network.blocks[DEPTH:].parameters(), *self.network.head.parameters()]:
            size = float(value.detach().square().mean().sqrt())
            groups.append({"params": [value], "highest": RATE * size, "weight_decay": 0.0})
        last = self.network.condition
        groups.append({"params": [last.weight], "highest": HEAD_RATE, "weight_decay": DECAY})
        return [*groups, {"params": [last.bias], "highest": HEAD_RATE, "weight_decay": 0.0}]

    def _take(self, batch: dict[str, torch.Tensor], rate: float) -> tuple[float, int]:
        x = batch["features"].float().contiguous(memory_format=torch.channels_last)
        logits = self.network.upper(x, DEPTH)
        loss = _loss(logits, batch)
        self._optimizer.zero_grad()
        loss.backward()
        groups = self._optimizer.param_groups
        nn.utils.clip_grad_norm_([value for group in groups for value in group["params"]], LARGEST_GRADIENT)
        for group in groups:
            group["lr"] = group["highest"] * rate * min(1.0, (1 + self.step) / WARM_UP)
        self._optimizer.step()
        self.step += 1
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)
        return float(loss.detach()), int((logits.detach().argmax(1) == batch["labels"]).sum())


def answer(network: Backbone, features: np.ndarray) -> np.ndarray:
    """Return the logits (n, outputs) for the output of the frozen blocks."""
    network.eval()
    rows = []
    with torch.no_grad():
        for at in range(0, len(features), 2 * BATCH):
            x = torch.from_numpy(features[at : at + 2 * BATCH]).float()
            rows.append(network.upper(x.contiguous(memory_format=torch.channels_last), DEPTH))
    logits: np.ndarray = torch.cat(rows).numpy()
    return logits


def _drawn(chunks: Sequence[Chunk], rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Return a random batch from all chunks."""
    chosen = [chunks[int(rng.integers(len(chunks)))] for _ in range(BATCH)]
    places = [int(rng.integers(len(chunk["labels"]))) for chunk in chosen]
    names = ("features", "labels", "kinds", "taught")
    return {
        name: torch.from_numpy(np.stack([chunk[name][at] for chunk, at in zip(chosen, places, strict=True)]))
        for name in names
    }


def _loss(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the mean loss, for plain photos with distillation (Hinton et al. 2015)."""
    losses = functional.cross_entropy(logits, batch["labels"], label_smoothing=SMOOTHING, reduction="none")
    plain = (batch["kinds"] == Kind.PLAIN).nonzero()[:, 0]
    if batch["taught"].shape[1] and len(plain):
        goal = (batch["taught"][plain].clamp_min(1e-6).log() / HEAT).softmax(1)
        soft = (logits[plain, : goal.shape[1]] / HEAT).log_softmax(1)
        taught = HEAT**2 * functional.kl_div(soft, goal, reduction="none").sum(1)
        losses = losses.index_put((plain,), (1 - TAUGHT) * losses[plain] + TAUGHT * taught)
    return losses.mean()
