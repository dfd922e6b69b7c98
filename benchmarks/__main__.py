"""`make bench`: measure the figures of docs/reference/figures.md on this machine and print them as a table."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.support.images import leaf_like_jpeg

from benchmarks.figures import FIGURES, Bench, Figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], help="which to measure; all without any")
    parser.add_argument("--seconds", type=float, default=8, help="length of each measurement under load")
    arguments = parser.parse_args()
    print("| what | measured | aim | remark |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch) / "leaf.jpg"
        image.write_bytes(leaf_like_jpeg())
        bench = Bench(Path(scratch), image, arguments.seconds)
        for name in arguments.figures or FIGURES:
            print(_row(FIGURES[name](bench)), flush=True)


def _row(figure: Figure) -> str:
    return f"| {figure.name} | {figure.measured} | {figure.aim} | {figure.remark} |"


if __name__ == "__main__":
    main()
