"""Labels: what the outputs are called, where that is written, and which folder of images is which output."""

from __future__ import annotations

import codecs
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import ImportRefused
from splitleaf.core.files import read_plain
from splitleaf.importing.assignment import assign

_MAX_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class StatedLabels:
    """Labels in the order of the outputs, and their source."""

    names: tuple[str, ...]
    origin: str
    """`--labels`, `model.toml`, a file's name, or `repository.toml`."""


def parse_labels(text: str) -> StatedLabels:
    """Read `--labels`: a file (one a line, Teachable Machine's, or JSON) or names separated by commas."""
    path = Path(text)
    if path.is_file():
        return StatedLabels(read_labels_file(path), "--labels")
    return StatedLabels(tuple(part.strip() for part in text.split(",") if part.strip()), "--labels")


def labels_beside(source: Path) -> StatedLabels | None:
    """Return the labels in a file that lies next to the source, as training tools write them."""
    for name in (
        "class_indices.json",
        "labels.txt",
        "labels.json",
        "class_names.json",
        "classes.txt",
        "class_names.txt",
    ):
        path = source.parent / name
        if path.is_file():
            return StatedLabels(read_labels_file(path), name)
    return None


def read_labels_file(path: Path) -> tuple[str, ...]:
    """Read labels in the order of the outputs.

    Understands a JSON list, `{"name": index}` (`class_indices`), `{"0": "name"}`, one name a line, and Teachable
    Machine's `0 name` a line; in UTF-8 or, with a byte order mark, UTF-16. Raises `ImportRefused`.
    """
    try:
        text = _decode(read_plain(path, _MAX_BYTES))
        names = _from_json(json.loads(text)) if path.suffix == ".json" else _from_lines(text)
    except UnicodeError as error:
        raise ImportRefused(f"{path.name} is not UTF-8: save it as UTF-8", code="invalid_labels") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ImportRefused(f"{path.name} does not list labels in a known form", code="invalid_labels") from error
    if len(set(names)) != len(names):
        raise ImportRefused(f"{path.name} names a label twice", code="invalid_labels")
    return names


def _decode(data: bytes) -> str:
    """Raises `UnicodeError`."""
    has_utf16_mark = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if has_utf16_mark else "utf-8-sig")
    if "\0" in text:
        raise UnicodeError("UTF-16 without a byte order mark")
    return text


def _from_json(found: object) -> tuple[str, ...]:
    if isinstance(found, list):
        return tuple(str(name) for name in found)
    if not isinstance(found, dict):
        raise TypeError
    if all(isinstance(value, int) for value in found.values()):
        return _in_order({int(index): str(name) for name, index in found.items()})
    return _in_order({int(index): str(name) for index, name in found.items()})


def _from_lines(text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [re.fullmatch(r"(\d+)[\s:,]+(.+)", line) for line in lines]
    if lines and all(numbered):
        return _in_order({int(match[1]): match[2] for match in numbered if match})
    return tuple(lines)


def _in_order(by_index: dict[int, str]) -> tuple[str, ...]:
    return tuple(by_index[index] for index in range(len(by_index)))


def words(name: str) -> frozenset[str]:
    """Return a name's words in any script: `Tomato_YellowLeaf-Curl` has tomato, yellow, leaf, curl."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name)).casefold()
    # Letters, marks (vowel signs, accents) and numbers make words; everything else separates them.
    return frozenset("".join(one if unicodedata.category(one)[0] in "LMN" else " " for one in spaced).split())


def similarity(one: str, other: str) -> float:
    """Return the share of words that two names have in common, 0 to 1 (Jaccard)."""
    left, right = words(one), words(other)
    return len(left & right) / len(left | right) if left | right else 0.0


def canonical(name: str, known: Sequence[str]) -> str:
    """Return the repository's spelling of a name: the same words, or the only label whose words it contains."""
    same = [label for label in known if words(label) == words(name)]
    inside = [label for label in known if words(label) and words(label) < words(name)]
    for found in (same, inside):
        if len(found) == 1:
            return found[0]
    return name


def match_by_name(folders: Sequence[str], names: Sequence[str], answers: NDArray[np.int64]) -> tuple[int, ...] | None:
    """Return the output of each folder by its name; None when some folder has nothing in common with any.

    Args:
        folders: names of the class folders.
        names: names of the outputs, in order.
        answers: how often each folder's images (row) were answered with each output (column). Decides
            between names that fit equally well, as `Potato_healthy` and `Tomato_healthy` do for `healthy`.
    """
    alike = np.array([[similarity(folder, name) for name in names] for folder in folders])
    if (alike.max(axis=1) == 0).any():
        return None
    shares = answers / max(1.0, float(answers.sum()))
    return assign(alike * 1000 + shares)


def match_by_answers(answers: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the output of each folder (row) that makes most answers right, each output used once."""
    return assign(answers.astype(np.float64))
