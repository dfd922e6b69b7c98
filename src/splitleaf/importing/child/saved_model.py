"""SavedModel folders: the operations in `saved_model.pb`, checked against an allow-list without TensorFlow.

Python code in `keras_metadata.pb` (Lambda layers) is never read: the graph alone is loaded. The operations
that save and restore variables are file operations; they are accepted in Keras' own saver functions,
which nothing else may call.

Field numbers are those of saved_model.proto, meta_graph.proto, graph.proto, function.proto, attr_value.proto.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from . import protobuf
from .allowlist import GRAPH_OPERATIONS, SAVER_OPERATIONS
from .refusals import Refused
from .source import MAX_SOURCE_BYTES, Inspection, refuse_non_model

_SAVER = re.compile(r"__inference__?traced_(save|restore)(_\d+)?")
_MAX_FILES = 10_000


def inspect_saved_model(folder: Path) -> Inspection:
    """Inspect a SavedModel folder. Raises `Refused`."""
    _check_files(folder)
    model = protobuf.open_message(folder / "saved_model.pb")
    graphs = list(protobuf.messages(model, 2))
    if len(graphs) != 1:
        raise Refused("source_damaged", f"saved_model.pb holds {len(graphs)} graphs; one is expected")
    (meta_graph,) = graphs
    if next(protobuf.messages(meta_graph, 7), None) is None:
        raise Refused(
            "unknown_format", "it was saved by TensorFlow 1 (no object graph); save it again with TensorFlow 2"
        )
    if next(protobuf.messages(meta_graph, 6), None) is not None:
        raise Refused("external_data", "it reads further files (assets), which no plain image model needs")
    operations = _check_operations(meta_graph)
    _refuse_exposed_savers(meta_graph)
    version = protobuf.text(meta_graph, 1, 5)
    return Inspection("savedmodel", "savedmodel", f"tensorflow {version}" if version else "", operations)


def _check_files(folder: Path) -> None:
    total = 0
    for count, path in enumerate(sorted(folder.rglob("*"))):
        if count > _MAX_FILES:
            raise Refused("too_large", f"{folder.name} has more than {_MAX_FILES:,} files")
        if path.is_symlink():
            raise Refused("external_data", f"{path.relative_to(folder)} is a link; only plain files are accepted")
        if not path.is_file():
            continue
        total += path.stat().st_size
        with path.open("rb") as file:
            refuse_non_model(file.read(1024) or b"-", str(path.relative_to(folder)))
    if total > MAX_SOURCE_BYTES:
        raise Refused("too_large", f"{folder.name} has {total:,} bytes; at most {MAX_SOURCE_BYTES:,} are read")
    if not (folder / "variables" / "variables.index").is_file():
        raise Refused("source_truncated", f"{folder.name} lacks its variables/ folder: it was not copied whole")


def _check_operations(meta_graph: memoryview) -> dict[str, int]:
    operations: Counter[str] = Counter()
    # A message that is there twice is merged by its readers, hence all of them are walked.
    for node in protobuf.messages(meta_graph, 2, 1):
        _check_operation(protobuf.text(node, 2), operations, in_saver=False)
    for function in protobuf.messages(meta_graph, 2, 2, 1):
        name = protobuf.text(function, 1, 1)
        in_saver = _SAVER.fullmatch(name) is not None
        for node in protobuf.messages(function, 3):
            _check_operation(protobuf.text(node, 2), operations, in_saver=in_saver)
            if not in_saver:
                _refuse_saver_calls(node, name)
    return dict(sorted(operations.items()))


def _check_operation(name: str, operations: Counter[str], *, in_saver: bool) -> None:
    if in_saver and name in SAVER_OPERATIONS:
        return
    if name not in GRAPH_OPERATIONS and _SAVER.fullmatch(name) is None:
        raise Refused(
            "foreign_operation",
            f"it contains the operation {name!r}, which is not on the list of operations known to be harmless",
        )
    operations[name] += 1


def _refuse_exposed_savers(meta_graph: memoryview) -> None:
    """A signature, or what is run when the model is loaded, is a function that the object graph names."""
    functions, bare_functions, by_name = (7, 1, 6, 1), (7, 1, 8, 1), (7, 2, 1)
    named = [
        bytes(name) for path in (functions, bare_functions, by_name) for name in protobuf.messages(meta_graph, *path)
    ]
    if any(_SAVER.fullmatch(name.decode("utf-8", errors="replace")) for name in named):
        raise Refused("foreign_operation", "it offers a function that reads or writes files as if it were its network")


def _refuse_saver_calls(node: memoryview, function: str) -> None:
    """Saving and restoring may be reached from the loader alone, never from the network."""
    if any(_SAVER.fullmatch(name) for name in _called(node)):
        raise Refused("foreign_operation", f"its function {function!r} reads or writes files when the network runs")


def _called(node: memoryview) -> Iterator[str]:
    """Yield the names of the functions that a node calls."""
    yield protobuf.text(node, 2)
    for value in protobuf.messages(node, 5, 2):
        for called in (*protobuf.messages(value, 10), *protobuf.messages(value, 1, 9)):
            yield protobuf.text(called, 1)
