"""`make prose` finds what the glossary and the rules replace, and only in sentences."""

import subprocess
import sys
from pathlib import Path

import pytest

LINTER = Path(__file__).parents[2] / "scripts/prose/lint.py"


def lint(tmp_path: Path, name: str, text: str) -> str:
    page = tmp_path / name
    page.write_text(text, encoding="utf-8")
    command = [sys.executable, str(LINTER), "--root", str(tmp_path), str(page)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.md", "# A page\n\nThe version that nobody\nreckoned with.\n"),
        ("page.py", '"""A page.\n\nThe version that nobody\nreckoned with.\n"""\n'),
    ],
)
def test_a_replaced_phrase_is_found_at_its_line(tmp_path: Path, name: str, text: str) -> None:
    found = lint(tmp_path, name, text)
    assert f"{name}:3: splitleaf.replace: 'nobody': no one" in found
    assert f"{name}:4: splitleaf.replace: 'reckoned with'" in found


def test_a_replaced_term_of_the_glossary_is_found_in_any_case(tmp_path: Path) -> None:
    assert "page.md:1: splitleaf.glossary: 'Pictures': image" in lint(tmp_path, "page.md", "Pictures arrive.\n")


def test_a_misspelled_word_is_found(tmp_path: Path) -> None:
    assert "recieve ==> receive" in lint(tmp_path, "page.md", "Workers recieve tasks.\n")


def test_code_links_and_names_are_not_prose(tmp_path: Path) -> None:
    page = "Call `nobody()`, see [the page](nobody.md) <!-- nobody -->.\n\n```\nnobody\n```\n"
    assert not lint(tmp_path, "page.md", page)
    assert not lint(tmp_path, "page.py", 'nobody = {"nobody": 1}\n')
