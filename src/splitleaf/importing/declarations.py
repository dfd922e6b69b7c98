"""What people declare about a version before its import: options, a draft of `model.toml`, `repository.toml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitleaf.importing.conversion import Network
from splitleaf.importing.labelling import Labelling
from splitleaf.importing.preprocessing import Origin, assume, complete
from splitleaf.importing.request import ImportRequest
from splitleaf.importing.selection import Declared, Selection
from splitleaf.registry.catalogue import is_draft
from splitleaf.registry.drafts import Draft, PreprocessingDraft, RepositoryDefaults, read_table
from splitleaf.registry.manifest import MANIFEST_NAME, Preprocessing
from splitleaf.registry.repository import read_repository


@dataclass(frozen=True, slots=True)
class Declarations:
    """All that is declared about one version; the nearer source wins, entry by entry."""

    request: ImportRequest
    draft: Draft
    defaults: RepositoryDefaults
    labelling: Labelling

    def manifest_entries(self, labels: Sequence[str], max_distance: float | None) -> dict[str, Any]:
        """Return the manifest's entries that people write. Of the decision, only the distance is measured."""
        names = self.defaults.display_names | self.draft.display_names
        stated = self.draft if "decision" in self.draft.model_fields_set else self.defaults
        return {
            "version": self.request.version,
            "title": self.draft.title or self.defaults.title,
            "licence": self.draft.licence or self.defaults.licence,
            "display_names": {label: name for label, name in names.items() if label in labels},
            "decision": stated.decision.model_copy(update={"max_distance": max_distance}),
            "batching": self.draft.batching,
        }

    def preprocessing_draft(self) -> PreprocessingDraft:
        return self.request.preprocessing.over(self.draft.preprocessing.over(self.defaults.preprocessing))

    def declared(self, network: Network) -> Declared:
        declared = self.draft.preprocessing.over(self.defaults.preprocessing)
        stated = declared.stated().keys() & {"resize", "scale", "mean", "std", "color"}
        base = complete(self.preprocessing_draft(), network.shape)
        return Declared(base, self.request.preprocessing, bool(stated), self.labelling.stated(network.classes))

    def preprocessing(self, network: Network, selection: Selection | None) -> tuple[Preprocessing, Origin]:
        """Return the version's preprocessing and where it comes from."""
        if self.request.preprocessing.stated():
            stated = selection.preprocessing if selection else self.declared(network).base
            return stated, Origin("stated with --preprocessing")
        if selection is not None:
            return selection.preprocessing, Origin("chosen on labelled images")
        is_keras = network.format in {"h5-keras2", "h5-keras3", "keras"}
        return assume(self.preprocessing_draft(), network.shape, network.layers if is_keras else None)


def read_declarations(request: ImportRequest, folder: Path) -> Declarations:
    """Read the draft in the version's folder and the repository's defaults. Raises `ConfigurationError`."""
    defaults = read_repository(request.models_dir)
    draft = read_table(Draft, folder / MANIFEST_NAME) if is_draft(folder) else Draft()
    return Declarations(
        request, draft, defaults, Labelling(request.labels, draft.labels, request.source, defaults.labels)
    )
