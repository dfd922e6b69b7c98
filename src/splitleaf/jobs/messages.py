"""What tasks and final states look like in the broker.

Everything carries a `schema` number, and readers accept this one and the one before, so that
processes of two releases can run side by side while a system is updated.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from splitleaf.core.errors import SplitleafError
from splitleaf.core.prediction import Classification, Failure, LabelScore, PredictionStatus
from splitleaf.core.tensor import ImageTensor
from splitleaf.jobs.queue import Completion, JobState, Priority, TaskContext, Timings

SCHEMA = 1
ACCEPTED_SCHEMAS = frozenset({SCHEMA, SCHEMA - 1})

_CONTEXT_KEYS = {
    "request_id": "q",
    "unit_hash": "u",
    "revision": "r",
    "experiment": "e",
    "variant": "a",
    "override": "o",
    "fallback": "b",
    "primary_id": "p",
    "intake_ms": "i",
    "flags": "f",
    "origin": "s",
    "fingerprint": "d",
    "trace": "t",
}
_DEFAULT_CONTEXT = TaskContext()
_dump = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class UnreadableMessage(SplitleafError):
    """A message in the broker is of a release that this one does not understand."""

    code = "unreadable_message"


class MalformedMessage(UnreadableMessage):
    """A message in the broker is of no release, so waiting for another reader is in vain."""


@contextmanager
def _well_formed(message: bytes | str) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise MalformedMessage(message=ascii(message[:80]), reason=ascii(str(error)[:200])) from error


def encode_context(context: TaskContext) -> bytes:
    """Return the context as JSON, without what has its default value."""
    table: dict[str, Any] = {"v": SCHEMA}
    for name, key in _CONTEXT_KEYS.items():
        value = getattr(context, name)
        if value != getattr(_DEFAULT_CONTEXT, name):
            table[key] = value
    return _dump(table).encode()


def decode_context(text: bytes | str | None) -> TaskContext:
    """Read a context; keys that are missing have their defaults. Raises `MalformedMessage`."""
    if not text:
        return _DEFAULT_CONTEXT
    with _well_formed(text):
        return _context(json.loads(text))


def _context(table: Mapping[str, Any] | None) -> TaskContext:
    known = {name: table[key] for name, key in _CONTEXT_KEYS.items() if key in table} if table else {}
    if "flags" in known:
        known["flags"] = tuple(known["flags"])
    return TaskContext(**known)


def encode_header(tensor: ImageTensor) -> bytes:
    """Return the schema number and what is needed to read the tensor's bytes."""
    height, width, channels = tensor.shape
    return b"%d,%d,%d,%d,%b" % (SCHEMA, height, width, channels, tensor.dtype.encode())


def decode_tensor(header: bytes, pixels: bytes) -> ImageTensor:
    """Read a tensor; raise `UnreadableMessage` for another schema or a size that contradicts the header."""
    try:
        schema, height, width, channels, dtype = header.split(b",")
        shape = (int(height), int(width), int(channels))
        itemsize = {b"uint8": 1, b"float32": 4}[dtype]
        known = int(schema) in ACCEPTED_SCHEMAS
    except (ValueError, KeyError) as error:
        raise UnreadableMessage(header=header[:80]) from error
    if not known or len(pixels) != shape[0] * shape[1] * shape[2] * itemsize:
        raise UnreadableMessage(header=header[:80], bytes=len(pixels))
    return ImageTensor(shape, dtype.decode(), pixels)


def encode_result(completion: Completion, worker: str) -> bytes:
    """Return the part of a final state that the worker knows, as JSON."""
    timings = completion.timings
    table: dict[str, Any] = {
        "t": [round(timings.queue_ms, 3), round(timings.preprocess_ms, 3), round(timings.inference_ms, 3)],
        "sv": completion.served_version,
        "sd": completion.served_digest,
        "w": worker,
        "b": completion.batch_size,
    }
    if completion.classification is not None:
        table["c"] = _classification_table(completion.classification)
        table |= _remarks_table(completion.classification)
    if completion.failure is not None:
        table["e"] = [completion.failure.code, completion.failure.detail]
    return _dump(table).encode()


def encode_failure(failure: Failure) -> bytes:
    """Return the result of a task that failed without a worker's word."""
    return _dump({"e": [failure.code, failure.detail]}).encode()


def completion_status(completion: Completion) -> PredictionStatus:
    """Return the final state that a worker's word leads to."""
    return PredictionStatus.FAILED if completion.classification is None else PredictionStatus.SUCCEEDED


def decode_state(document: bytes) -> JobState:
    """Read a final state as the scripts wrote it; raise `UnreadableMessage` for another schema."""
    with _well_formed(document):
        table = json.loads(document)
        schema = table["v"]
        if schema in ACCEPTED_SCHEMAS:
            return _state(table)
    raise UnreadableMessage(schema=schema)


def _state(table: Mapping[str, Any]) -> JobState:
    result = table["r"] or {}
    context = _context(table["x"])
    queue_ms, preprocess_ms, inference_ms = result.get("t", (0.0, 0.0, 0.0))
    return JobState(
        id=table["id"],
        status=PredictionStatus(table["st"]),
        version=table["ver"],
        created_ms=table["c"] or table["f"],
        started_ms=table["s"],
        finished_ms=table["f"],
        classification=_classification(result),
        failure=Failure(*result["e"]) if "e" in result else None,
        context=context,
        timings=Timings(context.intake_ms, queue_ms, preprocess_ms, inference_ms),
        served_version=result.get("sv", ""),
        served_digest=result.get("sd", ""),
        worker=result.get("w", ""),
        batch_size=result.get("b", 0),
        deliveries=table["n"],
        priority=Priority(table["p"]),
    )


def _classification_table(classification: Classification) -> list[Any]:
    top = [[one.label, one.display_name, one.confidence] for one in classification.top]
    return [top, classification.entropy, classification.is_sure]


def _remarks_table(classification: Classification) -> dict[str, Any]:
    """Return what a version may say next to its labels; readers of older releases overlook these keys."""
    table: dict[str, Any] = {}
    if not classification.is_familiar:
        table["n"] = True
    if classification.heat:
        table["h"] = b64encode(classification.heat).decode("ascii")
    if classification.measures:
        table["m"] = [float(f"{value:.4g}") for value in classification.measures]
    return table


def _classification(result: Mapping[str, Any]) -> Classification | None:
    if "c" not in result:
        return None
    top, entropy, is_sure = result["c"]
    return Classification(
        tuple(LabelScore(*one) for one in top),
        entropy,
        is_sure,
        is_familiar=not result.get("n", False),
        heat=b64decode(result.get("h", "")),
        measures=tuple(result.get("m", ())),
    )
