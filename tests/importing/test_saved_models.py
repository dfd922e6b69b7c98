from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from splitleaf.importing.child.inspection import inspect
from tests.importing.files import concrete_function, field, function, graph, node, write_saved_model
from tests.importing.refusing import refused

RESTORE = "__inference__traced_restore_12"
FORWARD = "__inference_signature_wrapper_7"


def test_a_plain_network_is_accepted_and_its_operations_are_counted(tmp_path: Path) -> None:
    network = function(FORWARD, node("Conv2D"), node("Relu"), node("Relu"))
    folder = write_saved_model(
        tmp_path / "leaf", graph([node("VarHandleOp")], [network]), objects=[concrete_function(FORWARD)]
    )
    found = inspect(folder)
    assert (found.format, found.loader, found.keras_version) == ("savedmodel", "savedmodel", "tensorflow 2.10.0")
    assert found.layers == {"Conv2D": 1, "Relu": 2, "VarHandleOp": 1}


@pytest.mark.parametrize("operation", ["ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "HashTableV2", "RestoreV2"])
def test_an_operation_that_is_not_on_the_list_is_refused_wherever_it_is(tmp_path: Path, operation: str) -> None:
    for number, found in enumerate(
        [graph([node(operation)]), graph(functions=[function(FORWARD, node(operation))])],
    ):
        with refused("foreign_operation", operation):
            inspect(write_saved_model(tmp_path / str(number), found))


def test_keras_own_functions_that_save_and_restore_are_accepted(tmp_path: Path) -> None:
    found = graph([node("StatefulPartitionedCall", calls=RESTORE)], [function(RESTORE, node("RestoreV2"))])
    assert inspect(write_saved_model(tmp_path / "leaf", found)).layers == {"StatefulPartitionedCall": 1}


def test_a_function_that_restores_may_do_nothing_else(tmp_path: Path) -> None:
    with refused("foreign_operation", "WriteFile"):
        inspect(write_saved_model(tmp_path / "leaf", graph(functions=[function(RESTORE, node("WriteFile"))])))


@pytest.mark.parametrize(
    "call", [node("StatefulPartitionedCall", calls=RESTORE), node(RESTORE)], ids=["by attribute", "by name"]
)
def test_the_network_may_not_call_what_reads_and_writes_files(tmp_path: Path, call: bytes) -> None:
    found = graph(functions=[function(RESTORE, node("RestoreV2")), function(FORWARD, call)])
    with refused("foreign_operation", FORWARD):
        inspect(write_saved_model(tmp_path / "leaf", found))


def test_the_signature_may_not_be_what_reads_and_writes_files(tmp_path: Path) -> None:
    found = graph(functions=[function(RESTORE, node("RestoreV2"))])
    named = [
        {"objects": [concrete_function(RESTORE)]},
        {"objects": [field(6, field(1, RESTORE))]},
        {"objects": [b""], "more": field(7, field(2, field(1, RESTORE) + field(2, b"")))},
    ]
    for number, where in enumerate(named):
        with refused("foreign_operation", "as if it were its network"):
            inspect(write_saved_model(tmp_path / str(number), found, **where))  # type: ignore[arg-type]


def test_what_is_written_twice_is_read_as_tensorflow_reads_it(tmp_path: Path) -> None:
    """A second value wins, a second message is merged: neither may hide anything behind a harmless first."""
    renamed = node("Identity") + field(2, "WriteFile")
    harmless, harmful = graph([node("Identity")]), graph([node("WriteFile")])
    with refused("foreign_operation", "WriteFile"):
        inspect(write_saved_model(tmp_path / "value", graph([renamed])))
    with refused("foreign_operation", "WriteFile"):
        inspect(write_saved_model(tmp_path / "message", harmless, more=field(2, harmful)))
    disguised = function(RESTORE, node("SaveV2")) + field(1, field(1, FORWARD))
    with refused("foreign_operation", "SaveV2"):
        inspect(write_saved_model(tmp_path / "name", graph(functions=[disguised])))


def test_further_files_are_refused(tmp_path: Path) -> None:
    with refused("external_data", "assets"):
        inspect(write_saved_model(tmp_path / "leaf", graph(), more=field(6, b"asset")))


def test_a_link_in_the_folder_is_refused(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "leaf", graph())
    (folder / "variables/more").symlink_to("/etc/hostname")
    with refused("external_data", "is a link"):
        inspect(folder)


def test_a_folder_without_its_variables_was_not_copied_whole(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "leaf", graph())
    shutil.rmtree(folder / "variables")
    with refused("source_truncated", "not copied whole"):
        inspect(folder)


def test_a_pointer_among_the_files_is_found(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "leaf", graph())
    (folder / "variables/variables.data-00000-of-00001").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with refused("source_lfs_pointer", "git lfs pull"):
        inspect(folder)


def test_a_model_of_tensorflow_1_is_refused(tmp_path: Path) -> None:
    folder = write_saved_model(tmp_path / "leaf", graph())
    (folder / "saved_model.pb").write_bytes(field(2, field(2, graph())))
    with refused("unknown_format", "TensorFlow 1"):
        inspect(folder)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, field(1, 1)], ids=["empty", "noise", "no graph"])
def test_a_damaged_model_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = write_saved_model(tmp_path / "leaf", graph())
    (folder / "saved_model.pb").write_bytes(content)
    with refused("source_damaged"):
        inspect(folder)


def test_any_cut_through_the_file_is_refused_and_never_crashes(tmp_path: Path) -> None:
    whole = write_saved_model(tmp_path / "leaf", graph([node("Relu")], [function(FORWARD, node("Conv2D"))]))
    content = (whole / "saved_model.pb").read_bytes()
    for size in range(3, len(content)):
        (whole / "saved_model.pb").write_bytes(content[:size])
        with refused("source_damaged"):
            inspect(whole)


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    with refused("unknown_format", "without saved_model.pb"):
        inspect(tmp_path)
