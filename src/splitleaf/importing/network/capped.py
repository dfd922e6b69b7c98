"""The importing process's side: a network that answers as a runtime does, from within capped children."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitleaf.core.errors import ImportRefused
from splitleaf.importing.head import Head
from splitleaf.importing.network.frames import BrokenFrame, Floats, read_frame, write_frame
from splitleaf.importing.receptive_field import ReceptiveFields
from splitleaf.importing.sandbox import Limits, child_environment, end_child, without_network

_CHILD = "splitleaf.importing.network.child"
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Each further thread takes address space."""


class _Process:
    """One child."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._is_late = False
        self._folder = tempfile.TemporaryDirectory(prefix="splitleaf-network-")
        caps = {
            "memory_bytes": limits.network_bytes,
            "file_bytes": limits.file_bytes,
            "task_cpu_s": round(limits.task_s) + 1,
        }
        command = [*without_network(), sys.executable, "-I", "-m", _CHILD, json.dumps(caps)]
        with (Path(self._folder.name) / "log").open("wb") as log:
            self._child = subprocess.Popen(
                command,
                cwd=self._folder.name,
                env=child_environment(Path(self._folder.name)) | _ONE_THREAD,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def ask(self, message: dict[str, Any], arrays: Sequence[Floats] = ()) -> tuple[dict[str, Any], list[Floats]]:
        """Return the answer. Raises `ImportRefused`."""
        assert self._child.stdin
        assert self._child.stdout
        # It ends the child, and with it whatever waits for the child here: reading, or writing to what does not read.
        watch = threading.Timer(self._limits.task_s, self._end_late)
        watch.daemon = True
        watch.start()
        try:
            write_frame(self._child.stdin, message, arrays)  # type: ignore[arg-type]  # a buffered pipe is one
            reply, results = read_frame(self._child.stdout)  # type: ignore[arg-type]
        except (BrokenFrame, OSError) as error:
            raise self._death() from error
        finally:
            watch.cancel()
        if "refused" in reply:
            raise ImportRefused(str(reply["refused"]["message"]), code=str(reply["refused"]["code"]))
        return reply, results

    @property
    def lives(self) -> bool:
        return self._child.poll() is None

    def close(self) -> None:
        end_child(self._child)
        for stream in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()
        self._folder.cleanup()

    def _end_late(self) -> None:
        self._is_late = True
        end_child(self._child)

    def _death(self) -> ImportRefused:
        end_child(self._child)
        if self._is_late or -self._child.returncode == signal.SIGXCPU:
            return ImportRefused(f"the network took longer than {self._limits.task_s:g} s", code="import_timed_out")
        return ImportRefused(
            "the process that held the network died (out of memory, or a crash)", code="conversion_failed"
        )


class CappedNetwork:
    """Keeps the promises of `engine.runtime.Runtime`; what a runtime would raise is an `ImportRefused` here.

    Several threads may ask at once: each asks a child of its own, up to one a processor.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        # A child works in a folder of its own.
        self._path = path.resolve()
        self._limits = limits
        self._slots: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(os.cpu_count() or 1):
            self._slots.put(None)

    def run(self, batch: Floats) -> Floats:
        return self.run_with(batch, ())[0]

    def run_with(self, batch: Floats, outputs: Sequence[str]) -> tuple[Floats, ...]:
        with self._child() as child:
            return tuple(child.ask({"task": "run", "outputs": list(outputs)}, [batch])[1])

    def latency_ms(self, shape: tuple[int, int, int]) -> float:
        """Return the median processor time of one image."""
        with self._child() as child:
            return float(child.ask({"task": "latency", "shape": list(shape)})[0]["ms"])

    def operations(self) -> dict[str, int]:
        """Return how often each operation occurs."""
        with self._new() as child:
            return _counts(child.ask({"task": "load", "path": str(self._path)})[0])

    def adopt(self, child: _Process) -> None:
        """Take a child that holds this network already."""
        self._slots.get_nowait()
        self._slots.put(child)

    def close(self) -> None:
        """End the children. No one may be asking."""
        while not self._slots.empty():
            if child := self._slots.get_nowait():
                child.close()

    @contextlib.contextmanager
    def _child(self) -> Iterator[_Process]:
        child = self._slots.get()
        try:
            child = self._loaded() if child is None else child
            yield child
        finally:
            if child is not None and not child.lives:
                child.close()
                child = None
            self._slots.put(child)

    def _loaded(self) -> _Process:
        child = _Process(self._limits)
        try:
            child.ask({"task": "load", "path": str(self._path)})
        except BaseException:
            child.close()
            raise
        return child

    def _new(self) -> contextlib.closing[_Process]:
        return contextlib.closing(_Process(self._limits))


@dataclass(frozen=True, slots=True)
class OpenedNetwork:
    """What was found out about a network while it was opened."""

    runtime: CappedNetwork
    operations: dict[str, int]
    shape: tuple[int, int, int]
    classes: int
    head: Head | None


def open_network(
    target: Path, limits: Limits, *, source: Path | None = None, size: tuple[int, int] | None = None
) -> OpenedNetwork:
    """Check and load the network in `target`, copied there from `source` if that is given. Raises `ImportRefused`.

    `size` is the height and width of its images, where the file leaves them open.
    """
    runtime, child = CappedNetwork(target, limits), _Process(limits)
    try:
        message = {"task": "open", "target": str(target.resolve()), "source": source and str(source.resolve())}
        found, arrays = child.ask({**message, "size": size})
        opened = _read(found, arrays, runtime)
    except BaseException:
        child.close()
        raise
    runtime.adopt(child)
    return opened


def verify_in_child(folder: Path, limits: Limits | None = None) -> None:
    """Load the version in `folder` as a worker would, and let it answer its golden images.

    Raises `ImportRefused` with what is wrong.
    """
    with contextlib.closing(_Process(limits or Limits())) as child:
        child.ask({"task": "verify", "folder": str(folder.resolve())})


def _read(found: dict[str, Any], arrays: Sequence[Floats], runtime: CappedNetwork) -> OpenedNetwork:
    try:
        height, width, channels = map(int, found["shape"])
        head = _head(found["head"], arrays[0]) if found["head"] else None
        return OpenedNetwork(runtime, _counts(found), (height, width, channels), int(found["classes"]), head)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ImportRefused("the process that held the network died (a crash)", code="conversion_failed") from error


def _counts(found: dict[str, Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in found["operations"].items()}


def _head(said: dict[str, Any], weights: Floats) -> Head:
    fields = said["receptive_fields"]
    return Head(
        str(said["features_output"]),
        weights,
        str(said["map_output"]),
        "nhwc" if said["map_layout"] == "nhwc" else "nchw",
        fields and ReceptiveFields(tuple(fields["origin"]), tuple(fields["pitch"]), tuple(fields["shape"])),
    )
