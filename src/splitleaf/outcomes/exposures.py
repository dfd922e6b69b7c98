"""An experiment's outcomes by column: what a report over a million of them reads, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Row = Sequence[Any]
"""(number, kind, unit hash, picture id, label, confidence, created, total, queue, work, batch size), times in ms; the
kind is `role/revision/variant/version that answered/status/fallback`, none of which can have a slash."""

_UNANSWERED: Final = frozenset({"failed", "expired"})
_INTEGERS: Final = (np.int64,) * 7
_REALS: Final = (np.float64,) * 4


@dataclass(frozen=True, slots=True)
class Exposures:
    """Arrays of the shape (outcomes,), in the order of recording; without overrides."""

    number: Ints
    revision: Ints
    unit: Ints
    """The same for the same unit: 0 for the first that came, and so on."""
    picture: Ints
    """The same for the same picture: a shadow's is its primary's."""
    variant: Ints
    """Index into `variants`: the *assigned* one."""
    version: Ints
    """Index into `versions`: who answered."""
    label: Ints
    """Index into `labels`; -1 without an answer."""
    confidence: Floats
    """NaN without an answer."""
    is_shadow: Bools
    is_answered: Bools
    is_canceled: Bools
    is_expired: Bools
    is_fallback: Bools
    """Another version than the assigned one was to answer."""
    is_failed: Bools
    """The assigned version did not answer: nobody did in time, or another one had to."""
    created_ms: Ints
    total_ms: Floats
    """From arrived to final."""
    queue_ms: Floats
    work_ms: Floats
    """Preparation and inference, of the whole batch."""
    cost_ms: Floats
    """The picture's part of that."""
    variants: tuple[str, ...]
    versions: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.number)


def read_exposures(chunks: Iterable[Sequence[Row]]) -> Exposures:
    """Turn rows, in the order of their numbers, into columns, chunk by chunk: rows take ten times the memory."""
    kinds, units, labels = _Names(), _Names(), _Names()
    parts = [_columns(chunk, kinds, units, labels) for chunk in chunks if chunk]
    if not parts:
        parts = [[np.empty(0, dtype) for dtype in (*_INTEGERS, *_REALS)]]
    pieces = [list(column) for column in zip(*parts, strict=True)]
    parts.clear()
    # Each column's pieces go as soon as it is whole: both together would take twice the memory.
    columns = [np.concatenate(pieces.pop(0)) for _ in range(len(pieces))]
    number, kind, unit, picture, label, created, batch = columns[: len(_INTEGERS)]
    confidence, total, queue, work = columns[len(_INTEGERS) :]
    return Exposures(
        number=number,
        unit=unit,
        picture=picture,
        label=label,
        confidence=confidence,
        created_ms=created,
        total_ms=total,
        queue_ms=queue,
        work_ms=work,
        cost_ms=work / np.maximum(batch, 1),
        labels=tuple(labels.names),
        **_facts(kind, kinds.names),
    )


class _Names(dict[object, int]):
    """Text -> small number, counted as they come; None -> -1. Looked up by `map`, a million times."""

    def __init__(self) -> None:
        super().__init__({None: -1})

    def __missing__(self, name: object) -> int:
        # None has a place, too.
        self[name] = number = len(self) - 1
        return number

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self if name is not None]

    def read(self, column: Sequence[object]) -> Ints:
        return np.fromiter(map(self.__getitem__, column), np.int64, len(column))


def _columns(chunk: Sequence[Row], kinds: _Names, units: _Names, labels: _Names) -> list[NDArray[Any]]:
    number, kind, unit, picture, label, confidence, created, total, queue, work, batch = zip(*chunk, strict=True)
    return [
        np.array(number, np.int64),
        kinds.read(kind),
        units.read(unit),
        _hashes(picture),
        labels.read(label),
        np.array(created, np.int64),
        np.array(batch, np.int64),
        *(np.array(column, np.float64) for column in (confidence, total, queue, work)),
    ]


def _hashes(column: Sequence[str]) -> Ints:
    """Return 64 bits for each text: of a million different ones, two are alike in one run of thirty million."""
    return np.fromiter(map(hash, column), np.int64, len(column))


def _facts(kind: Ints, kinds: Sequence[str]) -> dict[str, Any]:
    """Return what the kinds say of each row: looked up, because there are few of them."""
    columns = zip(*(one.split("/") for one in kinds), strict=True) if kinds else ((),) * 6
    roles, revisions, variants, versions, statuses, fallbacks = columns
    variant_names, version_names = tuple(dict.fromkeys(variants)), tuple(dict.fromkeys(versions))

    def column(values: Iterator[int] | Iterator[bool], dtype: type[np.generic]) -> NDArray[Any]:
        return np.array(list(values), dtype)[kind] if kinds else np.empty(0, dtype)

    return {
        "revision": column((int(one) for one in revisions), np.int64),
        "variant": column((variant_names.index(one) for one in variants), np.int64),
        "version": column((version_names.index(one) for one in versions), np.int64),
        "is_shadow": column((one == "shadow" for one in roles), np.bool_),
        "is_answered": column((one == "succeeded" for one in statuses), np.bool_),
        "is_canceled": column((one == "canceled" for one in statuses), np.bool_),
        "is_expired": column((one == "expired" for one in statuses), np.bool_),
        "is_fallback": column((bool(one) for one in fallbacks), np.bool_),
        "is_failed": column(
            (one in _UNANSWERED or bool(other) for one, other in zip(statuses, fallbacks, strict=True)), np.bool_
        ),
        "variants": variant_names,
        "versions": version_names,
    }
