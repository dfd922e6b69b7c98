"""Reads the Protocol Buffers wire format: just enough to look into a file without a schema or a library.

Format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .refusals import Refused

Value = int | memoryview


def open_message(path: Path) -> memoryview:
    """Return a file's bytes."""
    return memoryview(path.read_bytes())


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield (number, value): an int for numbers, a view for strings, bytes and messages.

    Raises `Refused` where the bytes are not a message.
    """
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield number, value
        else:
            size, position = _size(message, position, kind)
            if number == 0 or position + size > end:
                raise _broken()
            part = message[position : position + size]
            position += size
            yield number, part if kind == 2 else int.from_bytes(part, "little")


def messages(message: memoryview, *path: int) -> Iterator[memoryview]:
    """Yield the sub-messages found by following the field numbers of `path`."""
    if not path:
        yield message
        return
    for number, value in fields(message):
        if number == path[0] and isinstance(value, memoryview):
            yield from messages(value, *path[1:])


def text(message: memoryview, *path: int) -> str:
    """Return the string field at the end of `path`, empty when it is missing.

    Of a field that is there more than once the last counts, as it does for every reader of the format: what is
    checked must be what is run.
    """
    found = b""
    for parent in messages(message, *path[:-1]):
        for number, value in fields(parent):
            if number == path[-1] and isinstance(value, memoryview):
                found = bytes(value)
    return found.decode("utf-8", errors="replace")


def _size(message: memoryview, position: int, kind: int) -> tuple[int, int]:
    if kind == 2:
        return _varint(message, position)
    if kind in (1, 5):
        return (8 if kind == 1 else 4), position
    raise _broken()


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise _broken()
        byte = message[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
    raise _broken()


def _broken() -> Refused:
    return Refused("source_damaged", "the file is truncated or damaged: its protocol buffers cannot be read")
