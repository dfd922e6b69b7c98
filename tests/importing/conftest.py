from __future__ import annotations

import os
from pathlib import Path

import pytest

from splitleaf.core.errors import ImportRefused
from splitleaf.importing.interpreter import find_import_python


@pytest.fixture(scope="session")
def import_python() -> Path:
    """The interpreter that has Keras and TensorFlow."""
    try:
        return find_import_python()
    except ImportRefused as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the import environment: {error}")
        pytest.skip("no import environment; `make import-env` makes it")
