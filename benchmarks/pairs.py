"""Two real versions on real photos, until it is known which is better: `python -m benchmarks.pairs --photos FOLDER`.

In shadow, through the running system: API, queue, workers, embedded broker; labelled through the review queue's API by
somebody who knows the truth; the report is looked at each 25 photos. Beside it what the unpaired split would have taken
on the same answers: each photo is dealt to one version by chance, and every photo is labelled. A folder of photos is
soon at its end, so both are also run on streams drawn from its answers with replacement.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments import KEY, begin, exposures
from splitleaf.simulation.crowd import Crowd, Habits
from splitleaf.simulation.director import SETTINGS
from splitleaf.simulation.expert import Expert
from splitleaf.simulation.findings import current_report, find_disagreements
from splitleaf.simulation.images import LabelledPhotos
from splitleaf.simulation.scenarios import paired_plan
from splitleaf.simulation.system import running_system
from splitleaf.statistics.mcnemar import log_evidence
from splitleaf.statistics.power import images_needed
from splitleaf.statistics.records import ArmTotals, Floats
from splitleaf.statistics.sequences import is_enough, log_e_value, mixture_width, planned_variance, score_difference

EVERY = 25
ALPHA = 0.05
LONGEST = 20_000
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Look:
    photos: int
    labels: int
    verdict: str
    certainty: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--photos", type=Path, required=True, help="folder of class folders")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--streams", type=int, default=1_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slq", dir="/tmp") as folder:
        control, other = run(arguments.models.absolute(), arguments.photos, Path(folder), arguments.seed)
    only = (control & ~other).sum(), (~control & other).sum()
    print(
        f"\ncontrol {control.mean():.1%} right, the other {other.mean():.1%}; only control {only[0]}, only it {only[1]}"
    )
    compare(control, other, arguments.streams, arguments.seed)


def run(models: Path, photos: Path, folder: Path, seed: int) -> tuple[Bools, Bools]:
    """Bring every photo once; print each look; return of each photo whether each version was right."""
    with running_system(models, folder, **SETTINGS) as system, system.admin() as admin:
        known = httpx.get(f"{system.url}/v1/labels", timeout=30).raise_for_status().json()["labels"]
        source = LabelledPhotos(photos, [one["label"] for one in known], seed, None)
        begin(admin, {"key": KEY, "hypothesis": "v2 is right more often", **paired_plan("v1", "v2")})
        expert, true_labels = Expert(admin, KEY), dict[str, str]()
        print("| photos | labels | verdict | certainty |\n|---|---|---|---|", flush=True)
        for start in range(0, source.count, EVERY):
            count = min(EVERY, source.count - start)
            crowd = Crowd(
                system.url,
                lambda number, first=start: source.bring(first + number),  # type: ignore[misc]
                count,
                seed=start,
                habits=Habits(0, 0, 0),
                clients=2,
            )
            asyncio.run(crowd.run(asyncio.Event()))
            true_labels |= crowd.true_labels
            _wait_for(admin, 2 * (start + count))
            expert.finish(true_labels, lambda: find_disagreements(admin, KEY), within_s=30)
            look = _look(admin, start + count, expert.labelled)
            print(f"| {look.photos} | {look.labels} | {look.verdict} | {look.certainty} |", flush=True)
        return _rightness(admin, true_labels)


def _wait_for(admin: httpx.Client, outcomes: int) -> None:
    deadline = time.monotonic() + 60
    while sum(1 for _ in exposures(admin)) < outcomes and time.monotonic() < deadline:
        time.sleep(0.2)


def _look(admin: httpx.Client, photos: int, labels: int) -> Look:
    found = current_report(admin, KEY)["statement"]
    return Look(photos, labels, found["verdict"], found["certainty"])


def _rightness(admin: httpx.Client, true_labels: dict[str, str]) -> tuple[Bools, Bools]:
    said: dict[str, dict[str, bool]] = {"primary": {}, "shadow": {}}
    for one in exposures(admin):
        image = one["prediction_id"] if one["role"] == "primary" else one["primary_id"]
        said[one["role"]][image] = one["label"] == true_labels[image]
    both = sorted(said["primary"].keys() & said["shadow"].keys())
    control, other = (np.array([said[role][image] for image in both], bool) for role in ("primary", "shadow"))
    return control, other


def compare(control: Bools, other: Bools, streams: int, seed: int) -> None:
    """Print how many photos and labels the verdict takes, paired and unpaired, on streams of these answers."""
    generator = np.random.default_rng(seed)
    fixed = images_needed(float(control.mean()), float(other.mean()))
    paired, labels, split, within = [], [], [], []
    for _ in range(streams):
        once = generator.permutation(len(control))
        within.append(_stops_at(_split_evidence(control[once], other[once], generator, fixed)) <= len(control))
        drawn = generator.integers(0, len(control), LONGEST)
        one, another = control[drawn], other[drawn]
        wins, losses = np.cumsum(another & ~one), np.cumsum(one & ~another)
        stop = _stops_at(log_evidence(losses, wins)[EVERY - 1 :: EVERY])
        paired.append(stop)
        labels.append(float((wins + losses)[min(int(min(stop, LONGEST)), LONGEST) - 1]))
        split.append(_stops_at(_split_evidence(one, another, generator, fixed)))
    print(f"| {streams:,} streams of these answers | median | 10 % to 90 % |\n|---|---|---|")
    for what, counts in (
        ("photos until the verdict, paired", paired),
        ("labels that decide it (exactly one version is right), paired", labels),
        ("photos and labels until the verdict, split", split),
    ):
        low, middle, high = np.quantile(counts, [0.1, 0.5, 0.9], method="higher")
        print(f"| {what} | {middle:,.0f} | {low:,.0f} to {high:,.0f} |")
    print(f"| splits that were decided by the {len(control)} photos themselves | {np.mean(within):.1%} | |")
    print(f"| times as many photos, split over paired | {np.median(split) / np.median(paired):.1f} | |")


def _split_evidence(control: Bools, other: Bools, generator: np.random.Generator, fixed: float) -> Floats:
    """Return ln e at each look when a coin deals each photo to one version."""
    is_other = generator.random(len(control)) < 0.5
    arms = []
    for mine, right in ((~is_other, control), (is_other, other)):
        units, successes = (np.cumsum(one)[EVERY - 1 :: EVERY, None] for one in (mine, mine & right))
        arms.append(ArmTotals.of_single(successes, units))
    rho = mixture_width(planned_variance(float(control.mean()), fixed, fixed), ALPHA)
    evidence = log_e_value(score_difference(arms[0], arms[1]), rho)
    return np.where(is_enough(*arms), evidence, 0.0)


def _stops_at(evidence: Floats) -> float:
    """Return the photos at the first look with a verdict; infinity without one."""
    decided = np.flatnonzero(evidence >= -math.log(ALPHA))
    return float(EVERY * (decided[0] + 1)) if len(decided) else math.inf


if __name__ == "__main__":
    main()
