"""A decoding child: reads requests from one socket, answers on it, and can do nothing else.

Started by `pool` as `python -m splitleaf.images.child FD LIMITS` with an empty environment. When
everything is loaded it gives up, in this order, memory beyond a cap, writing to files, new processes,
and every new file descriptor: from then on it cannot open a file or a socket.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from splitleaf.images import frames
from splitleaf.images.decoded import decode_arrays
from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import Refusal

_READ_BUFFER = 1 << 16
_IMPORTED_LATE = ("PIL.ImageOps", "PIL.TiffImagePlugin")
"""What Pillow imports only when an AVIF file carries EXIF; a confined child could not open them any more."""


def main() -> None:
    """Serve requests until the parent closes its end."""
    # The lowest number, so that no hole is left below the cap on descriptors.
    connection = socket.socket(fileno=os.dup(int(sys.argv[1])))
    os.close(int(sys.argv[1]))
    limits = ImageLimits(**json.loads(sys.argv[2]))
    for number in (signal.SIGINT, signal.SIGTERM):
        # The parent decides when a child ends: at a drain it still has images to answer for.
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)
    load_late_imports()
    resident_kib = _resident_gauge()
    confine(limits)
    serve(connection, limits, resident_kib)


def load_late_imports() -> None:
    """Import what the decoders would otherwise import when an image first needs it."""
    for name in _IMPORTED_LATE:
        import_module(name)


def serve(connection: socket.socket, limits: ImageLimits, resident_kib: Callable[[], int]) -> None:
    """Answer one request after the other, in order."""
    stream = connection.makefile("rb", buffering=_READ_BUFFER)
    connection.sendall(frames.pack_response(0, frames.READY, resident_kib=resident_kib()))
    while len(head := stream.read(frames.REQUEST.size)) == frames.REQUEST.size:
        size, number, count = frames.REQUEST.unpack(head)
        body = stream.read(size)
        if len(body) < size:
            return
        _limit_cpu(limits)
        parts = answer(number, count, body, limits, resident_kib)
        del body
        _send(connection, parts)


def answer(
    number: int, count: int, body: bytes, limits: ImageLimits, resident_kib: Callable[[], int]
) -> list[bytes | memoryview]:
    """Return the frame for one request: its head, then the tensors."""
    specs, upload = frames.split_request(body, count)
    try:
        width, height, arrays, flags = decode_arrays(upload, specs, limits)
    except Refusal as refusal:
        return [frames.pack_response(number, frames.refusal_status(refusal.code), resident_kib=resident_kib())]
    except Exception:  # noqa: BLE001 - whatever a decoder throws, the next image must be served
        return [frames.pack_response(number, frames.BROKEN, resident_kib=resident_kib())]
    head = frames.pack_response(
        number,
        frames.OK,
        body_bytes=sum(array.nbytes for array in arrays),
        flags=flags,
        width=width,
        height=height,
        resident_kib=resident_kib(),
    )
    return [head, *map(_raw, arrays)]


def _raw(array: npt.NDArray[Any]) -> memoryview:
    if sys.byteorder == "big" and array.dtype == np.float32:
        array = array.byteswap()
    return array.data.cast("B")


def _send(connection: socket.socket, parts: list[bytes | memoryview]) -> None:
    sent = connection.sendmsg(parts)
    for part in parts:
        if sent < len(part):
            connection.sendall(memoryview(part)[sent:])
        sent = max(sent - len(part), 0)


def confine(limits: ImageLimits) -> None:
    """Give up what decoding does not need. Systems that know a limit not, or refuse it, continue without."""
    used = _address_space()
    if used:
        _cap(resource.RLIMIT_AS, used + limits.memory_bytes)
    _cap(resource.RLIMIT_FSIZE, 0)
    _cap(resource.RLIMIT_CORE, 0)
    _cap(resource.RLIMIT_NPROC, 0)
    os.nice(limits.niceness)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    highest = max(int(entry.name) for entry in Path("/dev/fd").iterdir())
    _cap(resource.RLIMIT_NOFILE, _highest_open(highest) + 1)


def _highest_open(most: int) -> int:
    for descriptor in range(most, 2, -1):
        with suppress(OSError):
            os.fstat(descriptor)
            return descriptor
    return 2


def _cap(kind: int, value: int) -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(kind, (value, value))


def _limit_cpu(limits: ImageLimits) -> None:
    """Give the next image its processor time; the kernel keeps the watch, even when the parent is gone."""
    with suppress(OSError, ValueError):
        seconds = int(time.process_time()) + 1 + limits.max_cpu_s
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def _address_space() -> int:
    """Return the bytes of address space in use, or 0 where the system does not tell."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    return 0


def _resident_gauge() -> Callable[[], int]:
    """Return a function that tells the resident KiB; its file is opened now, since later none can be."""
    page_kib = resource.getpagesize() // 1024
    try:
        statm: io.FileIO = io.FileIO("/proc/self/statm")
    except OSError:
        return lambda: 0
    return lambda: int(os.pread(statm.fileno(), 128, 0).split()[1]) * page_kib


if __name__ == "__main__":
    main()
