"""Run the fuzzers from the command line."""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from tests.fuzz.calls import Findings, fuzz_calls, fuzz_images, served_api
from tests.fuzz.files import fuzz_file, targets


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2_000, help="per target; slow targets get fewer")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", default="", help="only targets whose name begins with this")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(f"seed {options.seed}")
    faults = [*_files(options), *_calls(options)]
    print("\n".join(faults) or "no fault")
    return 1 if faults else 0


def _files(options: argparse.Namespace) -> list[str]:
    faults = []
    with tempfile.TemporaryDirectory(prefix="slz") as folder:
        for target in targets(Path(folder)):
            if target.name.startswith(options.only):
                try:
                    print(f"{target.name:16} {fuzz_file(target, options.cases, options.seed)}", flush=True)
                except AssertionError as fault:
                    faults.append(f"{fault} <- {fault.__cause__!r}")
    return faults


def _calls(options: argparse.Namespace) -> list[str]:
    faults: list[str] = []
    with served_api() as url:
        kinds: dict[str, Callable[[], Findings]] = {
            "public calls": lambda: fuzz_calls(url, options.cases, options.seed, admin=False),
            "admin calls": lambda: fuzz_calls(url, options.cases, options.seed, admin=True),
            "images": lambda: fuzz_images(url, options.cases, options.seed),
        }
        for name, fuzz in kinds.items():
            if name.startswith(options.only):
                started = time.perf_counter()
                found = fuzz()
                took_s = time.perf_counter() - started
                print(f"{name:16} {dict(sorted(found.statuses.items()))} in {took_s:.0f} s", flush=True)
                faults += [f"{name}: {fault}" for fault in found.faults[:20]]
    return faults


if __name__ == "__main__":
    sys.exit(main())
