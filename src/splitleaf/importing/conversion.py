"""A source file becomes a checked ONNX network, without its code ever running in this process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import ImportRefused
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.engine.runtime import Runtime
from splitleaf.importing.child import inspection, onnx_file
from splitleaf.importing.child.refusals import Refused
from splitleaf.importing.evaluation import OutputKind
from splitleaf.importing.head import Head, offer_features
from splitleaf.importing.sandbox import Sandbox

SourceFormat = Literal["h5-keras2", "h5-keras3", "keras", "savedmodel", "onnx"]


@dataclass(frozen=True, slots=True)
class Network:
    """A converted network, loaded as serving loads it."""

    source: Path
    format: SourceFormat
    loader: str
    """How the original is loaded; empty where the source is ONNX itself."""
    keras_version: str
    layers: dict[str, int]
    runtime: Runtime
    shape: tuple[int, int, int]
    classes: int
    output: OutputKind
    head: Head | None = None
    """Its last layer, where that is one dense layer: the artifact gives what goes into it, too."""
    tools: dict[str, str] = field(default_factory=dict)


def convert_source(
    source: Path,
    target: Path,
    size: tuple[int, int] | None,
    sandbox: Callable[[], Sandbox],
    tick: Callable[[str], None],
) -> Network:
    """Inspect `source`, write it as ONNX to `target`, check and load that. Raises `ImportRefused`."""
    tick("inspecting")
    try:
        if _is_onnx(source):
            return _take_onnx(source, target, size)
        inspection.refuse_impostors_in(source)
        child = sandbox()
        found = child.perform("inspect", source=source.resolve())
        tick("converting")
        made = child.perform(
            "convert", source=source.resolve(), loader=found["loader"], onnx=target.resolve(), size=size
        )
        checked = onnx_file.read_onnx(target)
        onnx_file.check_ports(checked)
    except Refused as refusal:
        raise ImportRefused(refusal.message, code=refusal.code) from refusal
    height, width, channels = made["shape"]
    runtime, head = _loaded(target, (height, width))
    return Network(
        source,
        cast("SourceFormat", found["format"]),
        found["loader"],
        found["keras_version"],
        found["layers"],
        runtime,
        (height, width, channels),
        made["classes"],
        output_kind(runtime, (height, width, channels)),
        head,
        made["tools"],
    )


def original_answers(network: Network, batch: NDArray[np.float32], sandbox: Sandbox) -> NDArray[np.float32]:
    """Return what the original answers (n, classes) for a normalized batch, in its own framework."""
    with tempfile.TemporaryDirectory(prefix="splitleaf-parity-") as folder:
        inputs, outputs = Path(folder) / "inputs.npy", Path(folder) / "outputs.npy"
        np.save(inputs, batch, allow_pickle=False)
        sandbox.perform(
            "predict",
            source=network.source.resolve(),
            loader=network.loader,
            inputs=inputs,
            outputs=outputs,
            size=network.shape[:2],
        )
        answers: NDArray[np.float32] = np.load(outputs, allow_pickle=False)
    return answers


def output_kind(runtime: Runtime, shape: tuple[int, int, int]) -> OutputKind:
    """Tell probabilities from logits by what the network answers; raise `ImportRefused` for neither."""
    rng = np.random.default_rng(0)
    batch = np.concatenate([rng.uniform(-1, 1, (4, *shape)), rng.uniform(0, 255, (4, *shape))]).astype(np.float32)
    answers = runtime.run(batch)
    if not np.isfinite(answers).all():
        raise ImportRefused("the network answers with values that are not finite", code="not_a_classifier")
    if np.abs(answers.sum(axis=1) - 1).max() < 1e-3 and answers.min() >= 0:
        return "probabilities"
    if answers.min() >= 0 and answers.max() <= 1:
        raise ImportRefused(
            "its outputs are shares that do not sum to 1 (sigmoid, several labels a picture); one label a picture "
            "(softmax or logits) is needed",
            code="not_a_classifier",
        )
    return "logits"


def _is_onnx(source: Path) -> bool:
    return source.suffix.lower() == ".onnx" and source.is_file()


def _loaded(target: Path, sides: tuple[int, int]) -> tuple[OnnxRuntime, Head | None]:
    """Load the network, and again where it then offers what it computes anyway.

    The runtime looks first, so that what is malformed is refused in its words.
    """
    runtime = OnnxRuntime(target)
    head = offer_features(target, sides)
    return (OnnxRuntime(target) if head else runtime), head


def _take_onnx(source: Path, target: Path, size: tuple[int, int] | None) -> Network:
    found = inspection.inspect(source)
    checked = onnx_file.read_onnx(source)
    shutil.copyfile(source, target)
    _, height, width, channels = checked.inputs[0].shape
    height, width = height or (size or (None, None))[0], width or (size or (None, None))[1]
    if not (height and width and channels):
        raise ImportRefused(
            "it takes pictures of any size: say which it was trained on, as in --preprocessing height=224,width=224",
            code="input_size_unknown",
        )
    (runtime, head), shape = _loaded(target, (height, width)), (height, width, channels)
    classes = runtime.run(np.zeros((2, *shape), dtype=np.float32)).shape[-1]
    return Network(source, "onnx", "", "", found.layers, runtime, shape, classes, output_kind(runtime, shape), head)
