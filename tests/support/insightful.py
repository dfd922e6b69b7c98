"""A small version that says more than scores, imported as any other is."""

from __future__ import annotations

from pathlib import Path

from splitleaf.importing.importer import import_model
from splitleaf.importing.labels import parse_labels
from splitleaf.importing.preprocessing import parse_preprocessing
from splitleaf.importing.request import ImportRequest
from tests.support.networks import mean_colour_network
from tests.support.repositories import LABELS, SIDE, TELLS_COLOUR


def import_insightful(tmp_path: Path, reference: Path | None, version: str = "v1") -> Path:
    """Import the network that names the brightest colour, and return the version's folder."""
    source = tmp_path / "colours.onnx"
    source.write_bytes(mean_colour_network(SIDE, SIDE, 3, TELLS_COLOUR))
    request = ImportRequest(
        source,
        version,
        tmp_path / "models",
        labels=parse_labels(",".join(LABELS)),
        preprocessing=parse_preprocessing("raw"),
        reference=reference,
    )
    return import_model(request).folder
