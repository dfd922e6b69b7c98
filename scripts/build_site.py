"""Build the documentation site from docs/: `python scripts/build_site.py`, to build/documentation/site.

Exit status 1 when a link is broken: within docs/, out of it to a file of the repository, or in a page at the root of
the repository. A link out of docs/ becomes one to the repository on the web; an image out of docs/ is copied.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import tomlkit

ROOT: Final = Path(__file__).parent.parent
STAGED: Final = ROOT / "build/documentation"
SECTIONS: Final = {
    "Tutorial": "tutorial",
    "How-to": "how-to",
    "Extend": "how-to/extend",
    "Reference": "reference",
    "Explanation": "explanation",
    "Decisions": "decisions",
}
_IMAGES: Final = frozenset({".png", ".svg", ".webp"})
_LINK: Final = re.compile(r"(?<=\]\()(?P<path>[^)#\s:]+)(?P<anchor>#[^)\s]*)?(?=\))")


def main() -> int:
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    broken = [*_broken_links_of_root_pages(), *_stage(project["urls"]["Repository"])]
    for one in broken:
        print(one, file=sys.stderr)
    _write_config(config)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(STAGED / "zensical.toml")],
        check=False,
    )
    return 1 if broken or built.returncode else 0


def _stage(repo_url: str) -> list[str]:
    """Copy docs/ with its links out of docs/ rewritten; return those that lead nowhere."""
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(ROOT / "docs", STAGED / "docs")
    broken: list[str] = []
    for page in sorted((STAGED / "docs").rglob("*.md")):
        place = Path("docs") / page.relative_to(STAGED / "docs")
        text = page.read_text(encoding="utf-8")
        broken += [f"{place}: no file {target}" for target in _targets(text, place) if not (ROOT / target).exists()]
        page.write_text(_LINK.sub(lambda link, place=place: _absolute(link, place, repo_url), text), encoding="utf-8")
    return broken


def _absolute(link: re.Match[str], place: Path, repo_url: str) -> str:
    """Return the link as it is within docs/, else as one to the repository on the web or to a copied image."""
    target = _resolve(link["path"], place)
    if target.startswith("docs/"):
        return link[0]
    if Path(target).suffix in _IMAGES and (ROOT / target).exists():
        copy = STAGED / "docs/images" / target
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / target, copy)
        return posixpath.relpath(f"docs/images/{target}", place.parent.as_posix())
    kind = "tree" if (ROOT / target).is_dir() else "blob"
    return f"{repo_url}/{kind}/main/{target}{link['anchor'] or ''}"


def _broken_links_of_root_pages() -> Iterator[str]:
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("models/*/*.md"), *ROOT.glob("training/*.md")]):
        place = page.relative_to(ROOT)
        for target in _targets(page.read_text(encoding="utf-8"), place):
            if not (ROOT / target).exists():
                yield f"{place}: no file {target}"


def _targets(text: str, place: Path) -> Iterator[str]:
    return (_resolve(link["path"], place) for link in _LINK.finditer(text))


def _resolve(path: str, place: Path) -> str:
    """Return a link's target from the repository's root, without leaving it."""
    return posixpath.normpath(posixpath.join(place.parent.as_posix(), path))


def _write_config(config: Mapping[str, Any]) -> None:
    """Write the site's configuration with its navigation: every page of docs/, by kind."""
    navigation: list[dict[str, Any]] = [{"Home": "README.md"}]
    for title, folder in SECTIONS.items():
        pages = sorted((STAGED / "docs" / folder).glob("*.md"))
        navigation.append({title: [{_title(page): f"{folder}/{page.name}"} for page in pages]})
    navigation.append({"Maintaining": "maintaining.md"})
    project = {**config["project"], "docs_dir": "docs", "site_dir": "site", "nav": navigation}
    (STAGED / "zensical.toml").write_text(tomlkit.dumps({"project": project}), encoding="utf-8")


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


if __name__ == "__main__":
    raise SystemExit(main())
