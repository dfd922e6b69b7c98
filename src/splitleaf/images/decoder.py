"""The parent's end of one decoding child: its process, its socket and the images on their way."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol, cast

from splitleaf.core.preprocessing import InputSpec
from splitleaf.core.tensor import ImageTensor
from splitleaf.images import frames
from splitleaf.images.intake import DecodedImage
from splitleaf.images.limits import ImageLimits
from splitleaf.images.refusals import CORRUPT, TOO_COMPLEX, public_error

CHILD_MODULE = "splitleaf.images.child"
_SOCKET_BUFFER_BYTES = 1 << 20
_KEPT_BYTES = 8 << 20
"""Free memory that a child keeps for its next image (glibc)."""


@dataclass(slots=True, eq=False)
class Job:
    """One image that someone waits for."""

    upload: bytes
    specs: tuple[InputSpec, ...]
    future: asyncio.Future[DecodedImage]
    accepted_at: float
    tries: int = 0
    number: int = 0

    def succeed(self, image: DecodedImage) -> None:
        if not self.future.done():
            self.future.set_result(image)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class DecoderOwner(Protocol):
    """Who is told what happens to a child."""

    def decoder_ready(self, decoder: Decoder) -> None:
        """Report that the child takes images."""

    def decoder_answered(self, decoder: Decoder) -> None:
        """Report that the oldest image of the child is done."""

    def decoder_lost(self, decoder: Decoder) -> None:
        """Report that the child is gone; `pending` holds what it left unanswered, the oldest first."""


@dataclass(slots=True, eq=False)
class _Incoming:
    """A part of a frame that is being read."""

    buffer: bytearray
    filled: int = 0
    head: frames.ResponseHead | None = None
    """Set while the tensors behind this head are read."""


def _await_head() -> _Incoming:
    return _Incoming(bytearray(frames.RESPONSE.size))


@dataclass(slots=True, eq=False)
class Decoder(asyncio.BufferedProtocol):
    """One child. Answers come in the order of the requests; anything unexpected kills it."""

    owner: DecoderOwner
    limits: ImageLimits
    process: subprocess.Popen[bytes]
    connection: socket.socket
    pending: deque[Job] = field(default_factory=deque)
    is_ready: bool = False
    is_leaving: bool = False
    """No longer given images, because a successor has taken its place."""
    has_successor: bool = False
    verdict: str | None = None
    """Why the parent killed it; None where it died on its own."""
    served: int = 0
    resident_kib: int = 0
    busy_since: float = 0.0
    """When the oldest pending image became the oldest."""
    _numbers: int = 0
    _transport: asyncio.Transport | None = None
    _incoming: _Incoming = field(default_factory=_await_head)

    @classmethod
    def spawn(cls, owner: DecoderOwner, limits: ImageLimits, module: str = CHILD_MODULE) -> Decoder:
        """Start a child that runs `module`. `connect` must follow."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER_BYTES)
            process = _start_process(module, theirs.fileno(), limits)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        return cls(owner, limits, process, ours)

    async def connect(self) -> None:
        """Listen to the child; `owner.decoder_ready` follows when it has loaded and confined itself."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=self.connection)

    def send(self, job: Job) -> None:
        """Put an image behind those that are on their way."""
        assert self._transport is not None
        self._numbers = (self._numbers + 1) & 0xFFFFFFFF
        job.number = self._numbers
        head = frames.pack_request(job.number, job.specs, len(job.upload))
        if not self.pending:
            self.busy_since = asyncio.get_running_loop().time()
        self.pending.append(job)
        if not self._transport.is_closing():
            # Else it is about to be lost, and its images go to another child. asyncio's own transport would continue to
            # watch the descriptor of such a one for room to write, also when it is another file's.
            self._transport.writelines((head, job.upload))

    def kill(self, verdict: str | None) -> None:
        """End the child now; `owner.decoder_lost` follows. The verdict is what its oldest image is refused with."""
        self.verdict = self.verdict or verdict
        self.process.kill()
        if self._transport is not None:
            self._transport.abort()

    async def cause_of_death(self) -> str | None:
        """Wait for the end of the process; return the code that its image owes, or None where no one knows why."""
        status = await asyncio.to_thread(self.process.wait)
        return TOO_COMPLEX if status == -signal.SIGXCPU else self.verdict

    def leave(self) -> None:
        """Close the child's input; it ends on its own."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        # What waits is counted by the pool; the transport need not push back.
        self._transport.set_write_buffer_limits(high=1 << 30)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the frame knows its size
        return memoryview(self._incoming.buffer)[self._incoming.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        incoming = self._incoming
        incoming.filled += nbytes
        if incoming.filled < len(incoming.buffer):
            return
        if incoming.head is not None:
            self._incoming = _await_head()
            self._deliver(incoming.head, incoming.buffer)
            return
        head = frames.unpack_response(incoming.buffer)
        if not self._is_credible(head):
            self._incoming = _await_head()
            # No verdict: a stray answer may hit the next image, which is innocent.
            self.kill(None)
        elif head.body_bytes:
            self._incoming = _Incoming(bytearray(head.body_bytes), head=head)
        else:
            self._incoming = _await_head()
            self._deliver(head, bytearray())

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - any loss is a loss
        self._transport = None
        self.is_ready = False
        self.process.kill()
        self.owner.decoder_lost(self)

    def _is_credible(self, head: frames.ResponseHead) -> bool:
        if not self.is_ready:
            return head.status == frames.READY and head.body_bytes == 0
        if not self.pending or head.number != self.pending[0].number:
            return False
        if head.status == frames.OK:
            most = self.limits.max_side
            fits = 0 < head.width <= most and 0 < head.height <= most
            return fits and head.body_bytes == sum(frames.tensor_sizes(self.pending[0].specs))
        known = head.status == frames.BROKEN or frames.refusal_code(head.status) is not None
        return known and head.body_bytes == 0

    def _deliver(self, head: frames.ResponseHead, body: bytearray) -> None:
        self.resident_kib = head.resident_kib
        if head.status == frames.READY:
            self.is_ready = True
            self.owner.decoder_ready(self)
            return
        job = self.pending.popleft()
        self.served += 1
        self.busy_since = asyncio.get_running_loop().time()
        if head.status == frames.OK:
            job.succeed(_image(head, body, job.specs))
        else:
            job.fail(public_error(frames.refusal_code(head.status) or CORRUPT))
        self.owner.decoder_answered(self)


def _image(head: frames.ResponseHead, body: bytearray, specs: tuple[InputSpec, ...]) -> DecodedImage:
    view = memoryview(body).toreadonly()
    tensors = []
    at = 0
    for spec, size in zip(specs, frames.tensor_sizes(specs), strict=True):
        tensors.append(ImageTensor(spec.shape, spec.dtype, view[at : at + size]))
        at += size
    return DecodedImage(tuple(tensors), head.width, head.height, head.flags)


def _start_process(module: str, descriptor: int, limits: ImageLimits) -> subprocess.Popen[bytes]:
    """Start the child's interpreter. Of our environment it gets the import path and numpy's kernels, nothing else."""
    environment = {
        # Where an operator had to choose OpenBLAS's kernels for a processor, another choice rounds differently.
        **{name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")},
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
        # Images of a usual size find the memory of those before: asking the system for each again costs a tenth more.
        "MALLOC_MMAP_THRESHOLD_": str(_KEPT_BYTES // 2),
        "MALLOC_TRIM_THRESHOLD_": str(_KEPT_BYTES),
    }
    settings = json.dumps(dataclasses.asdict(limits))
    return subprocess.Popen(
        [sys.executable, "-P", "-s", "-m", module, str(descriptor), settings],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(descriptor,),
    )
