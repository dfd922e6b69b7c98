"""Which output of a network is which label: what is stated, and what the images say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from splitleaf.core.errors import ImportRefused
from splitleaf.importing.labels import StatedLabels, canonical, labels_beside
from splitleaf.importing.selection import Selection
from splitleaf.registry.manifest import MANIFEST_NAME


@dataclass(frozen=True, slots=True)
class Labelling:
    """Everything that names labels before the network is known."""

    given: StatedLabels | None
    """From `--labels`: never overruled."""
    draft: tuple[str, ...]
    source: Path
    """Next to it a file of labels may lie."""
    known: tuple[str, ...]
    """The repository's labels, whose spelling others are brought to."""

    def stated(self, classes: int) -> tuple[StatedLabels, ...]:
        """Return every list of labels that fits the network, most binding first.

        Raises `ImportRefused` if labels of this version (not of the repository) have another count.
        """
        of_version = (
            [self.given] if self.given else [StatedLabels(self.draft, MANIFEST_NAME), labels_beside(self.source)]
        )
        for one in of_version:
            if one is not None and one.names and len(one.names) != classes:
                raise ImportRefused(
                    f"{one.origin} names {len(one.names)} labels; the network has {classes} outputs",
                    code="labels_do_not_fit",
                )
        # The repository's labels need not be those of every version in it.
        stated = [*of_version, StatedLabels(self.known, "repository.toml")]
        return tuple(one for one in stated if one is not None and one.names and len(one.names) == classes)

    def choose(self, classes: int, selection: Selection | None) -> tuple[tuple[str, ...], str]:
        """Return the labels in the order of the outputs, and their source. Raises `ImportRefused`."""
        stated = self.stated(classes)
        if selection is not None and not self.given:
            return self._of_images(classes, selection, stated), selection.order_origin
        if not stated:
            raise ImportRefused(
                f"nothing says what the {classes} outputs are called: name them in order with --labels "
                "(a file or a list), or state `labels` in repository.toml, or give labelled images with --evaluate",
                code="labels_missing",
            )
        first = stated[0]
        if first.origin == "--labels":
            return first.names, first.origin
        names = [canonical(name, self.known) for name in first.names]
        # As stated where the repository's spelling would give two outputs the same name.
        return (tuple(names) if len(set(names)) == len(names) else first.names), first.origin

    def _of_images(self, classes: int, selection: Selection, stated: Sequence[StatedLabels]) -> tuple[str, ...]:
        names = list(stated[0].names) if stated else [f"class_{index}" for index in range(classes)]
        for folder, output in zip(selection.scores.images.folders, selection.order, strict=True):
            names[output] = canonical(folder, self.known)
        if len(set(names)) != len(names):
            raise ImportRefused(f"two outputs would have one name: {names}", code="labels_do_not_fit")
        return tuple(names)
