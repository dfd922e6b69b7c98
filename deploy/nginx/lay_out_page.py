"""Write the files of the page and the security headers for NGINX.

    lay_out_page.py FOLDER

Both come from the API's own code, so that it does not matter which of the two answers.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path

from splitleaf.web.pages import SECURITY_HEADERS, STATIC_DIR, PageAssets

WORTH_PACKING = {".css", ".html", ".js", ".json", ".svg", ".webmanifest"}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lay_out(Path(sys.argv[1]))


def lay_out(folder: Path) -> None:
    """Write `files/` (index, `static/`, `static/<fingerprint>/`) and `headers.conf`."""
    assets, files = PageAssets(), folder / "files"
    files.mkdir(parents=True)
    for place in (files / "static", files / "static" / assets.fingerprint):
        shutil.copytree(STATIC_DIR, place, copy_function=shutil.copyfile, dirs_exist_ok=True)
    (files / "index.html").write_bytes(assets.index.body)
    for path in [path for path in files.rglob("*") if path.suffix in WORTH_PACKING]:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    lines = [f'add_header {name} "{value}" always;\n' for name, value in SECURITY_HEADERS.items()]
    (folder / "headers.conf").write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    main()
