"""Learning curves, the confusion matrix, the reliability and the abstention curve as images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

DOTS_PER_INCH = 90


def draw_learning(history: Sequence[dict[str, Any]], file: Path) -> None:
    """Loss and accuracy by epoch; the held-back photos' figures are those of the averaged weights."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    held = [row for row in history if "held_loss" in row]
    for axes, name in ((left, "loss"), (right, "accuracy")):
        axes.plot([row["epoch"] for row in history], [row[name] for row in history], label="changed training photos")
        axes.plot([row["epoch"] for row in held], [row[f"held_{name}"] for row in held], ".-", label="held-back photos")
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
    left.legend()
    right.set_ylim(0.7, 1.0)
    figure.savefig(file, dpi=DOTS_PER_INCH)
    plt.close(figure)


def draw_confusion(confusion: Sequence[Sequence[int]], names: Sequence[str], file: Path) -> None:
    """One row for each true class."""
    figure, axes = plt.subplots(figsize=(7.5, 6.5), layout="constrained")
    axes.imshow(confusion, cmap="Greens")
    labels = [name.replace("_", " ") for name in names]
    axes.set(xticks=range(len(names)), yticks=range(len(names)), xlabel="answer", ylabel="truth")
    axes.set_xticklabels(labels, rotation=40, ha="right", fontsize=8)
    axes.set_yticklabels(labels, fontsize=8)
    highest = max(map(max, confusion))
    for truth, row in enumerate(confusion):
        for answer, photos in enumerate(row):
            if photos:
                colour = "white" if photos > highest / 2 else "black"
                axes.text(answer, truth, str(photos), ha="center", va="center", fontsize=8, color=colour)
    figure.savefig(file, dpi=DOTS_PER_INCH)
    plt.close(figure)


def draw_reliability(rows: Sequence[dict[str, float]], ece: float, file: Path) -> None:
    """Accuracy by calibrated confidence; the area of a dot grows with its photos."""
    figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], "--", color="gray", linewidth=1)
    axes.scatter(
        [row["confidence"] for row in rows], [row["accuracy"] for row in rows], [8 + row["photos"] for row in rows]
    )
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02), title=f"ECE {ece:.3f}")
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=DOTS_PER_INCH)
    plt.close(figure)


def draw_abstention(rows: Sequence[dict[str, float]], file: Path) -> None:
    """Accuracy of the answers that are given, by the share of photos that get none."""
    figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
    axes.plot([100 * (1 - row["answered"]) for row in rows], [100 * row["accuracy"] for row in rows])
    axes.set(xlabel="photos without an answer, the least confident (%)", ylabel="right among the answers (%)")
    lowest = min(row["accuracy"] for row in rows)
    axes.set(xlim=(0, 50), ylim=(min(95.0, 100 * lowest - 0.5), 100.1))
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=DOTS_PER_INCH)
    plt.close(figure)
