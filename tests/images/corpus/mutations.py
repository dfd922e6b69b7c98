"""Good images with seeded damage: what a fuzzer makes, the same on every run."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import Image

from tests.images.corpus.images import avif, encoded, heic, jpeg, photo, png
from tests.images.corpus.surgery import PNG_SIGNATURE

_SIZE = (96, 64)
_TELLING = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
_HEADER_BYTES = 400

Mutator = Callable[[random.Random, bytearray, bytes], None]


def bases() -> dict[str, bytes]:
    """One small image of each kind, by name."""
    pixels = photo(*_SIZE)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = exif.tobytes()
    alpha = np.dstack([pixels, pixels[:, :, 0]])
    return {
        "jpeg": jpeg(pixels, exif=raw),
        "jpeg-progressive": jpeg(pixels, progressive=True),
        "jpeg-grey-restart": jpeg(image.convert("L"), restart_marker_blocks=3),
        "jpeg-cmyk": jpeg(image.convert("CMYK")),
        "png": png(pixels, exif=raw),
        "png-rgba": png(alpha),
        "png-palette": png(image.quantize(16), transparency=3),
        "png-grey-16": png(Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257)),
        "webp": encoded(pixels, "WEBP", exif=raw),
        "webp-lossless": encoded(alpha, "WEBP", lossless=True),
        "webp-alpha": encoded(alpha, "WEBP"),
        "heic": heic(pixels, exif=raw),
        "heic-alpha": _heic_alpha(alpha),
        "avif": avif(pixels, exif=raw),
        "avif-alpha": avif(alpha),
    }


def _heic_alpha(pixels: npt.NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(out, quality=90, enc_params={"preset": "ultrafast"})
    return out.getvalue()


def mutants(seed: int) -> Iterator[tuple[str, bytes]]:
    """(name, damaged image) without end; every image has its own number, so that it can be made again."""
    kinds = list(bases().items())
    number = 0
    while True:
        yield f"{seed}/{number}", mutant(seed, number, kinds)
        number += 1


def mutant(seed: int, number: int, kinds: list[tuple[str, bytes]]) -> bytes:
    """Return the image of that number."""
    dice = random.Random(f"{seed}/{number}")
    name, base = kinds[number % len(kinds)]
    other = dice.choice(kinds)[1]
    data = bytearray(base)
    for _ in range(dice.choice((1, 1, 1, 2, 4, 8))):
        dice.choice(_MUTATORS)(dice, data, other)
    # Without this, checksums would keep every damage away from what lies behind them.
    repaired = _with_checksums(bytes(data)) if name.startswith("png") and dice.random() < 0.8 else bytes(data)
    return repaired or b"\0"


def _flip(dice: random.Random, data: bytearray, _: bytes) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _overwrite(dice: random.Random, data: bytearray, _: bytes) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.choice(_TELLING)


def _lie_in_header(dice: random.Random, data: bytearray, _: bytes) -> None:
    """Put a telling number of two or four bytes, of either order, near the front, where sizes stand."""
    kind = dice.choice((">H", "<H", ">I", "<I"))
    size = struct.calcsize(kind)
    if len(data) > size:
        most = 256**size - 1
        value = dice.choice((0, 1, most // 2, most // 2 + 1, most, dice.randrange(most)))
        struct.pack_into(kind, data, dice.randrange(min(len(data) - size, _HEADER_BYTES)), value)


def _cut(dice: random.Random, data: bytearray, _: bytes) -> None:
    del data[dice.randrange(len(data) + 1) :]


def _drop(dice: random.Random, data: bytearray, _: bytes) -> None:
    at = dice.randrange(len(data) + 1)
    del data[at : at + dice.choice((1, 2, 4, 16, 200))]


def _repeat(dice: random.Random, data: bytearray, _: bytes) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = data[at : at + dice.choice((1, 4, 30, 300))] * dice.choice((1, 2, 40))


def _insert_noise(dice: random.Random, data: bytearray, _: bytes) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.randbytes(dice.choice((1, 2, 8, 64)))


def _splice(dice: random.Random, data: bytearray, other: bytes) -> None:
    at, start = dice.randrange(len(data) + 1), dice.randrange(len(other))
    part = other[start : start + dice.choice((8, 64, 512))]
    data[at : at + len(part)] = part


_MUTATORS: tuple[Mutator, ...] = (
    _flip,
    _overwrite,
    _lie_in_header,
    _lie_in_header,
    _cut,
    _drop,
    _repeat,
    _insert_noise,
    _splice,
)


def _with_checksums(data: bytes) -> bytes:
    """The PNG with every checksum made right, as far as its chunks can be walked."""
    fixed = bytearray(data)
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(fixed):
        end = at + 8 + int.from_bytes(fixed[at : at + 4], "big")
        if end + 4 > len(fixed):
            break
        struct.pack_into(">I", fixed, end, zlib.crc32(fixed[at + 4 : end]))
        at = end + 4
    return bytes(fixed)
