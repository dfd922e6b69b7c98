"""What the command line does with labels and kept images: in the database and the folder of a running system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from splitleaf.flows.discard_image import discard_image
from splitleaf.flows.import_labels import LabelImport, Prefer, export_labels, import_labels
from splitleaf.flows.measure_agreement import ExpertAgreement, compare_experts
from splitleaf.flows.review_images import ImageReview, Request, ReviewTask, Word
from splitleaf.flows.run_experiment import require_known
from splitleaf.flows.settle_labels import Dispute, list_disputes, settle_label
from splitleaf.images.archive import ImageArchive
from splitleaf.installation.images import kept_archive, review_terms
from splitleaf.local.operator import Operator
from splitleaf.outcomes.events import Feedback
from splitleaf.outcomes.reviews import ReviewCount
from splitleaf.registry.catalogue import Catalogue, known_labels


class Reviewer(Operator):
    """Raises what the flows raise. Without a name, the user labels."""

    def next_items(self, experiment: str, expert: str, opinions: int) -> list[ReviewTask]:
        require_known(self._store, experiment)
        return self._review.next_items(Request(expert or self._actor, experiment, opinions=opinions))

    def image(self, prediction_id: str) -> bytes:
        return self._review.image(prediction_id)

    def say(self, prediction_id: str, label: str | None, expert: str) -> Feedback:
        """A None label: the expert cannot tell."""
        return self._review.say(prediction_id, Word(expert or self._actor, label), self._labels)

    def skip(self, prediction_id: str, expert: str) -> None:
        self._review.skip(prediction_id, expert or self._actor)

    def undo(self, prediction_id: str, expert: str) -> ReviewTask:
        return self._review.undo(prediction_id, expert or self._actor)

    def progress(self, experiment: str) -> Sequence[ReviewCount]:
        require_known(self._store, experiment)
        return self._store.count_reviews(experiment)

    def agreement(self, experiment: str) -> ExpertAgreement:
        require_known(self._store, experiment)
        return compare_experts(self._store, experiment)

    def disputes(self, experiment: str) -> list[Dispute]:
        require_known(self._store, experiment)
        return list_disputes(self._store, experiment)

    def settle(self, prediction_id: str, label: str, expert: str) -> Feedback:
        return settle_label(self._store, prediction_id, label, expert or self._actor, self._labels, self._clock)

    def import_labels(self, text: str, author: str, prefer: Prefer, *, dry_run: bool) -> LabelImport:
        return import_labels(
            self._store,
            text,
            author=author or self._actor,
            known_labels=self._labels,
            clock=self._clock,
            dry_run=dry_run,
            prefer=prefer,
        )

    def export_labels(self, experiment: str | None) -> Iterator[str]:
        require_known(self._store, experiment or "")
        return export_labels(self._store, experiment)

    def discard_image(self, prediction_id: str, reason: str) -> bool:
        return discard_image(self._store, self._images, prediction_id, self._actor, reason, self._clock)

    @cached_property
    def _images(self) -> ImageArchive | None:
        return kept_archive(self._settings)

    @cached_property
    def _labels(self) -> dict[str, str]:
        return known_labels(Catalogue(self._models_dir).imported())

    @property
    def _review(self) -> ImageReview:
        return ImageReview(self._store, self._images, self._clock, review_terms(self._settings))
