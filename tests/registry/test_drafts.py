from __future__ import annotations

from pathlib import Path

import pytest

from splitleaf.core.errors import ConfigurationError
from splitleaf.core.preprocessing import ColorOrder, ResizeFilter
from splitleaf.registry.drafts import Draft, PreprocessingDraft, parse_table
from splitleaf.registry.repository import CHAMPION, read_repository


def test_a_repository_without_a_file_has_no_defaults(tmp_path: Path) -> None:
    assert read_repository(tmp_path).labels == ()


def test_the_projects_own_repository_names_ten_conditions_in_sorted_order() -> None:
    defaults = read_repository(Path(__file__).parents[2] / "models")
    assert len(defaults.labels) == 10
    assert list(defaults.labels) == sorted(defaults.labels)
    assert set(defaults.display_names) == set(defaults.labels)
    assert defaults.aliases[CHAMPION] == "v1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('lables = ["a", "b"]', "lables"),
        ('labels = ["a", "a"]', "distinct"),
        ('labels = ["a", "b"]\n[display_names]\nc = "C"', "unknown labels: c"),
        ('[preprocessing]\nresize = "nearest"', "preprocessing.resize"),
        ('[aliases]\nchampion = "../v1"', "aliases.champion"),
        ("labels = [", "not valid TOML"),
    ],
)
def test_a_fault_in_the_defaults_is_named(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "repository.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=fault):
        read_repository(tmp_path)


def test_a_draft_may_say_as_little_as_it_likes() -> None:
    draft = parse_table(Draft, 'licence = "MIT"\n[preprocessing]\nscale = 0.5\n', origin="model.toml")
    assert draft.licence == "MIT"
    assert draft.preprocessing.stated() == {"scale": 0.5}


def test_what_is_stated_nearer_wins_entry_by_entry() -> None:
    near = PreprocessingDraft(resize=ResizeFilter.TF_AREA)
    far = PreprocessingDraft(resize=ResizeFilter.PILLOW_BOX, color=ColorOrder.BGR)
    assert near.over(far).stated() == {"resize": ResizeFilter.TF_AREA, "color": ColorOrder.BGR}
