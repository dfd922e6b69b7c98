"""Classification in this process, without a running system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from splitleaf.core.errors import NotFound, SplitleafError
from splitleaf.core.files import read_plain
from splitleaf.core.prediction import Classification
from splitleaf.engine.loading import load_classifier
from splitleaf.images.decoded import decode_image
from splitleaf.importing.images import MAX_BYTES
from splitleaf.registry.catalogue import Catalogue


def classify_here(
    version: str, models_dir: Path, images: Sequence[Path]
) -> Iterator[tuple[Path, Classification | SplitleafError]]:
    """Classify files with one version, exactly as the API and a worker together would."""
    classifier = load_classifier(Catalogue(models_dir).find(version).folder)
    spec = classifier.manifest.preprocessing.input_spec
    for path in images:
        try:
            decoded = decode_image(read_plain(path, MAX_BYTES), [spec])
            yield path, classifier.classify(decoded.tensors).classifications[0]
        except SplitleafError as error:
            yield path, error
        except OSError as error:
            yield path, NotFound(f"cannot be read: {error.strerror}", code="file_unreadable")
