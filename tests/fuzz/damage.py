"""Seeded damage to bytes and texts."""

from __future__ import annotations

import random
from typing import Final

_TELLING: Final = (0, 1, 0x22, 0x2C, 0x5B, 0x7B, 0x7F, 0x80, 0xFF)
_WORDS: Final = (
    *(b"nan", b"inf", b"-1", b"1e309", b"5e-324", b"99999999999999999999", b"null", b"true", b'""', b"''", b"{}"),
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"[" * 3000,
        b"a." * 2000,
        b"\r\n\r\n",
        b'"' * 9,
        b"=",
        b"[[x]]",
        b"\xef\xbb\xbf",
    ),
)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to four changes."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(made) + 1)
        length = min(rng.choice((1, 2, 8, 64)), len(made) - place)
        match rng.randrange(6):
            case 0:
                made[place : place + 1] = bytes([rng.choice(_TELLING)])
            case 1:
                del made[place : place + length]
            case 2:
                made[place:place] = made[place : place + length]
            case 3:
                made[place : place + length] = rng.choice(_WORDS)
            case 4:
                made[place:place] = rng.choice(_WORDS)
            case _:
                del made[place + rng.randrange(4096) :]
    return bytes(made)


__all__ = ["damaged"]
