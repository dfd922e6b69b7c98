"""Handlers of the public routes for predictions. They use Starlette alone, because this is the hot path."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from splitleaf.api.http.bodies import media_type, read_body
from splitleaf.api.http.body_budget import release_body
from splitleaf.api.http.headers import header
from splitleaf.api.public.origins import find_origin
from splitleaf.api.public.units import Unit, identify_unit
from splitleaf.api.public.uploads import read_upload
from splitleaf.api.public.views import explanation_view, json_response, percent, prediction_view
from splitleaf.api.security.access import require
from splitleaf.api.services import ApiServices
from splitleaf.core.access import Scope
from splitleaf.core.clock import as_rfc3339
from splitleaf.core.errors import (
    DependencyDown,
    EngineFailed,
    Overloaded,
    RejectedInput,
    Unprocessable,
    UnsupportedMedia,
)
from splitleaf.core.prediction import Origin, PredictionStatus
from splitleaf.flows.read_result import ResultReader
from splitleaf.flows.record_feedback import Opinion, record_feedback
from splitleaf.flows.submit_image import ImageSubmission, Submission
from splitleaf.jobs.queue import JobState, Priority

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?", re.IGNORECASE)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_PRIORITIES = {"interactive": Priority.INTERACTIVE, "batch": Priority.BATCH}
FORCE_HEADER = b"splitleaf-variant"
MAX_FEEDBACK_BYTES = 4_096
KEEP_ALIVE_S = 15.0


class Predictions:
    """Submit, read, follow and cancel predictions, explain them, and take feedback."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._limits = services.limits
        self._submission = ImageSubmission(
            services.intake,
            services.queue,
            lambda: services.monitor.snapshot,
            services.clock,
            services.limits.prediction_ttl_s,
            store=services.store,
            keeping=services.keeping,
            on_accepted=services.on_accepted,
            tracer=services.tracer,
            admission=services.admission,
        )
        self._results = ResultReader(services.queue, services.store)

    async def create(self, request: Request) -> Response:
        """`POST /v1/predictions`."""
        wait_s = self._preferred_wait_s(request)
        state, headers = await self._submit(request, wait_s or 0.0, find_origin(request.scope))
        headers["Location"] = f"/v1/predictions/{state.id}"
        if wait_s is not None:
            headers["Preference-Applied"] = f"wait={wait_s:g}"
        status = 200 if wait_s and state.status.is_final else 202
        return json_response(prediction_view(state, self._limits.top_k), status, headers)

    async def predict(self, request: Request) -> Response:
        """`POST /predict`: upload and result in one request."""
        state, headers = await self._submit(request, self._limits.max_wait_s, Origin.PREDICT)
        if state.status is PredictionStatus.FAILED:
            raise EngineFailed
        if state.classification is None:
            raise Overloaded("the image could not be analyzed in time; please try again", code="timed_out")
        best = state.classification.best
        return json_response({"disease": best.display_name, "confidence": percent(best.confidence)}, 200, headers)

    async def read(self, request: Request) -> Response:
        """`GET /v1/predictions/{id}?wait=N`."""
        state = await self._results.read(request.path_params["id"], self._asked_wait_s(request))
        return json_response(prediction_view(state, self._limits.top_k))

    async def cancel(self, request: Request) -> Response:
        """`DELETE /v1/predictions/{id}`."""
        return json_response(prediction_view(await self._results.cancel(request.path_params["id"]), self._limits.top_k))

    async def events(self, request: Request) -> Response:
        """`GET /v1/predictions/{id}/events` as server-sent events."""
        states = self._results.follow(request.path_params["id"])
        # Await the first state here, so that an unknown id gets a problem document and not an empty stream.
        first = await anext(states)
        seen = request.headers.get("last-event-id", "")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(first, states, seen), 200, headers, "text/event-stream")

    async def feedback(self, request: Request) -> Response:
        """`POST /v1/predictions/{id}/feedback`."""
        quota_headers = await self._count(request)
        said = await self._read_feedback(request)
        unit = identify_unit(request, self._services.secrets)
        state = await self._results.read(request.path_params["id"])
        feedback = await record_feedback(
            self._services.store,
            state,
            Opinion(said.get("correct"), said.get("label")),
            author=unit.unit_hash,
            known_labels=[label for label, _ in self._services.monitor.snapshot.labels()],
            now_ms=self._services.clock.now_ms(),
        )
        body = {
            "prediction_id": feedback.prediction_id,
            "correct": feedback.correct,
            "label": feedback.label,
            "created_at": as_rfc3339(feedback.created_ms),
        }
        return json_response(body, 201, quota_headers | _cookie(unit))

    async def explanation(self, request: Request) -> Response:
        """`GET /v1/predictions/{id}/explanation`."""
        return json_response(explanation_view(await self._results.read(request.path_params["id"])))

    async def labels(self, _request: Request) -> Response:
        """`GET /v1/labels`."""
        labels = self._services.monitor.snapshot.labels()
        return json_response({"labels": [{"label": label, "display_name": name} for label, name in labels]})

    async def _submit(self, request: Request, wait_s: float, origin: Origin) -> tuple[JobState, dict[str, str]]:
        key, priority = _idempotency_key(request), _priority(request)
        unit = identify_unit(request, self._services.secrets, key)
        forced = await self._forced_variant(request)
        if self._services.is_draining():
            raise DependencyDown("this server is restarting; please try again")
        quota_headers = await self._count(request)
        client = await self._services.client_limits.client_of(request)
        request_id = request.scope.get("request_id", "")
        submission = Submission(b"", unit.unit_hash, request_id, wait_s, key, priority, origin, forced, client)
        submission.on_read = partial(_release, submission, request)
        await self._submission.require_room(submission)
        submission.data = await read_upload(
            request, max_bytes=self._limits.max_upload_bytes, timeout_s=self._limits.body_timeout_s
        )
        if unit.set_cookie and key:
            # A client without a cookie is recognized by its image, too, which has only now arrived.
            unit = identify_unit(request, self._services.secrets, key, submission.data)
            submission.unit_hash = unit.unit_hash
        state = await self._submission.submit(submission)
        return state, quota_headers | _cookie(unit)

    async def _count(self, request: Request) -> dict[str, str]:
        """Count the request against the rate limits before its body is read, and return the quota headers."""
        limits = self._services.client_limits
        return await limits.count(request) if limits.are_on else {}

    async def _forced_variant(self, request: Request) -> tuple[str, str] | None:
        """Return the experiment and variant that the request asks for. This requires a key."""
        named = header(request.scope, FORCE_HEADER)
        if named is None:
            return None
        await require(Scope.READ, self._services.access)(request)
        experiment, separator, variant = named.partition("/")
        if not separator:
            raise RejectedInput("Splitleaf-Variant must have the form EXPERIMENT/VARIANT", code="invalid_request")
        return experiment, variant

    async def _read_feedback(self, request: Request) -> dict[str, Any]:
        if media_type(request) != "application/json":
            raise UnsupportedMedia("send the feedback as application/json")
        body = await read_body(request, max_bytes=MAX_FEEDBACK_BYTES, timeout_s=self._limits.body_timeout_s)
        return _parse_feedback(body)

    def _preferred_wait_s(self, request: Request) -> float | None:
        """Return the wait from the `Prefer` header (RFC 7240), capped; None if the client did not ask for one."""
        match = _WAIT.search(header(request.scope, b"prefer") or "")
        return None if match is None else min(float(match[1]), self._limits.max_wait_s)

    def _asked_wait_s(self, request: Request) -> float:
        asked = request.query_params.get("wait", "0")
        if not asked.isascii() or not asked.isdigit():
            raise RejectedInput("`wait` must be a whole number of seconds", code="invalid_wait")
        return min(float(asked), self._limits.max_wait_s)

    async def _stream(self, first: JobState, states: AsyncIterator[JobState], seen: str) -> AsyncIterator[bytes]:
        """Yield one event for each state. Periodic comments keep proxies from closing an idle connection."""
        state: JobState | None = first
        while state is not None:
            name = _event_name(state)
            # A reconnecting client sends the last event that it received. States are ordered, so skip up to there.
            if _ORDER.get(seen, -1) < _ORDER[name]:
                view = json.dumps(prediction_view(state, self._limits.top_k), separators=(",", ":"))
                yield f"event: {name}\nid: {name}\ndata: {view}\n\n".encode()
            if state.status.is_final:
                return
            upcoming = asyncio.ensure_future(anext(states, None))
            try:
                while not (await asyncio.wait({upcoming}, timeout=KEEP_ALIVE_S))[0]:
                    yield b": waiting\n\n"
                state = upcoming.result()
            finally:
                upcoming.cancel()


def _release(submission: Submission, request: Request) -> None:
    submission.data = b""
    release_body(request.scope)


def _cookie(unit: Unit) -> dict[str, str]:
    return {"Set-Cookie": unit.set_cookie} if unit.set_cookie else {}


_ORDER = {"queued": 0, "running": 1, "done": 2}


def _event_name(state: JobState) -> str:
    return "done" if state.status.is_final else state.status.value


def _idempotency_key(request: Request) -> str:
    key = header(request.scope, b"idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise RejectedInput(
            "Idempotency-Key must be 1 to 255 printable ASCII characters", code="invalid_idempotency_key"
        )
    return key or ""


def _priority(request: Request) -> Priority:
    name = request.query_params.get("priority", "interactive") if request.scope["query_string"] else "interactive"
    if name not in _PRIORITIES:
        raise RejectedInput("`priority` must be `interactive` or `batch`", code="invalid_priority")
    return _PRIORITIES[name]


def _parse_feedback(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RejectedInput("the request body is not valid JSON", code="invalid_json") from error
    if not isinstance(said, dict):
        raise Unprocessable('send {"correct": true} or {"label": "..."}', code="invalid_feedback")
    return said
