"""The model card of a version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CARD = """# Model card: {file}

A convolutional network trained from scratch to tell ten conditions of a tomato leaf.

**Accuracy on photos from the field is unproven.** It was trained and tested on PlantVillage photos: single leaves, picked,
on a plain background, in even light. On photos of whole plants, with other leaves, hands or soil in view, expect worse, and
expect it to be wrong with confidence. It is a hint for a person who looks at the plant, not a diagnosis.

| | |
|---|---|
| input | {side} x {side} RGB, 8 bits (0-255, no scaling outside), stretched by Pillow's bilinear filter |
| output | probabilities of the ten classes in sorted order |
| parameters, file | {parameters:,}, {file_bytes:,} bytes |
| trained on | {training_photos:,} photos, {epochs} epochs, {training_minutes} minutes on two processor cores, seed {seed} |
| validation (held-back leaves of the training photos) | {validation} |
| test (other leaves of the same collection) | {test} |
| calibration (ECE on the test photos, before temperature scaling) | {ece} |

## Recall by class on the test photos

{recall}

## Data and licence

Photos: PlantVillage, D. P. Hughes and M. Salathé (2015), in the selection of S. P. Mohanty et al. (2016), licence
CC BY-SA 3.0. The photos are not part of this repository. The weights were trained from scratch by this project and are under
its licence (Apache-2.0).

## Known failures

- Anything that is not a single tomato leaf still gets one of the ten answers.
- The background of PlantVillage photos differs by class; part of the accuracy may come from it.
- Leaves with two conditions, very early symptoms, nutrient deficiencies and pests outside the ten classes are unknown to it.

Made by `training/train.py --recipe {recipe}`; all figures: `evaluation.json`.
"""


def write_card(path: Path, file: str, report: dict[str, Any]) -> None:
    measured = report.get("test") or report["validation"]
    rows = [f"| {name.replace('_', ' ')} | {share:.3f} |" for name, share in measured["recall"].items()]
    values = {**report, "file": file, "ece": measured["ece"], "validation": _line(report["validation"])}
    values["test"] = _line(report["test"]) if "test" in report else "not measured"
    values["recall"] = "\n".join(["| class | recall |", "|---|---|", *rows])
    path.write_text(CARD.format(**{**values, "recipe": report["recipe"]}), encoding="utf-8")


def _line(result: dict[str, Any]) -> str:
    low, high = result["accuracy_interval"]
    return f"{result['accuracy']:.4f} (95 % interval {low:.4f} to {high:.4f}) on {result['photos']} photos"
