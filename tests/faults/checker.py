"""What must hold whatever was broken: compared are what clients were told, what the store has, and what the broker keeps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.faults.history import Call, History, Result, Verb
from tests.faults.images import label_of

ALLOWED_REFUSALS: Final = frozenset(
    {
        (0, "connection broken"),
        (503, "unavailable"),
        (503, "overloaded"),
        (503, "no_model_ready"),
        (503, "draining"),
        (422, "idempotency_key_reused"),
    }
)
"""What a client with a good image may be told; anything else is a fault of the product."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and the prediction that it was broken for (empty: for none in particular)."""

    rule: str
    prediction_id: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.prediction_id} {self.detail}".replace("  ", " ")


@dataclass
class Evidence:
    """Everything that is known when all is quiet again."""

    history: History
    rows: Sequence[Mapping[str, Any]]
    """Of the outcome store."""
    leftovers: Mapping[str, int] = field(default_factory=dict)
    """What the broker still keeps of finished work; the good number is 0."""
    set_aside: int = 0
    """Documents that the store could not keep."""


def check(evidence: Evidence) -> list[Violation]:
    """Return every promise that was broken."""
    rules = (
        lambda evidence: check_states(evidence.history),
        _store,
        _keys,
        _answers,
        _ends,
        _exposures,
        _refusals,
        _leftovers,
    )
    return [one for rule in rules for one in rule(evidence)]


def check_states(history: History) -> Iterator[Violation]:
    """An accepted prediction is known from then on, has one final state, and that never changes."""
    calls_of = history.by_id()
    for prediction_id in history.accepted():
        calls = [call for call in calls_of[prediction_id] if call.result is Result.OK]
        finals = [call for call in calls if call.is_final]
        known_at = min(call.ended_s for call in calls if call.verb is Verb.SUBMIT)
        for call in calls_of[prediction_id]:
            if call.status == 404 and call.began_s > known_at:
                yield Violation("vanished", prediction_id, f"404 at {call.began_s:.3f} s")
        if not finals:
            yield Violation("lost", prediction_id, f"last seen as {calls[-1].state}")
            continue
        if len(forms := {_form(call) for call in finals}) > 1:
            yield Violation("changed", prediction_id, " and ".join(sorted(forms)))
        for call in calls:
            if not call.is_final and call.began_s > finals[0].ended_s:
                yield Violation("changed", prediction_id, f"{finals[0].state} became {call.state}")


def _form(call: Call) -> str:
    body = {name: value for name, value in call.body.items() if name != "links"}
    return str(body)


def _final(calls: Iterable[Call]) -> Call | None:
    return next((call for call in calls if call.is_final), None)


def _store(evidence: Evidence) -> Iterator[Violation]:
    """What clients were told is what was recorded, once."""
    times = Counter(row["prediction_id"] for row in evidence.rows)
    rows = {row["prediction_id"]: row for row in evidence.rows}
    calls_of = evidence.history.by_id()
    for prediction_id in evidence.history.accepted():
        row, final = rows.get(prediction_id), _final(calls_of[prediction_id])
        if row is None:
            yield Violation("unrecorded", prediction_id, "the store does not have it")
        elif final is not None and (told := _told(final)) != (kept := (row["status"], row["label"])):
            yield Violation("differing", prediction_id, f"told {told}, recorded {kept}")
    for prediction_id, count in times.items():
        if count > 1:
            yield Violation("recorded twice", prediction_id, f"{count} times")
    if evidence.set_aside:
        yield Violation("set aside", "", f"{evidence.set_aside} documents")


def _told(call: Call) -> tuple[str, str | None]:
    result = call.body.get("result")
    return call.state, result["label"] if result else None


def _keys(evidence: Evidence) -> Iterator[Violation]:
    """A key has one id, and an image that comes with a used key is refused."""
    ids: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for call in evidence.history.calls:
        request = evidence.history.requests[call.request]
        if call.verb is Verb.SUBMIT and call.result is Result.OK and request.key:
            ids[request.unit, request.key].setdefault(call.prediction_id, request.image)
            if ids[request.unit, request.key][call.prediction_id] != request.image:
                yield Violation("key reused", call.prediction_id, "another image got the first one's answer")
    for (_, key), found in ids.items():
        if len(found) > 1:
            yield Violation("two ids", " ".join(found), f"for the key {key}")


def _answers(evidence: Evidence) -> Iterator[Violation]:
    """Whoever answered says of this image what that version says of it."""
    images = {
        one: evidence.history.requests[calls[0].request].image for one, calls in evidence.history.accepted().items()
    }
    said: defaultdict[tuple[int, str], Counter[float]] = defaultdict(Counter)
    for row in evidence.rows:
        image = images.get(row["prediction_id"])
        if row["status"] != "succeeded" or image is None:
            continue
        said[image, row["served_version"]][row["confidence"]] += 1
        if row["label"] != (right := label_of(image, row["served_version"])):
            yield Violation(
                "wrong answer", row["prediction_id"], f"{row['label']}, not {right}, by {row['served_version']}"
            )
    for (image, version), confidences in said.items():
        if len(confidences) > 1:
            yield Violation("wrong answer", "", f"image {image} by {version}: {dict(confidences)}")


def _ends(evidence: Evidence) -> Iterator[Violation]:
    """Good images do not fail, and what was canceled somebody had canceled."""
    canceled = {call.prediction_id for call in evidence.history.calls if call.verb is Verb.CANCEL}
    for row in evidence.rows:
        if row["status"] == "failed":
            yield Violation(
                "innocent failed", row["prediction_id"], f"{row['error_code']}, {row['deliveries']} deliveries"
            )
        if row["status"] == "canceled" and row["role"] == "primary" and row["prediction_id"] not in canceled:
            yield Violation("canceled by nobody", row["prediction_id"], "")


def _exposures(evidence: Evidence) -> Iterator[Violation]:
    """Exposures are the answered predictions, and no unit is in two variants of one revision."""
    accepted = evidence.history.accepted()
    primaries = {row["prediction_id"] for row in evidence.rows if row["role"] == "primary"}
    # Whoever got no answer, or was let go before one, may have been accepted all the same.
    unknown = {
        call.request for call in evidence.history.calls if call.verb is Verb.SUBMIT and call.result is Result.UNKNOWN
    }
    if len(unasked := primaries - accepted.keys()) > len(unknown):
        yield Violation(
            "recorded for nobody", " ".join(sorted(unasked)[:3]), f"{len(unasked)} of {len(unknown)} possible"
        )
    variants: defaultdict[tuple[str, int, str], set[str]] = defaultdict(set)
    for row in evidence.rows:
        if row["experiment"] and row["role"] == "primary":
            variants[row["experiment"], row["revision"], row["unit_hash"]].add(row["variant"])
        if row["role"] == "shadow" and row["primary_id"] not in primaries:
            yield Violation("shadow of nothing", row["prediction_id"], f"of {row['primary_id']}")
    for (experiment, revision, unit), found in variants.items():
        if len(found) > 1:
            yield Violation("two variants", "", f"unit {unit} in {sorted(found)} of {experiment}, revision {revision}")


def _refusals(evidence: Evidence) -> Iterator[Violation]:
    """Who cannot be served is told so by one of a few answers."""
    for call in evidence.history.calls:
        is_known_404 = call.status == 404 and call.verb is not Verb.SUBMIT  # judged by `check_states`
        if call.result is not Result.OK and (call.status, call.code) not in ALLOWED_REFUSALS and not is_known_404:
            yield Violation("strange refusal", call.prediction_id, str(call))


def _leftovers(evidence: Evidence) -> Iterator[Violation]:
    """Pending lists, bytes, pixels and the feed are empty again, and no letter is dead."""
    for name, number in evidence.leftovers.items():
        if number:
            yield Violation("left over", "", f"{name} = {number}")
