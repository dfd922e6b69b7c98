"""What is held back of the field photos depends on their names alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from training.field import OTHER, FieldPhoto, is_held, list_field, split_field

HELD = [15, 39, 43, 46, 49, 50, 59, 63, 66, 72, 76, 84, 90, 93, 98]
"""Of healthy plants 0 to 99: what was held back once stays so, or published figures would be of other photos."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("field/train/healthy/a.jpg", "field/test/healthy/b.jpg", "others/train/fruit/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "boxes.csv").write_text(
        "file,x_centre,y_centre,width,height\nfield/train/healthy/a.jpg,0.5,0.5,0.4,0.2\n"
    )
    return tmp_path


def test_plants_have_their_class_and_boxes_and_all_else_is_other(folder: Path) -> None:
    plant, fruit = list_field(folder, "train")
    assert (plant.kind, plant.label, fruit.kind, fruit.label) == ("field", "healthy", "fruit", OTHER)
    assert plant.boxes[0] == pytest.approx((0.3, 0.4, 0.7, 0.6))
    assert [photo.path.name for photo in list_field(folder, "test")] == ["b.jpg"]


def test_the_same_photos_are_held_back_wherever_the_folder_lies() -> None:
    held = [number for number in range(100) if is_held(Path(f"anywhere/healthy/plantdoc_{number:04}.jpg"))]
    assert held == HELD
    assert held == [number for number in range(100) if is_held(Path(f"/else/where/healthy/plantdoc_{number:04}.jpg"))]


def test_no_photo_stands_on_both_sides() -> None:
    photos = [FieldPhoto(Path(f"healthy/{number}.jpg"), "field", "healthy") for number in range(100)]
    train, held = split_field(photos)
    assert len(train) + len(held) == len(photos)
    assert {photo.path for photo in train}.isdisjoint(photo.path for photo in held)
    assert 8 < len(held) < 30
