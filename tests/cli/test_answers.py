from __future__ import annotations

from pathlib import Path

import pytest

from splitleaf.cli.answers import print_answers, print_summary, write_truth
from splitleaf.cli.images import Answer, collect_images
from splitleaf.core.errors import NotFound

GOLDEN = Path(__file__).parent / "golden"
ANSWERS = (
    Answer(Path("healthy/a [red], long.jpg"), "healthy", "Healthy leaf", 98.76, is_sure=True, prediction_id="01J"),
    Answer(Path("healthy/b.png"), "Late_blight", "Late blight", 41.5, is_sure=False),
    Answer(Path("c.jpg"), error_code="image_truncated", error_detail="The image is cut off."),
)


@pytest.mark.parametrize(("output", "file"), [("table", "table.txt"), ("csv", "answers.csv"), ("json", "answers.json")])
def test_answers_are_printed_as_they_always_were(capsys: pytest.CaptureFixture[str], output: str, file: str) -> None:
    print_answers(ANSWERS, output)
    assert capsys.readouterr().out == (GOLDEN / file).read_text(encoding="utf-8")


def test_failures_and_accuracy_are_told_apart_from_the_answers(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary(ANSWERS, 4, labelled=True)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "interrupted after 3 of 4 images",
        "1 of 4 images could not be classified",
        "1 of 3 correct: accuracy 0.3333",
    ]


def test_the_truth_of_a_folder_is_written_for_what_a_server_answered(tmp_path: Path) -> None:
    write_truth(ANSWERS, tmp_path / "truth.csv")
    assert (tmp_path / "truth.csv").read_text() == "prediction_id,label\n01J,healthy\n"


def test_folders_give_their_images_sorted_and_each_once(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "deep/c.heic", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = collect_images([tmp_path, tmp_path / "a.png"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.png", "b.JPG", "deep/c.heic"]


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_a_place_without_images_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound, match=tmp_path.name):
        collect_images([tmp_path / name])
