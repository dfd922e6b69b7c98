from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest

from splitleaf.importing.labels import canonical, labels_beside, match_by_answers, match_by_name, parse_labels
from tests.importing.refusing import refused


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "late\nearly\nhealthy\n"),
        ("labels.txt", "0 late\n1 early\n2 healthy\n"),
        ("labels.txt", "2: healthy\r\n0: late\r\n1: early\r\n\r\n"),
        ("labels.json", '["late", "early", "healthy"]'),
        ("labels.json", '{"early": 1, "late": 0, "healthy": 2}'),
        ("labels.json", '{"1": "early", "0": "late", "2": "healthy"}'),
    ],
)
def test_every_customary_form_of_a_labels_file_is_understood(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert parse_labels(str(tmp_path / name)).names == ("late", "early", "healthy")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_labels_file_is_read_alike_in_every_encoding_that_says_what_it_is(
    tmp_path: Path, encoding: str, end: str
) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(end.join(["स्वस्थ", "Blätter", "mosaic"]).encode(encoding))
    assert parse_labels(str(path)).names == ("स्वस्थ", "Blätter", "mosaic")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le"])
def test_a_labels_file_in_an_encoding_that_can_only_be_guessed_is_refused(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "labels.txt").write_bytes("Blätter\nmosaic\n".encode(encoding))
    with refused("invalid_labels", "save it as UTF-8"):
        parse_labels(str(tmp_path / "labels.txt"))


def test_labels_may_be_named_on_the_command_line() -> None:
    assert parse_labels("late, early,healthy").names == ("late", "early", "healthy")


@pytest.mark.parametrize("text", ["3", "{", '{"late": 0, "early": 2}', '{"late": "0"}', '{"0": "a", "2": "b"}'])
def test_a_labels_file_in_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with refused("invalid_labels", "known form"):
        parse_labels(str(tmp_path / "labels.json"))


def test_a_label_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("late\nlate\n")
    with refused("invalid_labels", "twice"):
        parse_labels(str(tmp_path / "labels.txt"))


def test_a_file_beside_the_source_is_found(tmp_path: Path) -> None:
    assert labels_beside(tmp_path / "leaf.h5") is None
    (tmp_path / "labels.txt").write_text("late\nearly\n")
    (tmp_path / "class_indices.json").write_text('{"early": 0, "late": 1}')
    found = labels_beside(tmp_path / "leaf.h5")
    assert found is not None
    assert (found.origin, found.names) == ("class_indices.json", ("early", "late"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Tomato___Late_blight", "Late_blight"),
        ("late blight", "Late_blight"),
        ("TomatoYellowLeafCurlVirus", "Yellow_Leaf_Curl_Virus"),
        ("Tomato_healthy", "healthy"),
        ("Rust", "Rust"),
    ],
)
def test_a_name_gets_the_repositorys_spelling(name: str, expected: str) -> None:
    assert canonical(name, ["Late_blight", "Early_blight", "Yellow_Leaf_Curl_Virus", "healthy"]) == expected


def test_folders_find_their_outputs_by_their_words_and_then_by_the_answers() -> None:
    outputs = ["Tomato healthy", "Potato healthy", "Tomato Late Blight"]
    answers = np.array([[2, 0, 20], [18, 3, 0]])
    assert match_by_name(["Late_blight", "healthy"], outputs, answers) == (2, 0)
    # The words of "healthy" fit two outputs alike: what the images say decides.
    assert match_by_name(["Late_blight", "healthy"], outputs, answers[:, [1, 0, 2]]) == (2, 1)


def test_folders_that_share_no_word_with_any_output_are_not_matched_by_name() -> None:
    assert match_by_name(["a", "healthy"], ["Late blight", "Healthy"], np.zeros((2, 2), dtype=np.int64)) is None


def test_folders_find_their_outputs_in_any_script() -> None:
    names, answers = ("स्वस्थ", "पछेती झुलसा", "रतुआ"), np.zeros((3, 3), np.int64)
    assert match_by_name(["रतुआ", "स्वस्थ", "पछेती_झुलसा"], names, answers) == (2, 0, 1)
    assert canonical("पछेती_झुलसा", names) == "पछेती झुलसा"
    # Folders of macOS are named in decomposed characters.
    assert canonical(unicodedata.normalize("NFD", "Blätter"), ["Blätter", "Rost"]) == "Blätter"


def test_an_output_is_given_to_one_folder_alone() -> None:
    # Both folders are mostly answered with output 0.
    assert match_by_answers(np.array([[9, 1, 0], [8, 0, 2]])) == (0, 2)
