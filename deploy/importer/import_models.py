"""Copy the models of a host folder into the served volume, and import those that are plain Keras files.

    import_models.py FOLDER

FOLDER is only read. What the volume has already stays: a version never changes. One version that cannot be imported
does not keep the others from being served; exit status 1 only when there is nothing to serve at all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from splitleaf.registry.catalogue import Catalogue

REPOSITORY = "repository.toml"


def main() -> int:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    source, served = Path(sys.argv[1]), Path(os.environ["SPLITLEAF_MODELS_DIR"])
    for version in take_over(source, served):
        print(f"{version}: taken over from the host's folder", flush=True)
    # The exit status is about single versions; the log has the output.
    subprocess.run([sys.executable, "-m", "splitleaf", "models", "import"], check=False)
    imported = [one.version for one in Catalogue(served).imported()]
    print(f"ready to be served: {', '.join(imported) or 'nothing'}", flush=True)
    return 0 if imported else 1


def take_over(source: Path, served: Path) -> list[str]:
    """Copy the versions that `served` lacks, each in one step, and `repository.toml`."""
    taken = []
    for folder in sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if (served / folder.name).exists():
            continue
        draft = served / f".taking-{folder.name}"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(folder, draft, copy_function=shutil.copy)
        draft.rename(served / folder.name)
        taken.append(folder.name)
    if (source / REPOSITORY).is_file():
        draft = served / f".{REPOSITORY}"
        shutil.copyfile(source / REPOSITORY, draft)
        draft.replace(served / REPOSITORY)
    return taken


if __name__ == "__main__":
    sys.exit(main())
