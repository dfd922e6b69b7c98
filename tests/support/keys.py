"""The format of an API key, as docs/how-to/rotate-keys.md gives it to secret scanners."""

from __future__ import annotations

import re
import string
import zlib

KEY_PATTERN = re.compile(r"splitleaf_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def is_key(text: str) -> bool:
    match = KEY_PATTERN.fullmatch(text)
    return match is not None and match[2] == _in_base_62(zlib.crc32(match[1].encode("ascii")))


def _in_base_62(number: int) -> str:
    return "".join(DIGITS[number // 62**place % 62] for place in range(5, -1, -1))
