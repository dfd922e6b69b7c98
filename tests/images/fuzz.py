"""`python -m tests.images.fuzz [--seconds N] [--seed N]`: damaged images through real decoding children.

Prints how many were refused and with which code, the slowest, and whether a child died. Exits with 1 if a child
died, an image took more than two seconds, or got anything but pixels or a code.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from splitleaf.core.errors import RejectedInput
from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec, ResizeFilter
from splitleaf.images.limits import ImageLimits
from splitleaf.images.pool import PooledIntake
from splitleaf.images.refusals import CODES
from tests.images.corpus.mutations import mutants

SPECS = [InputSpec(64, 96), InputSpec(48, 48, ColorOrder.GRAY, ResizeFilter.TF_AREA, Fit.PAD)]
CHILDREN = 2
MOST_MS = 2000.0
LIMITS = ImageLimits(recycle_after=1 << 40, max_resident_bytes=1 << 40)
"""The usual ones, but that no child is ever replaced: one that is gone has died."""


@dataclass
class Findings:
    answers: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0.0
    slowest: str = ""
    deaths: int = 0
    """Of the children that were there at the start."""
    resident_mib: float = 0.0
    """What the larger child held at the end."""
    strange: list[str] = field(default_factory=list)
    """Images that got something that is neither pixels nor a known code."""

    @property
    def are_good(self) -> bool:
        return not self.deaths and not self.strange and self.slowest_ms < MOST_MS

    def __str__(self) -> str:
        parts = [f"{count:8} {answer}" for answer, count in self.answers.most_common()]
        parts.append(f"{self.answers.total()} images; slowest {self.slowest_ms:.0f} ms ({self.slowest})")
        parts.append(f"a child held {self.resident_mib:.0f} MiB at the end")
        parts.append(f"{self.deaths} children died; {len(self.strange)} strange answers {self.strange[:5]}")
        return "\n".join(parts)


async def fuzz(images: Iterable[tuple[str, bytes]], child_module: str = "tests.images.strict_child") -> Findings:
    """Send the images, as many at once as there are children, so that none waits for another."""
    findings = Findings()
    source = iter(images)
    intake = await PooledIntake.start(LIMITS, CHILDREN, child_module=child_module)
    try:
        before = {decoder.process.pid for decoder in intake._decoders}
        async with asyncio.TaskGroup() as group:
            for _ in range(CHILDREN):
                group.create_task(_feed(intake, source, findings))
        findings.deaths = len(before - {decoder.process.pid for decoder in intake._decoders})
        findings.resident_mib = max(decoder.resident_kib for decoder in intake._decoders) / 1024
    finally:
        await intake.close()
    return findings


async def _feed(intake: PooledIntake, source: Iterable[tuple[str, bytes]], findings: Findings) -> None:
    for name, data in source:
        start = time.perf_counter()
        try:
            await intake.decode(data, SPECS)
            answer = "accepted"
        except RejectedInput as error:
            answer = error.error_code
        ms = 1e3 * (time.perf_counter() - start)
        findings.answers[answer] += 1
        if ms > findings.slowest_ms:
            findings.slowest_ms, findings.slowest = ms, name
        if answer != "accepted" and answer not in CODES:
            findings.strange.append(f"{name}: {answer}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.images.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    images = itertools.takewhile(lambda _: time.monotonic() < end, mutants(options.seed))
    findings = asyncio.run(fuzz(images))
    print(findings)
    return 0 if findings.are_good else 1


if __name__ == "__main__":
    sys.exit(main())
