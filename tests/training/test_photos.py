"""No leaf stands on both sides of the split, whichever folder its shots lie in."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.photos import BORDER, Photo, class_names, held_blocks, is_doubtful, list_photos, shot, split_photos


def shots(count: int, label: int = 0, *, every_full: int = 4) -> list[Photo]:
    """Shots 1..count in two folders, as the data set has them; the random prefix says nothing."""
    return [
        Photo(
            Path(f"{'train' if n % every_full == 0 else 'extra'}/{(n * 7919) % 997:04x}___RS {n}.jpg"),
            label,
            n % every_full == 0,
        )
        for n in range(1, count + 1)
    ]


def number(photo: Photo) -> int:
    found = shot(photo.path)[1]
    assert isinstance(found, int)
    return found


@pytest.mark.parametrize("count", [120, 399, 400, 1500])
def test_between_held_back_and_trained_photos_lies_a_border(count: int) -> None:
    split = split_photos(shots(count), 1)
    held, trained = {number(p) for p in split.held}, {number(p) for p in split.train}
    assert held
    assert trained
    assert min(abs(h - t) for h in held for t in trained) > BORDER


def test_shots_of_both_folders_are_one_sequence() -> None:
    split = split_photos(shots(1000), 1)
    assert {photo.full for photo in split.held} == {True, False}


def test_each_class_holds_back_a_twentieth() -> None:
    split = split_photos(shots(1000, 0) + shots(200, 1), 2)
    assert [sum(photo.label == label for photo in split.held) for label in (0, 1)] == [50, 10]


def test_a_small_class_gives_its_end_so_that_one_border_is_enough() -> None:
    assert held_blocks(200) == [(190, 200)]
    split = split_photos(shots(200), 1)
    assert len(split.train) == 200 - 10 - BORDER


def test_shots_are_ordered_by_number_and_not_by_the_random_prefix() -> None:
    names = ["ffff___RS_Erly.B 9.jpg", "0000___RS_Erly.B 10.jpg", "aaaa___RS_Erly.B 10.1.jpg"]
    assert sorted(set(names), key=lambda name: shot(Path(name))) == names


def test_photos_are_listed_by_class_and_other_files_are_not(tmp_path: Path) -> None:
    for name in ("b/x___A 2.JPG", "b/x___A 1.png", "a/x___A 1.jpeg", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = class_names(tmp_path)
    assert names == ("a", "b")
    listed = list_photos(tmp_path, names)
    assert [(photo.path.name, photo.label) for photo in listed] == [
        ("x___A 1.jpeg", 0),
        ("x___A 1.png", 1),
        ("x___A 2.JPG", 1),
    ]
    assert [photo.path.name for photo in list_photos(tmp_path, names, limit=1)] == ["x___A 1.jpeg", "x___A 1.png"]
    assert list_photos(tmp_path / "missing", names) == []


def test_photos_whose_label_cannot_be_right_are_on_neither_side() -> None:
    assert is_doubtful(Path("ab___UF.GRC_YLCV_Lab 08421.jpg"))
    assert not is_doubtful(Path("ab___UF.GRC_YLCV_Lab 08420.jpg"))
    assert not is_doubtful(Path("ab___RS_Erly.B 8500.jpg"))
    assert not is_doubtful(Path("leaf.jpg"))
    photos = [Photo(Path(f"{n:04x}___UF.GRC_YLCV_Lab {n}.jpg"), 0, full=True) for n in range(8001, 9001)]
    split = split_photos(photos, 1)
    assert len(split.held) + len(split.train) < 1000 - 168
    assert not any(is_doubtful(photo.path) for photo in (*split.train, *split.held))
