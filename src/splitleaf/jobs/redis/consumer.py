"""The worker's side of the queue on Redis Streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from splitleaf.core.errors import DependencyDown
from splitleaf.core.prediction import Failure, PredictionStatus
from splitleaf.jobs import keys
from splitleaf.jobs.fairness import WeightedRoundRobin
from splitleaf.jobs.limits import QueueLimits
from splitleaf.jobs.messages import (
    UnreadableMessage,
    completion_status,
    decode_context,
    decode_tensor,
    encode_failure,
    encode_result,
)
from splitleaf.jobs.queue import Claim, Completion, Priority, Recovery
from splitleaf.jobs.redis.broker import RedisBroker, keys_of
from splitleaf.jobs.redis.client import is_unknown_script, raise_error
from splitleaf.jobs.redis.scripts import script
from splitleaf.jobs.worker_names import new_worker_name

log = structlog.get_logger(__name__)


_Fields = dict[bytes, bytes]
_Entry = tuple[bytes, int, bytes | None]
_UNREADABLE = Failure("inference_failed", "The image could not be read.")


@dataclass(frozen=True, slots=True)
class _Stream:
    """Where a batch came from, and when."""

    version: str
    priority: Priority
    now_ms: int


class RedisJobConsumer:
    """`JobConsumer` on Redis >= 7.0 or Valkey >= 8; one for each worker process."""

    def __init__(self, url: str, limits: QueueLimits | None = None, *, worker: str | None = None) -> None:
        self._limits = limits or QueueLimits()
        self._broker = RedisBroker(url, self._limits, timeout_s=self._limits.worker_timeout_s)
        # A demoted primary that does not know it yet offers work, too, but has no replicas.
        self._client = self._broker.replicated
        self._blocking = self._client.blocking()
        self.worker = worker or new_worker_name()
        self._round_robin = WeightedRoundRobin()
        self._take_lock = asyncio.Lock()
        self._held: dict[str, tuple[str, Priority]] = {}
        self._seen_versions: set[str] = set()
        self._is_known_empty = False
        self._may_hold_unknown = False
        self._finished_at = 0.0
        self._taken_at: dict[str, float] = {}

    async def take(self, caps: Mapping[str, int], block_ms: int) -> Sequence[Claim]:
        async with self._take_lock:
            await self._register(caps)
            if self._may_hold_unknown:
                await self._release_unknown(caps)
            give_up_at = time.monotonic() + block_ms / 1000
            while True:
                if not self._is_known_empty and (claims := await self._take_now(caps)):
                    return claims
                left_ms = int((give_up_at - time.monotonic()) * 1000)
                if left_ms <= 0:
                    # A wake-up is lost if the worker that received it dies, so the next call looks at the streams.
                    self._is_known_empty = False
                    return ()
                if claims := await self._take_after_wakeup(caps, left_ms):
                    return claims

    async def heartbeat(self, claims: Sequence[Claim]) -> None:
        streams, places = _places(claims)
        arguments = [one for claim in claims for one in (places[_place(claim)], claim.token)]
        await self._client.run_script(script("heartbeat"), streams, (self.worker, *arguments))

    async def finish(self, completions: Sequence[Completion]) -> int:
        visible = 0
        for version in {completion.claim.version for completion in completions}:
            group = [one for one in completions if one.claim.version == version]
            visible += await self._finish_version(version, group)
        return visible

    async def release(self, claims: Sequence[Claim]) -> None:
        await self._release([(claim.version, claim.priority, claim.token, claim.task_id) for claim in claims])

    async def recover(self, caps: Mapping[str, int]) -> Recovery:
        """Recover every version, including those that no worker serves currently.

        Tasks with an expired lease are not claimed here. `take` returns them one at a time, before all others, to the
        first worker that asks.
        """
        await self._serve(caps)
        handed_back = buried = expired = 0
        for version in await self._broker.versions():
            counts = await self._broker.look_after(version)
            handed_back, buried, expired = handed_back + counts[0], buried + counts[1], expired + counts[2]
        self._is_known_empty = False
        return Recovery(dead_lettered=buried, expired=expired, handed_back=handed_back)

    async def close(self) -> None:
        """Release the held tasks, and leave each consumer group in which nothing is pending."""
        try:
            held = [(version, priority, token, "") for token, (version, priority) in self._held.items()]
            await self._release(held)
            for version in self._seen_versions:
                names = keys_of(version)
                for stream in names.streams:
                    await self._client.run_script(script("leave"), (stream, names.workers), (self.worker,))
        except DependencyDown as error:
            log.warning("consumer_not_removed", detail=error.detail)
        finally:
            await self._blocking.close()
            await self._broker.close()

    async def _register(self, caps: Mapping[str, int]) -> None:
        if new := [version for version in caps if version not in self._seen_versions]:
            await self._serve(caps)
            self._seen_versions.update(new)
            self._is_known_empty = False

    async def _serve(self, caps: Mapping[str, int]) -> None:
        """Tell the broker which versions share this worker, so that admission counts the work of all of them."""
        peers = [keys_of(version).peers for version in caps]
        words = [word for version, cap in caps.items() for word in (version, cap)]
        await self._client.run_script(script("serve"), peers, words)
        # Last: a version that is known but not served may be forgotten.
        await self._broker.add_versions(list(caps))

    async def _take_now(self, caps: Mapping[str, int]) -> list[Claim]:
        order = self._round_robin.order(list(caps))
        # Until the reply arrives, the broker may have assigned tasks that this process does not know of.
        self._may_hold_unknown = True
        return await self._taken(order, await self._client.run_script(script("take"), *self._look(order, caps)))

    async def _take_after_wakeup(self, caps: Mapping[str, int], block_ms: int) -> list[Claim]:
        """Block until a wake-up, then take. The `take` is already queued behind it, which saves a round trip."""
        order = self._round_robin.order(list(caps))
        streams, arguments = self._look(order, caps)
        wakeup = ("BLPOP", *(keys_of(version).wakeup for version in caps), f"{block_ms / 1000:.3f}")
        look = ("EVALSHA", script("take").digest, len(streams), *streams, *arguments)
        self._may_hold_unknown = True
        _, answer = await self._blocking.pipeline([wakeup, look], block_ms=block_ms)
        if is_unknown_script(answer):
            # The broker no longer has the script. The next `take` loads it.
            self._is_known_empty = self._may_hold_unknown = False
            return []
        return await self._taken(order, raise_error(answer))

    def _look(self, order: Sequence[tuple[str, Priority]], caps: Mapping[str, int]) -> tuple[list[bytes], list[Any]]:
        """Return the keys and the arguments of the script that takes."""
        streams = [keys_of(version).streams[priority] for version, priority in order]
        fixed = [self.worker, keys.ANNOUNCEMENTS, self._limits.result_ttl_s * 1000]
        return streams, [*fixed, *(caps[version] for version, _ in order)]

    async def _taken(self, order: Sequence[tuple[str, Priority]], answer: Sequence[Any]) -> list[Claim]:
        self._is_known_empty = not answer
        if not answer:
            self._may_hold_unknown = False
            return []
        number, now_ms, _more, entries = answer
        version, priority = order[number - 1]
        place = _Stream(version, priority, now_ms)
        claims = await self._claims(place, entries)
        self._may_hold_unknown = False
        self._held |= {claim.token: (claim.version, claim.priority) for claim in claims}
        self._round_robin.served(place.version)
        self._taken_at[place.version] = time.monotonic()
        return claims

    async def _claims(self, place: _Stream, entries: Sequence[Any]) -> list[Claim]:
        tables: list[_Fields] = [dict(zip(flat[::2], flat[1::2], strict=True)) for _, _, flat, _ in entries]
        names = [table[b"k"] for table in tables if b"k" in table]
        pixels = dict(zip(names, await self._client.call("MGET", *names), strict=True)) if names else {}
        claims = []
        for (token, deliveries, _, context), table in zip(entries, tables, strict=True):
            data = pixels[table[b"k"]] if b"k" in table else table[b"p"]
            claim = _claim(place, (token, deliveries, context), table, data) if data is not None else None
            if claim is None:
                await self._drop(place, token.decode(), table, is_late=data is None)
            else:
                claims.append(claim)
        return claims

    async def _drop(self, place: _Stream, token: str, table: _Fields, *, is_late: bool) -> None:
        """End a task that no worker can process: its pixels have expired or have an unknown format."""
        names = keys_of(place.version)
        fixed = (keys.ANNOUNCEMENTS, self._limits.result_ttl_s * 1000, self.worker, "", 0)
        status = PredictionStatus.EXPIRED if is_late else PredictionStatus.FAILED
        result = b"null" if is_late else encode_failure(_UNREADABLE)
        arguments = (*fixed, int(place.priority), token, table[b"i"], 1, status.value, result)
        await self._client.run_script(script("finish"), (*names.streams, names.meters, names.workers), arguments)
        self._held.pop(token, None)

    async def _finish_version(self, version: str, completions: Sequence[Completion]) -> int:
        names = keys_of(version)
        arguments: list[Any] = [keys.ANNOUNCEMENTS, self._limits.result_ttl_s * 1000, self.worker]
        arguments += [f"{self._service_ms(version, len(completions)):.4f}", self._limits.smoothing]
        for completion in completions:
            claim = completion.claim
            arguments += [int(claim.priority), claim.token, claim.task_id, claim.deliveries]
            arguments += [completion_status(completion).value, encode_result(completion, self.worker)]
        script_keys = (*names.streams, names.meters, names.workers)
        visible = await self._client.run_script(script("finish"), script_keys, arguments)
        for completion in completions:
            self._held.pop(completion.claim.token, None)
        return int(visible)

    def _service_ms(self, version: str, count: int) -> float:
        """Return this worker's time for one task. Batches that overlap in its threads count once."""
        now = time.monotonic()
        since = max(self._finished_at, self._taken_at.get(version, now))
        self._finished_at = now
        return (now - since) * 1000 / count

    async def _release_unknown(self, caps: Mapping[str, int]) -> None:
        """Release tasks that the broker assigned to this worker in a reply that never arrived."""
        for version in {*caps, *self._seen_versions}:
            for priority, stream in zip(Priority, keys_of(version).streams, strict=True):
                (pending,) = await self._client.pipeline(
                    [("XPENDING", stream, keys.GROUP, "-", "+", 1000, self.worker)]
                )
                if isinstance(pending, Exception):
                    continue
                tokens = [one[0].decode() for one in pending if one[0].decode() not in self._held]
                await self._release([(version, priority, token, "") for token in tokens])
        self._may_hold_unknown = False

    async def _release(self, held: Iterable[tuple[str, Priority, str, str]]) -> None:
        held = list(held)
        if not held:
            return
        streams = list(dict.fromkeys(keys_of(version).streams[priority] for version, priority, _, _ in held))
        arguments: list[Any] = []
        for version, priority, token, task_id in held:
            arguments += [streams.index(keys_of(version).streams[priority]) + 1, token, task_id]
        await self._client.run_script(script("release"), streams, (self.worker, *arguments))
        for _, _, token, _ in held:
            self._held.pop(token, None)


def _place(claim: Claim) -> bytes:
    return keys_of(claim.version).streams[claim.priority]


def _places(claims: Sequence[Claim]) -> tuple[list[bytes], dict[bytes, int]]:
    streams = list(dict.fromkeys(_place(claim) for claim in claims))
    return streams, {stream: number for number, stream in enumerate(streams, 1)}


def _claim(place: _Stream, entry: _Entry, table: _Fields, data: bytes) -> Claim | None:
    token, deliveries, context = entry
    try:
        tensor, known = decode_tensor(table[b"h"], data), decode_context(context)
    except UnreadableMessage as error:
        log.warning("task_unreadable", version=place.version, **error.context)
        return None
    created_ms = int(table[b"c"])
    return Claim(
        task_id=table[b"i"].decode(),
        version=place.version,
        priority=place.priority,
        tensor=tensor,
        created_ms=created_ms,
        deadline_ms=int(table[b"d"]),
        # Less than 0 if the broker's clock went back.
        queue_ms=float(max(0, place.now_ms - created_ms)),
        deliveries=deliveries,
        token=token.decode(),
        context=known,
    )
