"""How much one image may cost."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Bounds of the intake. Sides and pixels are those of the stored image, before orientation."""

    max_bytes: int = 10 * MIB
    max_jpeg_pixels: int = 50_000_000
    max_other_pixels: int = 25_000_000
    max_side: int = 12_000
    min_side: int = 32
    max_aspect: float = 20.0
    max_scans: int = 64
    max_scan_pixels: int = 600_000_000
    """Scans x pixels of a progressive JPEG: each scan visits every block again."""
    max_coefficient_bytes: int = 160 * MIB
    """What a JPEG of several scans makes its decoder remember: 128 bytes for each block of 8 x 8 samples."""
    max_metadata_bytes: int = MIB
    max_png_chunks: int = 2_000
    max_boxes: int = 4_000
    """Boxes and items of a HEIC or AVIF container."""

    max_cpu_s: int = 3
    """Processor time for one image; the system ends the child that takes more (up to a second later)."""
    time_limit_ms: int = 10_000
    """Wall-clock time for one image, for a child that hangs; generous, since a busy machine is no fault of it."""
    memory_bytes: int = 512 * MIB
    """Address space that a child may take beyond what it needs to start (where the system enforces it)."""
    recycle_after: int = 50_000
    """Images after which a child is replaced."""
    max_resident_bytes: int = 192 * MIB
    """A child that still holds more than this after an image is replaced."""
    max_waiting: int = 256
    """Images that may wait for a child; more are turned away."""
    max_waiting_bytes: int = 96 * MIB
    niceness: int = 0
    """By how much a child gives way to other processes (`nice`)."""
    max_wait_ms: int = 5_000
    """Time an image may wait for a child."""
