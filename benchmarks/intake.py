"""`python -m benchmarks.intake`: what an image costs a decoding child, and how many small ones two children take.

Times are medians of the processor time of the child, which neighbours on the same machine disturb least, through
the real pool. Each kind has a child of its own, so that the memory is what this kind alone made it take (Linux).
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.images.corpus.cases import Pixels
from tests.images.corpus.images import avif, encoded, heic, jpeg, photo, png
from tests.images.corpus.measuring import lone_child

from splitleaf.core.preprocessing import InputSpec, ResizeFilter
from splitleaf.images.limits import ImageLimits
from splitleaf.images.pool import PooledIntake

SPECS = (InputSpec(224, 224, resize=ResizeFilter.PILLOW_BILINEAR), InputSpec(224, 224, resize=ResizeFilter.TF_BILINEAR))
SMALL, PHONE, LARGE = (256, 256), (4032, 3024), (8000, 6000)
AVIF_24_MP = (5712, 4284)
RUNS = 7
THROUGHPUT_S = 5.0
CHILDREN = 2
AT_ONCE = 8


def grainy(width: int, height: int) -> Pixels:
    """A photo with the grain of a sensor, without which every file would be smaller and quicker than a real one."""
    grain = np.random.default_rng(1).integers(-8, 9, (height, width, 1), np.int16)
    return np.asarray(np.clip(photo(width, height) + grain, 0, 255), dtype=np.uint8)


IMAGES: dict[str, Callable[[], bytes]] = {
    "JPEG, 256 x 256": lambda: jpeg(grainy(*SMALL), quality=85),
    "PNG, 256 x 256": lambda: png(grainy(*SMALL)),
    "WebP, 256 x 256": lambda: encoded(grainy(*SMALL), "WEBP"),
    "HEIC, 256 x 256": lambda: heic(grainy(*SMALL)),
    "AVIF, 256 x 256": lambda: avif(grainy(*SMALL)),
    "JPEG, 12 MP": lambda: jpeg(grainy(*PHONE), quality=85),
    "JPEG, 12 MP, progressive": lambda: jpeg(grainy(*PHONE), quality=85, progressive=True),
    "PNG, 12 MP, without grain": lambda: png(photo(*PHONE), compress_level=1),
    "WebP, 12 MP": lambda: encoded(grainy(*PHONE), "WEBP", method=0),
    "HEIC, 12 MP": lambda: heic(grainy(*PHONE)),
    "AVIF, 12 MP": lambda: avif(grainy(*PHONE)),
    "AVIF, 24 MP": lambda: avif(grainy(*AVIF_24_MP)),
    "JPEG, 48 MP": lambda: jpeg(grainy(*LARGE), quality=70),
    "JPEG, 48 MP, progressive": lambda: jpeg(grainy(*LARGE), quality=70, progressive=True),
}


async def measured(data: bytes, spec: InputSpec) -> tuple[float, float]:
    """Return (median processor ms, MiB that the child took at its peak)."""
    async with lone_child() as (intake, gauge):
        before = gauge.mib("VmRSS")
        gauge.reset_peak()
        times = []
        for _ in range(RUNS):
            start = processor_ms(gauge.pid)
            await intake.decode(data, [spec])
            times.append(processor_ms(gauge.pid) - start)
        return statistics.median(times), gauge.mib("VmHWM") - before


def processor_ms(pid: int) -> float:
    """Return the time that a process has computed so far."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e6


async def throughput(data: bytes, spec: InputSpec) -> float:
    """Return images a second with several clients at once."""
    intake = await PooledIntake.start(ImageLimits(), CHILDREN)
    done = 0
    end = time.perf_counter() + THROUGHPUT_S

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await intake.decode(data, [spec])
            done += 1

    try:
        start = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(AT_ONCE)))
        return done / (time.perf_counter() - start)
    finally:
        await intake.close()


def main() -> None:
    print("| image | KB | ms, `pillow-bilinear` | MiB | ms, `tf-bilinear` | MiB |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, make in IMAGES.items():
        data = make()
        (smooth_ms, smooth_mib), (exact_ms, exact_mib) = (asyncio.run(measured(data, spec)) for spec in SPECS)
        figures = f"{len(data) / 1e3:.0f} | {smooth_ms:.1f} | {smooth_mib:.0f} | {exact_ms:.1f} | {exact_mib:.0f}"
        print(f"| {name} | {figures} |", flush=True)
    small = IMAGES["JPEG, 256 x 256"]()
    for spec in SPECS:
        rate = asyncio.run(throughput(small, spec))
        print(f"\n{CHILDREN} children, JPEG of 256 x 256, `{spec.resize}`: {rate:.0f} images/s")


if __name__ == "__main__":
    main()
