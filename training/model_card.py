"""The model card of a version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CARD = """# Model card: {file}

A convolutional network trained from scratch to tell ten conditions of a tomato leaf.

**This model does not work in the field.** Its training and test data is PlantVillage: photos of single picked leaves on a plain background, in
even light. Networks with such training were right on about 35 % of photos of plants
([figures](../../docs/reference/models.md#in-the-field)). Its confidence there is high and wrong. Don't use it for a diagnosis.

| | |
|---|---|
| input | {side} x {side} RGB, 8 bits (0-255, no scaling outside), stretched by Pillow's bilinear filter |
| output | probabilities of the ten classes in sorted order |
| network | residual, 3 x 3 convolutions; ends in global average pooling and one dense layer |
| size | {parameters:,} parameters; H5 file of {file_bytes:,} bytes |
| trained on | {training_photos:,} photos, {epochs} epochs, {training_minutes:.0f} minutes on {trained_with}, seed {seed}{others} |
| held-back leaves of the training photos | {held} |
| test (other leaves of the same collection) | {test} |
| calibration (ECE on the test photos) | {ece:.4f} at temperature {temperature:.3f}, fitted on the held-back photos; {ece_uncalibrated:.4f} without |

## Recall by class on the test photos

{recall}

{confusions}

| ![Confusion matrix](plots/confusion.png) | ![Reliability: accuracy by confidence](plots/reliability.png) |
|---|---|
| ![Accuracy by the share of photos without an answer](plots/abstention.png) | ![Learning curves](plots/learning.png) |

## How it was trained

Photos are turned, mirrored, zoomed, shifted, relit, tinted, blurred or sharpened at random; some get another background
(out-of-focus leaves, or noise in random colours), after the leaf was cut out of its plain one. Held-back photos
are contiguous blocks of shots with a border of ten shots on both sides, so that no leaf stands on both sides. What is served
is a moving average of the weights; how often training drew each class is taken out of its answers, so that all count as
equally frequent.

## Data and licence

Photos: PlantVillage, D. P. Hughes and M. Salathé (2015), in the selection of S. P. Mohanty et al. (2016), licence
[CC BY-SA 3.0](https://creativecommons.org/licenses/by-sa/3.0/). The photos are not part of this repository. The weights were
trained from scratch by this project and are under its licence (Apache-2.0).

## Known failures

- Anything that is not a single tomato leaf still gets one of the ten answers, if nothing before or after the network refuses it.
- Photos from the field: training uses none. Augmentation with other backgrounds and light was meant to replace them, and did not.
- The camera sessions of PlantVillage differ by class (light, background, camera); part of the accuracy may come from it.
- Leaves with two conditions, very early symptoms, nutrient deficiencies and pests outside the ten classes are unknown to it.

Made by `training/train.py --recipe {recipe}`; all figures: `evaluation.json`; plots: `plots/`.
"""


def write_card(path: Path, file: str, report: dict[str, Any]) -> None:
    """Write the card. `report` is what `evaluation.json` holds."""
    measured = report.get("test") or report["held"]
    rows = [
        f"| {name.replace('_', ' ')} | {one['recall']:.3f} | {one['interval'][0]:.3f} to {one['interval'][1]:.3f} |"
        for name, one in measured["recall"].items()
    ]
    values = {
        **report,
        "file": file,
        "ece": measured["ece"],
        "ece_uncalibrated": measured["ece_uncalibrated"],
        "held": _line(report["held"]),
        "test": _line(report["test"]) if "test" in report else "not measured",
        "others": _others(report),
        "recall": "\n".join(["| class | recall | 95 % interval |", "|---|---|---|", *rows]),
        "confusions": _confusions(measured),
    }
    path.write_text(CARD.format(**values), encoding="utf-8")


def _others(report: dict[str, Any]) -> str:
    """Return the other runs that had a part in this one."""
    began = f", begun with the weights of {report['started_from']}" if report.get("started_from") else ""
    taught = f", taught by {' and '.join(report['teachers'])}" if report.get("teachers") else ""
    merged = ", averaged once with a copy that went on under another seed" if report.get("merged_with") else ""
    return began + taught + merged


def _line(result: dict[str, Any]) -> str:
    low, high = result["accuracy_interval"]
    return f"{result['accuracy']:.4f} (95 % interval {low:.4f} to {high:.4f}) on {result['photos']} photos"


def _confusions(result: dict[str, Any], most: int = 4) -> str:
    """Return a sentence about the most frequent mistakes."""
    names = [name.replace("_", " ") for name in result["recall"]]
    mistakes = sorted(
        (
            (photos, names[truth], names[answer])
            for truth, row in enumerate(result["confusion"])
            for answer, photos in enumerate(row)
            if truth != answer and photos
        ),
        key=lambda mistake: (-mistake[0], mistake[1:]),
    )
    if not mistakes:
        return "No mistake on these photos."
    worst = "; ".join(f"{truth} taken for {answer} ({photos})" for photos, truth, answer in mistakes[:most])
    return f"Most frequent mistakes: {worst}."
