"""The process that holds one network: `python -m splitleaf.importing.network.child LIMITS`, asked over standard input.

Limits itself before it looks at anything. A task that takes more processor time than a task may ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from splitleaf.importing.child.bootstrap import limit_self
from splitleaf.importing.child.refusals import Refused
from splitleaf.importing.network.frames import BrokenFrame, Floats, read_frame, write_frame

Reply = tuple[dict[str, Any], Sequence[Floats]]
_OUT_OF_MEMORY: Final = ("bad_alloc", "allocate memory", "bad allocation", "std::length_error")


def main(text: str) -> None:
    limits = json.loads(text)
    # What libraries print must not get into the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limit_self(limits)
    network = _LoadedNetwork()
    with contextlib.suppress(BrokenFrame, BrokenPipeError):
        while True:
            message, arrays = read_frame(sys.stdin.buffer)
            _allow_seconds(limits["task_cpu_s"])
            reply, results = _answer(network, message, arrays)
            write_frame(answers, reply, results)


def _allow_seconds(seconds: int) -> None:
    """Bound the processor time of what comes next."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _answer(network: _LoadedNetwork, message: dict[str, Any], arrays: Sequence[Floats]) -> Reply:
    from splitleaf.core.errors import SplitleafError

    tasks: dict[str, Callable[[dict[str, Any], Sequence[Floats]], Reply]] = {
        "open": network.open,
        "load": network.load,
        "run": network.run,
        "latency": network.latency,
        "verify": verify,
    }
    try:
        return tasks[message["task"]](message, arrays)
    except Refused as refusal:
        return _refusal(refusal.code, refusal.message), ()
    except SplitleafError as error:
        return _refusal(error.error_code, error.detail), ()
    except MemoryError:
        return _refusal("too_large", "bad_alloc"), ()
    except Exception as error:  # noqa: BLE001 - the parent shows it as a failed import
        return _refusal("conversion_failed", f"{type(error).__name__}: {error}"), ()


def _refusal(code: str, detail: str) -> dict[str, Any]:
    if any(words in detail for words in _OUT_OF_MEMORY):
        code, detail = "too_large", "the network needs more memory than an import may take"
    return {"refused": {"code": code, "message": detail[:2000]}}


class _LoadedNetwork:
    """The network, once it is opened or loaded."""

    def __init__(self) -> None:
        self._runtime: Any = None

    def open(self, message: dict[str, Any], _arrays: Sequence[Floats]) -> Reply:
        """Check the network in `target`, copied from `source` if it is ONNX, and let it offer its features."""
        from splitleaf.importing.child import inspection, onnx_file
        from splitleaf.importing.head import offer_features

        target = Path(message["target"])
        if message["source"]:
            inspection.inspect(Path(message["source"]))
            shutil.copyfile(message["source"], target)
        found = onnx_file.read_onnx(target)
        onnx_file.check_ports(found)
        shape = _sides(found.inputs[0].shape, message["size"])
        # The runtime looks first, so that what is malformed is refused in its words.
        self._load(target)
        head = offer_features(target, shape[:2])
        if head:
            self._load(target)
        reply = {"operations": found.operations, "shape": shape, "classes": self._classes(shape), "head": None}
        if head is None:
            return reply, ()
        fields = head.receptive_fields
        reply["head"] = {
            "features_output": head.features_output,
            "map_output": head.map_output,
            "map_layout": head.map_layout,
            "receptive_fields": fields and {"origin": fields.origin, "pitch": fields.pitch, "shape": fields.shape},
        }
        return reply, (head.weights,)

    def load(self, message: dict[str, Any], _arrays: Sequence[Floats]) -> Reply:
        """Load a network as it is."""
        from splitleaf.importing.child import onnx_file

        path = Path(message["path"])
        operations = onnx_file.read_onnx(path).operations
        self._load(path)
        return {"operations": operations}, ()

    def run(self, message: dict[str, Any], arrays: Sequence[Floats]) -> Reply:
        return {}, self._runtime.run_with(arrays[0], message["outputs"])

    def latency(self, message: dict[str, Any], _arrays: Sequence[Floats]) -> Reply:
        from splitleaf.importing.latency import measure_latency_ms

        return {"ms": measure_latency_ms(self._runtime, tuple(message["shape"]))}, ()

    def _load(self, path: Path) -> None:
        from splitleaf.engine.runtimes import load_network

        self._runtime = load_network(path)

    def _classes(self, shape: tuple[int, int, int]) -> int:
        import numpy as np

        answers = self._runtime.run(np.zeros((2, *shape), dtype=np.float32))
        return int(answers.shape[-1]) if answers.ndim else 0


def _sides(shape: Sequence[int | None], size: Sequence[int] | None) -> tuple[int, int, int]:
    _, height, width, channels = shape
    height, width = height or (size or (None, None))[0], width or (size or (None, None))[1]
    if not (height and width and channels):
        raise Refused(
            "input_size_unknown",
            "it takes images of any size: say which it was trained on, as in --preprocessing height=224,width=224",
        )
    return height, width, channels


def verify(message: dict[str, Any], _arrays: Sequence[Floats]) -> Reply:
    """Load a version as a worker would."""
    from splitleaf.engine.loading import load_classifier

    load_classifier(Path(message["folder"]))
    return {}, ()


if __name__ == "__main__":
    main(sys.argv[1])
