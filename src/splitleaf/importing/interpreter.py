"""Where Keras and TensorFlow are: the import environment's interpreter."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from splitleaf.core.errors import ImportRefused

VARIABLE = "SPLITLEAF_IMPORT_PYTHON"
_FOLDER = Path(".venv-import") / "bin" / "python"


def find_import_python(stated: Path | None = None) -> Path:
    """Return the interpreter that can convert: the one stated, this one, or that of `.venv-import`.

    Raises `ImportRefused` (`import_environment_missing`) that says how to get one.
    """
    named = stated or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None:
        if named.is_file():
            return named
        raise ImportRefused(f"{VARIABLE} names {named}, which does not exist", code="import_environment_missing")
    if importlib.util.find_spec("tensorflow") and importlib.util.find_spec("tf2onnx"):
        return Path(sys.executable)
    for root in (Path.cwd(), *Path(__file__).resolve().parents[2:4]):
        if (root / _FOLDER).is_file():
            return root / _FOLDER
    raise ImportRefused(
        "importing Keras files needs Keras and TensorFlow, which serving does not install (about 2 GB). "
        "In a checkout: `make import-env`. Elsewhere: `pip install 'splitleaf[import]'`, in this environment or in "
        f"one of its own whose interpreter {VARIABLE} names",
        code="import_environment_missing",
    )
