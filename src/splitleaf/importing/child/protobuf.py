"""Reads the Protocol Buffers wire format: just enough to look into a file, and to add to it, without any library.

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


def numbers(message: memoryview, number: int) -> list[int]:
    """Return a repeated integer field, packed or not, as signed 64-bit numbers."""
    found: list[int] = []
    for name, value in fields(message):
        if name != number:
            continue
        if isinstance(value, int):
            found.append(value)
            continue
        position = 0
        while position < len(value):
            one, position = _varint(value, position)
            found.append(one)
    return [one - (1 << 64) if one >= 1 << 63 else one for one in found]


def encoded(number: int, content: bytes) -> bytes:
    """Return a field of bytes, text or a message as it is written."""
    return _as_varint(number << 3 | 2) + _as_varint(len(content)) + content


def with_field(message: memoryview, path: tuple[int, ...], addition: bytes) -> bytes:
    """Return the message with `addition` (encoded fields) at the end of the one sub-message that `path` leads to."""
    if not path:
        return bytes(message) + addition
    position, parts = 0, []
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        if key & 7 == 0:
            _, position = _varint(message, position)
        else:
            size, position = _size(message, position, key & 7)
            position += size
        whole = message[start:position]
        is_way = key == (path[0] << 3 | 2)
        parts.append(
            encoded(path[0], with_field(message[position - size : position], path[1:], addition)) if is_way else whole
        )
    return b"".join(parts)


def _as_varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


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
