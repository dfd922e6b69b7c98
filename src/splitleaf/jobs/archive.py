"""What a backup keeps of the broker: work that was accepted and has not reached the outcome store yet."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from splitleaf.jobs.messages import decode_context, decode_tensor, encode_context, encode_header
from splitleaf.jobs.queue import Priority, Task


@dataclass(frozen=True, slots=True)
class SavedLetter:
    """A dead letter as it is kept, and its image."""

    version: str
    fields: Mapping[str, bytes]
    pixels: bytes | None
    """None where they lie in the fields."""

    @property
    def task_id(self) -> str:
        return self.fields["i"].decode()


class WorkArchive(Protocol):
    """Reads work out of a broker that continues working, and puts it into another one.

    Work moves on while it is read: from waiting to final, from final to recorded. Who reads in that order misses
    nothing, and may read something twice; every task and every final state has an id by which that shows.
    """

    @property
    def unreadable(self) -> Collection[str]:
        """Return the names of the entries that were left out so far because they are malformed."""
        ...

    def waiting(self) -> AsyncIterator[Task]:
        """Yield what waits or is worked on; its time to live is what is left of it now."""
        ...

    def unrecorded(self) -> AsyncIterator[bytes]:
        """Yield final states that are not recorded yet, as documents."""
        ...

    def letters(self) -> AsyncIterator[SavedLetter]: ...

    async def is_empty(self) -> bool:
        """Tell whether nothing waits, is worked on or is to be recorded."""
        ...

    async def put_letter(self, letter: SavedLetter) -> None: ...


def write_task(task: Task) -> dict[str, Any]:
    """Return a task as JSON knows it."""
    return {
        "id": task.id,
        "version": task.version,
        "ttl_ms": task.ttl_ms,
        "priority": int(task.priority),
        "context": encode_context(task.context).decode(),
        "header": encode_header(task.tensor).decode(),
        "pixels": b64encode(task.tensor.data).decode("ascii"),
    }


def read_task(line: dict[str, Any]) -> Task:
    return Task(
        id=line["id"],
        version=line["version"],
        tensor=decode_tensor(line["header"].encode(), b64decode(line["pixels"])),
        ttl_ms=line["ttl_ms"],
        priority=Priority(line["priority"]),
        context=decode_context(line["context"]),
    )


def write_letter(letter: SavedLetter) -> dict[str, Any]:
    fields = {name: b64encode(value).decode("ascii") for name, value in letter.fields.items()}
    pixels = None if letter.pixels is None else b64encode(letter.pixels).decode("ascii")
    return {"version": letter.version, "fields": fields, "pixels": pixels}


def read_letter(line: dict[str, Any]) -> SavedLetter:
    fields = {name: b64decode(value) for name, value in line["fields"].items()}
    return SavedLetter(line["version"], fields, b64decode(line["pixels"]) if line["pixels"] is not None else None)
