"""A decoding child that does what the upload orders: the worst that a taken-over decoder could do.

The orders stand behind the magic bytes of a JPEG. Everything else is the real child.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from splitleaf.images import child, frames
from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import CORRUPT, TOO_SMALL

MAGIC = b"\xff\xd8\xff"
_real_answer = child.answer


def order(name: str) -> bytes:
    """An upload that makes the child misbehave."""
    return MAGIC + name.encode()


def _spin() -> None:
    while True:
        pass


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


ATTEMPTS: dict[str, Callable[[], object]] = {
    "open": lambda: Path("/etc/passwd").read_bytes(),
    "write": lambda: os.write(os.open("/tmp/splitleaf-test", os.O_WRONLY | os.O_CREAT), b"x"),
    "socket": lambda: socket.create_connection(("127.0.0.1", 9)),
    "pipe": os.pipe,
    "exec": lambda: subprocess.run(["true"], check=True),
}
DEEDS: dict[str, Callable[[], object]] = {
    "die": lambda: os._exit(3),
    "crash": os.abort,
    "hang": lambda: time.sleep(60),
    "spin": _spin,
}


def answer(
    number: int, count: int, body: bytes, limits: ImageLimits, resident_kib: Callable[[], int]
) -> list[bytes | memoryview]:
    specs, upload = frames.split_request(body, count)
    if not upload.startswith(MAGIC) or upload[3:4] == b"\xe0":
        return _real_answer(number, count, body, limits, resident_kib)
    name = upload[3:].decode()
    if name in ATTEMPTS:
        code = TOO_SMALL if _refused(ATTEMPTS[name]) else CORRUPT
        return [frames.pack_response(number, frames.refusal_status(code))]
    if name == "environment":
        code = CORRUPT if {"SPLITLEAF_SECRET", "HOME", "USER"} & set(os.environ) else TOO_SMALL
        return [frames.pack_response(number, frames.refusal_status(code))]
    if name in DEEDS:
        DEEDS[name]()
    return _lie(name, number, sum(frames.tensor_sizes(specs)))


def _lie(name: str, number: int, size: int) -> list[bytes | memoryview]:
    if name == "wrong size":
        return [frames.pack_response(number, frames.OK, body_bytes=1 << 31, width=64, height=64)]
    if name == "wrong number":
        return [frames.pack_response(number + 1, frames.OK, body_bytes=size, width=64, height=64), bytes(size)]
    if name == "wrong status":
        return [frames.pack_response(number, 99)]
    if name == "wrong sides":
        return [frames.pack_response(number, frames.OK, body_bytes=size, width=1 << 30, height=0), bytes(size)]
    if name == "unasked":
        refusal = frames.pack_response(number, frames.refusal_status(CORRUPT))
        return [refusal, frames.pack_response(number, frames.refusal_status(CORRUPT))]
    if name == "stutter":
        return [b"\xff" * frames.RESPONSE.size]
    raise ValueError(name)


if __name__ == "__main__":
    if os.environ.get("PYTHONPATH") is None:
        sys.exit("started without an import path")
    child.answer = answer
    child.main()
