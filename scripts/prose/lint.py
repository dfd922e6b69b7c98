"""Lint the English of this repository: `python scripts/prose/lint.py [--warnings] [--counts] [PATHS...]`.

The rules are the checks of proselint, the table `replace` of rules.toml, and the column "Instead of" of the glossary.
codespell checks the spelling. In Markdown, the linter skips code, link targets and HTML. In Python, it reads comments,
docstrings and strings that are sentences. The exit status is 1 when there are findings.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from proselint.checks import __register__ as proselint_checks
from proselint.registry import CheckRegistry
from proselint.registry.checks import Check, CheckFlags, types
from proselint.registry.checks.engine import Fancy
from proselint.tools import LintFile

ROOT: Final = Path(__file__).parents[2]
RULES: Final = tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8"))
GLOSSARY: Final = "docs/reference/glossary.md"
PAGES: Final = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/**/*.md")
SOURCES: Final = ("src/**/*.py",)
NAMES_OLD_TERMS: Final = (GLOSSARY, "docs/decisions/0018-standard-terms.md")
"""Pages that list replaced terms."""
_NOT_PROSE: Final = re.compile(
    r"^ *(?P<fence>```+).*?^ *(?P=fence) *$"  # fenced code
    r"|<!--.*?-->|<[a-zA-Z/][^<>]*>"  # comments and tags of HTML
    r"|(?P<ticks>`+)[^`].*?(?P=ticks)"  # code in a sentence
    r"|(?<=\])\([^)]*\)"  # a link's target
    r"|https?://[^\s)>\"]+",
    re.DOTALL | re.MULTILINE,
)
_SENTENCE: Final = re.compile(r"\w+ \S+ \S+")
_FIELD: Final = re.compile(r"\{[^{}]*\}|\\[nrt]|^[rbfuRBFU]+(?=[\"'])")


def main() -> int:
    arguments = _arguments()
    paths = [path.resolve() for path in arguments.paths] or list(
        _files(arguments.root, (*PAGES, *SOURCES) if arguments.sources else PAGES)
    )
    registry = CheckRegistry()
    registry.register_many((*proselint_checks, *_own_checks()))
    enabled = {**{check.path: True for check in registry.checks}, **dict.fromkeys(RULES["off"], False)}
    enabled["splitleaf.warn"] = arguments.warnings
    found: Counter[str] = Counter()
    for path in paths:
        for line, name, message in _findings(path, arguments.root, enabled):
            found[name] += 1
            if not arguments.counts:
                print(f"{path.relative_to(arguments.root)}:{line}: {name}: {message}")
    found["spelling"] = _misspelled(paths)
    for name, count in found.most_common() if arguments.counts else ():
        print(f"{count:6} {name}")
    print(f"{found.total()} findings in {len(paths)} files", file=sys.stderr)
    return 1 if found.total() else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--root", type=Path, default=ROOT.resolve(), help="lint another checkout with these rules")
    parser.add_argument("--sources", action="store_true", help="lint src, too")
    parser.add_argument("--warnings", action="store_true", help="report the rules of the table `warn`, too")
    parser.add_argument("--counts", action="store_true", help="print the number of findings by rule")
    return parser.parse_args()


def _files(root: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(root.glob(pattern))


def _own_checks() -> Iterator[Check]:
    for name, items in (
        ("glossary", _glossary()),
        ("replace", RULES["replace"]),
        ("warn", RULES["warn"]),
    ):
        yield Check(
            check_type=types.PreferredForms(
                {f"(?:{term})".replace(" ", r"\s+"): advice for term, advice in items.items()}
            ),
            engine=Fancy(),
            path=f"splitleaf.{name}",
            message="'{1}': {0}",
            flags=CheckFlags(allow_quotes=True),
        )


def _glossary() -> dict[str, str]:
    """Return replaced term -> term, from the rows `| term | meaning | instead of |`."""
    rows = (line.strip("| ").split(" | ") for line in (ROOT / GLOSSARY).read_text(encoding="utf-8").splitlines())
    return {
        f"{old.strip()}s?": row[0]
        for row in rows
        if len(row) == 3 and row[0] != "Term" and not row[0].startswith("-")
        for old in row[2].split(",")
        if old.strip()
    }


def _findings(path: Path, root: Path, enabled: dict[str, bool]) -> Iterator[tuple[int, str, str]]:
    text = path.read_text(encoding="utf-8")
    is_source = path.suffix == ".py"
    prose = _python_prose(text) if is_source else _NOT_PROSE.sub(_blank, text).replace("\n\n", "\n•\n")
    if not prose.strip():
        return
    if is_source:  # lists of words are not sentences
        enabled = {**enabled, "lexical_illusions": False}
    if str(path.relative_to(root)) in NAMES_OLD_TERMS:
        enabled = {**enabled, "splitleaf.glossary": False, "splitleaf.replace": False}
    ordered = dict(sorted(enabled.items(), key=lambda item: item[0] in RULES["off"], reverse=True))
    for result in LintFile(str(path), prose).lint({"max_errors": 10_000, "checks": ordered}):
        found = result.check_result
        yield result.pos[0], found.check_path, " ".join(found.message.split())


def _blank(match: re.Match[str]) -> str:
    """Keep the lines of what is not prose, so that findings have the right line number."""
    return "•" + "\n" * match[0].count("\n")


def _python_prose(source: str) -> str:
    """Return the source with all blanked but comments, docstrings and strings that are sentences."""
    originals = source.splitlines()
    lines = [""] * len(originals)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_string = token.type == tokenize.STRING or tokenize.tok_name[token.type] == "FSTRING_MIDDLE"
        if not (token.type == tokenize.COMMENT or (is_string and _SENTENCE.search(token.string))):
            continue
        (first, start), (last, end) = token.start, token.end
        for number in range(first, last + 1):
            begin = start if number == first else 0
            stop = end if number == last else None
            lines[number - 1] += " " + _FIELD.sub("•", originals[number - 1][begin:stop]).strip("\"'# ")
    return "\n".join(lines)


def _misspelled(paths: Iterable[Path]) -> int:
    words = ",".join(RULES["spelling"]["accept"])
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", "--ignore-words-list", words, *map(str, paths)],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    print(done.stdout, end="")
    return len(done.stdout.splitlines())


if __name__ == "__main__":
    raise SystemExit(main())
