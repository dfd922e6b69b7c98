"""What each case gets from the decoding children alone."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from splitleaf.core.errors import RejectedInput
from splitleaf.core.preprocessing import InputSpec, ResizeFilter
from splitleaf.images.intake import DecodedImage
from splitleaf.images.limits import ImageLimits
from splitleaf.images.pool import PooledIntake
from tests.images.corpus.cases import Case, Pixels

SPEC = InputSpec(224, 224, resize=ResizeFilter.PILLOW_BILINEAR)


@dataclass(frozen=True)
class Row:
    """What one case got."""

    case: Case
    got: str
    """`accepted` or the code of the refusal."""
    ms: float
    peak_mib: float = 0.0
    """Memory of the child at its peak."""
    extra_mib: float = 0.0
    """How much of that came with this image."""
    difference: float | None = None
    """Mean absolute difference to the reference, in levels."""

    @property
    def owed(self) -> str:
        return self.case.code or "accepted"

    @property
    def is_right(self) -> bool:
        close = self.difference is None or self.difference <= 2.0
        return self.got == self.owed and close


class MemoryGauge:
    """The resident memory of one process, with a peak that can be set back. Zero where the system does not tell."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._folder = Path(f"/proc/{pid}")

    def reset_peak(self) -> None:
        if self._folder.exists():
            (self._folder / "clear_refs").write_text("5")

    def mib(self, field: str) -> float:
        try:
            status = (self._folder / "status").read_text()
        except OSError:
            return 0.0
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(field + ":"))


@asynccontextmanager
async def lone_child(limits: ImageLimits | None = None) -> AsyncIterator[tuple[PooledIntake, MemoryGauge]]:
    """An intake with one child, and the gauge of that child."""
    intake = await PooledIntake.start(limits or ImageLimits(), 1)
    try:
        yield intake, MemoryGauge(intake._decoders[0].process.pid)
    finally:
        await intake.close()


async def measure(case: Case, spec: InputSpec = SPEC) -> Row:
    """Send one case through a fresh child, so that no other image's memory is counted."""
    data = case.data
    async with lone_child() as (intake, gauge):
        before = gauge.mib("VmRSS")
        gauge.reset_peak()
        start = time.perf_counter()
        image: DecodedImage | None = None
        try:
            image = await intake.decode(data, [spec])
            got = "accepted"
        except RejectedInput as error:
            got = error.error_code
        ms = 1e3 * (time.perf_counter() - start)
        peak = gauge.mib("VmHWM")
    far = difference(image, case.reference(), spec) if image and case.reference else None
    return Row(case, got, ms, peak, peak - before, far)


def difference(image: DecodedImage, shown: Pixels, spec: InputSpec) -> float:
    """Mean absolute difference, in levels, to the reference brought to the same size by Pillow."""
    tensor = image.tensors[0]
    pixels = np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape)
    reference = np.asarray(Image.fromarray(shown).resize((spec.width, spec.height), Image.Resampling.BILINEAR))
    return float(np.abs(pixels.astype(np.float64) - reference).mean())


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| image | owed | got | ms | MiB at peak | MiB extra | difference |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        far = "" if row.difference is None else f"{row.difference:.2f}"
        mark = "" if row.is_right else " **WRONG**"
        lines.append(
            f"| {row.case.name} | {row.owed} | {row.got}{mark} | {row.ms:.0f} "
            f"| {row.peak_mib:.0f} | {row.extra_mib:.0f} | {far} |"
        )
    right = sum(row.is_right for row in rows)
    lines.append(f"\n{right} of {len(rows)} as owed")
    return "\n".join(lines)
