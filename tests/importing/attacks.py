"""Networks that are small as files and ask for memory or time without end, and who imports them under a cap.

`python -m tests.importing.attacks FILE FOLDER` imports a file and prints what came of it, as JSON.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from splitleaf.core.errors import SplitleafError
from splitleaf.importing.importer import import_model
from splitleaf.importing.labels import parse_labels
from splitleaf.importing.preprocessing import parse_preprocessing
from splitleaf.importing.request import ImportRequest
from splitleaf.importing.sandbox import Limits
from tests.support.networks import build
from tests.support.repositories import SIDE

HUGE: Final = 12 << 30
TASK_S: Final = 6.0
LIMITS: Final = Limits(network_bytes=2 << 30, task_s=TASK_S)
_KILOBYTES_FOR_ALL: Final = 6_000_000
"""Whatever a mistake lets through: this machine is shared."""

Nodes = Sequence[onnx.NodeProto]


def _answered(nodes: Nodes, constants: dict[str, np.ndarray], name: str) -> bytes:
    """Return a plain classifier to whose answers the mean of a tensor is added."""
    whole = [
        helper.make_node("ReduceMean", ["image", "places"], ["mean"], keepdims=0),
        *nodes,
        helper.make_node("ReduceMean", [name], ["one"], keepdims=0),
        helper.make_node("Mul", ["one", "nothing"], ["none"]),
        helper.make_node("Add", ["mean", "none"], ["logits"]),
    ]
    given: dict[str, np.ndarray] = {
        "places": np.array([1, 2], dtype=np.int64),
        "nothing": np.array(0, np.float32),
        **constants,
    }
    return build(whole, given, (SIDE, SIDE, 3), "logits", 3, check=False)


def constant_of_shape() -> bytes:
    """Folded while the network is loaded."""
    return _answered(
        [helper.make_node("ConstantOfShape", ["sides"], ["big"])], {"sides": np.array([HUGE // 4], np.int64)}, "big"
    )


def expand() -> bytes:
    """Folded as well."""
    constants: dict[str, np.ndarray] = {"sides": np.array([HUGE // 4], np.int64), "seed": np.zeros(1, np.float32)}
    return _answered([helper.make_node("Expand", ["seed", "sides"], ["big"])], constants, "big")


def tile() -> bytes:
    """Of the image: made when the network runs, and just less than what the runtime itself refuses."""
    times = math.isqrt((3 << 30) // (2 * SIDE * SIDE * 3 * 4))
    constants = {"times": np.array([1, times, times, 1], np.int64)}
    return _answered([helper.make_node("Tile", ["image", "times"], ["big"])], constants, "big")


def count() -> bytes:
    """Return six gigabytes of numbers in order."""
    nodes = [helper.make_node("Range", ["first", "last", "step"], ["big"])]
    return _answered(
        nodes,
        {"first": np.array(0, np.float32), "last": np.array(HUGE // 8, np.float32), "step": np.array(1, np.float32)},
        "big",
    )


def resize() -> bytes:
    """A constant that is enlarged."""
    constants: dict[str, np.ndarray] = {
        "seed": np.zeros((1, 1, 64, 64), np.float32),
        "scales": np.array([1, 1, 600, 600], np.float32),
    }
    return _answered([helper.make_node("Resize", ["seed", "", "scales"], ["big"])], constants, "big")


def loop() -> bytes:
    """Never comes to an end."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still_on"]), helper.make_node("Identity", ["x"], ["same_x"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3]),
        ],
        [
            helper.make_tensor_value_info("still_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("same_x", TensorProto.FLOAT, ["batch", 3]),
        ],
    )
    nodes = [helper.make_node("Loop", ["for_ever", "yes", "mean"], ["kept"], body=body)]
    return _answered(nodes, {"for_ever": np.array(2**62, np.int64), "yes": np.array(True)}, "kept")


ATTACKS: Final[dict[str, Callable[[], bytes]]] = {
    "constant of shape": constant_of_shape,
    "expand": expand,
    "tile": tile,
    "range": count,
    "resize": resize,
    "loop": loop,
}


def import_under_cap(source: Path, folder: Path) -> dict[str, Any]:
    """Import in a process of its own that may take some gigabytes at most; return what it says of it."""
    ours = [sys.executable, "-m", "tests.importing.attacks", str(source), str(folder)]
    command = ["/bin/sh", "-c", f'ulimit -v {_KILOBYTES_FOR_ALL}; exec "$@"', "sh", *ours]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _main(source: Path, folder: Path) -> None:
    stated: dict[str, Any] = {"labels": parse_labels("a,b,c"), "preprocessing": parse_preprocessing("1/255")}
    code = ""
    try:
        import_model(ImportRequest(source, "v1", folder, limits=LIMITS, **stated))
    except SplitleafError as error:
        code = error.error_code
    # Not `ru_maxrss`, which begins with what the parent had.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0])
    print(json.dumps({"code": code, "peak_kilobytes": peak, "left": [one.name for one in folder.iterdir()]}))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
