"""A batch of claimed images -> what to say of each."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from splitleaf.core.errors import EngineFailed
from splitleaf.core.prediction import Classification, Failure
from splitleaf.engine.classifier import BatchResult, Classifier
from splitleaf.jobs.queue import Claim, Completion, Timings

log = structlog.get_logger(__name__)

_NOTHING = BatchResult((), 0.0, 0.0)


def classify_batch(claims: Sequence[Claim], classifier: Classifier) -> list[Completion]:
    """Classify the claims, which are all of the classifier's version; never raises.

    When the batch fails as a whole, each image is tried on its own, so that one that the network cannot
    take invalidates no other's answer.
    """
    try:
        result = classifier.classify([claim.tensor for claim in claims])
    except Exception as error:  # noqa: BLE001 - whatever a runtime throws must end as a final state
        if len(claims) > 1:
            return [completion for claim in claims for completion in classify_batch([claim], classifier)]
        log.warning("image_failed", version=classifier.version, task=claims[0].task_id, error=str(error))
        return [_completion(claims[0], classifier, failure=_failure(error))]
    return [
        _completion(claim, classifier, classification, result=result)
        for claim, classification in zip(claims, result.classifications, strict=True)
    ]


def _completion(
    claim: Claim,
    classifier: Classifier,
    classification: Classification | None = None,
    *,
    failure: Failure | None = None,
    result: BatchResult = _NOTHING,
) -> Completion:
    return Completion(
        claim=claim,
        classification=classification,
        failure=failure,
        timings=Timings(queue_ms=claim.queue_ms, preprocess_ms=result.preprocess_ms, inference_ms=result.inference_ms),
        served_version=classifier.version,
        served_digest=classifier.digest,
        batch_size=max(1, len(result.classifications)),
    )


def _failure(error: Exception) -> Failure:
    """Say what the public may know: never a version's name or an exception's text."""
    code = error.error_code if isinstance(error, EngineFailed) else EngineFailed.code
    return Failure(code, "The image could not be processed. Please try another one.")
