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
"""(number, kind, unit hash, confidence, created, total, queue, work, and the image's id where it is wanted); times in
ms.

The kind is `role/revision/variant/version that answered/status/fallback/batch size/origin/is sure/label`: `is sure` is
1, 0 or nothing, and the label, which alone can have a slash, is left out with its own where there is none. Of a million
rows there are some hundred kinds, and each column that a row does not have is a million objects that Python need not
make.
"""

_UNANSWERED: Final = frozenset({"failed", "expired"})
_INTEGERS: Final = (np.int64,) * 5
_REALS: Final = (np.float64,) * 4
_NO_LABEL: Final = 9
"""Facts of a kind without a label."""


@dataclass(frozen=True, slots=True)
class Exposures:
    """Arrays of the shape (outcomes,), in the order of creation (and of id); without overrides."""

    number: Ints
    revision: Ints
    unit: Ints
    """The same for the same unit: 0 for the first that came, and so on."""
    image: Ints
    """The same for the same image: a shadow's is its primary's."""
    variant: Ints
    """Index into `variants`: the *assigned* one."""
    version: Ints
    """Index into `versions`: who answered."""
    label: Ints
    """Index into `labels`; -1 without an answer."""
    origin: Ints
    """Index into `origins`: how the image came."""
    confidence: Floats
    """NaN without an answer."""
    is_shadow: Bools
    is_answered: Bools
    is_canceled: Bools
    is_expired: Bools
    is_fallback: Bools
    """Another version than the assigned one was to answer."""
    is_failed: Bools
    """The assigned version did not answer: no one did in time, or another one had to."""
    is_unsure: Bools
    """The answer was that the version is not sure."""
    created_ms: Ints
    total_ms: Floats
    """From arrived to final."""
    queue_ms: Floats
    work_ms: Floats
    """Preparation and inference, of the whole batch."""
    cost_ms: Floats
    """The image's part of that."""
    variants: tuple[str, ...]
    versions: tuple[str, ...]
    labels: tuple[str, ...]
    origins: tuple[str, ...]
    """Of `core.prediction.Origin`; the empty one: of older records."""

    def __len__(self) -> int:
        return len(self.number)

    @property
    def waited_ms(self) -> Floats:
        """From arrived to answered or taken back; infinite where the assigned version did not answer."""
        waited: Floats = np.where(self.is_failed, np.inf, self.total_ms)
        return waited


def read_exposures(chunks: Iterable[Sequence[Row]]) -> Exposures:
    """Turn rows, in the order of creation, into columns, chunk by chunk: rows take ten times the memory."""
    kinds = _Names()
    parts = [_columns(chunk, kinds) for chunk in chunks if chunk]
    if not parts:
        parts = [[np.empty(0, dtype) for dtype in (*_INTEGERS, *_REALS)]]
    pieces = [list(column) for column in zip(*parts, strict=True)]
    parts.clear()
    # Each column's pieces go as soon as it is whole: both together would take twice the memory.
    columns = [np.concatenate(pieces.pop(0)) for _ in range(len(pieces))]
    number, kind, unit, image, created = columns[: len(_INTEGERS)]
    confidence, total, queue, work = columns[len(_INTEGERS) :]
    facts, batch_size = _facts(kind, kinds.names)
    return Exposures(
        number=number,
        unit=_numbered(unit),
        image=image,
        confidence=confidence,
        created_ms=created,
        total_ms=total,
        queue_ms=queue,
        work_ms=work,
        cost_ms=work / np.maximum(batch_size, 1),
        **facts,
    )


class _Names(dict[str, int]):
    """Text -> small number, counted as they come. Looked up by `map`, a million times."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number

    @property
    def names(self) -> list[str]:
        return list(self)

    def read(self, column: Sequence[str]) -> Ints:
        return np.fromiter(map(self.__getitem__, column), np.int64, len(column))


def _columns(chunk: Sequence[Row], kinds: _Names) -> list[NDArray[Any]]:
    number, kind, unit, confidence, created, total, queue, work, *image = zip(*chunk, strict=True)
    return [
        np.array(number, np.int64),
        kinds.read(kind),
        _hashes(unit),
        _hashes(image[0]) if image else np.zeros(len(chunk), np.int64),
        np.array(created, np.int64),
        *(np.array(column, np.float64) for column in (confidence, total, queue, work)),
    ]


def _hashes(column: Sequence[str]) -> Ints:
    """Return 64 bits for each text: of a million different ones, two are equal in one run of thirty million."""
    return np.fromiter(map(hash, column), np.int64, len(column))


def _numbered(hashes: Ints) -> Ints:
    """Return the same number for the same hash: 0 for the first that came, and so on.

    To keep a million texts apart would take a hundred megabytes, and longer.
    """
    if not len(hashes):
        return hashes
    _, first, place = np.unique(hashes, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    numbers: Ints = number[place]
    return numbers


def _facts(kind: Ints, kinds: Sequence[str]) -> tuple[dict[str, Any], Ints]:
    """Return what the kinds say of each row, and the size of its batch: looked up, because there are few of them."""
    split = [one.split("/", _NO_LABEL) for one in kinds]
    columns = zip(*(one[:_NO_LABEL] for one in split), strict=True) if kinds else ((),) * _NO_LABEL
    roles, revisions, variants, versions, statuses, fallbacks, sizes, origins, sureness = columns
    variant_names, version_names = tuple(dict.fromkeys(variants)), tuple(dict.fromkeys(versions))
    origin_names = tuple(dict.fromkeys(origins))
    labels = [one[_NO_LABEL] if len(one) > _NO_LABEL else None for one in split]
    place_of = {label: place for place, label in enumerate(dict.fromkeys(one for one in labels if one is not None))}

    def column(values: Iterator[int] | Iterator[bool], dtype: type[np.generic]) -> NDArray[Any]:
        return np.array(list(values), dtype)[kind] if kinds else np.empty(0, dtype)

    facts = {
        "label": column((-1 if one is None else place_of[one] for one in labels), np.int64),
        "revision": column((int(one) for one in revisions), np.int64),
        "variant": column((variant_names.index(one) for one in variants), np.int64),
        "version": column((version_names.index(one) for one in versions), np.int64),
        "origin": column((origin_names.index(one) for one in origins), np.int64),
        "is_shadow": column((one == "shadow" for one in roles), np.bool_),
        "is_answered": column((one == "succeeded" for one in statuses), np.bool_),
        "is_canceled": column((one == "canceled" for one in statuses), np.bool_),
        "is_expired": column((one == "expired" for one in statuses), np.bool_),
        "is_fallback": column((bool(one) for one in fallbacks), np.bool_),
        "is_failed": column(
            (one in _UNANSWERED or bool(other) for one, other in zip(statuses, fallbacks, strict=True)), np.bool_
        ),
        "is_unsure": column((one == "0" for one in sureness), np.bool_),
        "variants": variant_names,
        "versions": version_names,
        "labels": tuple(place_of),
        "origins": origin_names,
    }
    return facts, column((int(one) for one in sizes), np.int64)
