"""The facts that are kept forever. Append-only; nothing here is ever updated."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """One prediction's final state. Unique by `prediction_id`."""

    prediction_id: str
    status: str
    role: str
    """`primary` (its answer was shown) or `shadow`."""
    assigned_version: str
    served_version: str
    served_digest: str
    revision: int
    experiment: str
    variant: str
    override: bool
    unit_hash: str
    request_id: str
    label: str | None
    confidence: float | None
    entropy: float | None
    is_sure: bool | None
    top: tuple[tuple[str, str, float], ...]
    """(label, display name, calibrated probability), descending."""
    error_code: str | None
    error_detail: str | None
    flags: tuple[str, ...]
    created_ms: int
    finished_ms: int
    intake_ms: float
    queue_ms: float
    preprocess_ms: float
    inference_ms: float
    batch_size: int
    deliveries: int
    worker: str
    primary_id: str = ""
    """Of a shadow's outcome: the prediction whose image it scored."""
    fallback: str = ""
    """Why another version than the assigned one answered; empty: none did."""
    is_familiar: bool | None = None
    """False: the image was unlike the version's reference images. None without an answer, and of older records."""
    heat: str = ""
    """Where the label's evidence lies (`core.prediction.MAP_SIDE` squared bytes, base64); empty: not offered."""
    measures: str = ""
    """JSON: the values of `core.measures.MEASURES`; a text, because most readers have no use for them."""
    origin: str = ""
    """How the image came, one of `core.prediction.Origin`; empty: of older records."""
    fingerprint: str = ""
    """Digest of an upload that came with an `Idempotency-Key`; empty without a key, and of older records."""
    schema: int = SCHEMA
    number: int = field(default=0, compare=False)
    """Place in the order of recording, given by the store and used by readers that follow."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What drift is looked for in, of one image that a version answered, shown or unseen."""

    label: str
    confidence: float
    measures: str
    """As in `Outcome`."""
    created_ms: int


class FeedbackSource(StrEnum):
    USER = "user"
    EXPERT = "expert"
    AUDIT = "audit"
    IMPORT = "import"
    ADJUDICATION = "adjudication"
    """Someone decided between labels that contradict each other."""


class FeedbackKind(StrEnum):
    """What a row of feedback says."""

    ANSWER = "answer"
    """The image shows `label`, or the answer is `correct` or not."""
    CANNOT_TELL = "cannot_tell"
    """An expert looked and could not say."""
    WITHDRAWN = "withdrawn"
    """The author takes back what they said."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What someone said of a prediction. A later one of the same source and author supersedes the earlier."""

    feedback_id: str
    prediction_id: str
    source: FeedbackSource
    author: str
    """Hash of the unit, the expert's name, or the key's id."""
    correct: bool | None
    label: str | None
    sampling_probability: float | None
    """With which the image was drawn for labelling; None: no one drew it."""
    created_ms: int
    verdict: FeedbackKind = FeedbackKind.ANSWER
    supersedes: str = ""
    """`feedback_id` of what the author said of this prediction before."""


@dataclass(frozen=True, slots=True)
class AliasChange:
    """A movable name was pointed at a version. The newest row is the present."""

    alias: str
    version: str
    previous: str | None
    actor: str
    reason: str
    created_ms: int
    change_id: int = 0


@dataclass(frozen=True, slots=True)
class RoutingRevision:
    """A period with fixed shares. The newest row is active; an empty `shares` means: the alias answers."""

    revision: int
    salt: str
    shares: tuple[tuple[str, int], ...]
    """(version, number of slots of 10,000), in the order of the table's construction."""
    slots: bytes
    """10,000 bytes: index into `shares` of the version that owns the slot."""
    actor: str
    reason: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class TrafficCount:
    """How many predictions of one period ended in the same state."""

    period: int
    """From 0, counted from the moment that was asked about."""
    version: str
    """The one that answered, or was to."""
    status: str
    band: int
    """Index of the first bound that the time to the answer does not exceed; their number where it exceeds all."""
    count: int
