"""A source file becomes a checked ONNX network, without its code ever running in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.errors import ImportRefused
from splitleaf.core.files import open_plain
from splitleaf.engine.runtime import Runtime
from splitleaf.importing.child.refusals import Refused
from splitleaf.importing.child.source import refuse_non_models
from splitleaf.importing.evaluation import OutputKind
from splitleaf.importing.head import Head
from splitleaf.importing.network import CappedNetwork, OpenedNetwork, open_network
from splitleaf.importing.sandbox import Limits, Sandbox

SourceFormat = Literal["h5-keras2", "h5-keras3", "keras", "savedmodel", "onnx"]


@dataclass(frozen=True, slots=True)
class Network:
    """A converted network, loaded as serving loads it, but in a child."""

    source: Path
    format: SourceFormat
    loader: str
    """How the original is loaded; empty where the source is ONNX itself."""
    keras_version: str
    layers: dict[str, int]
    runtime: CappedNetwork
    shape: tuple[int, int, int]
    classes: int
    output: OutputKind
    head: Head | None = None
    """Its last layer, where that is one dense layer: the artifact gives what goes into it, too."""
    tools: dict[str, str] = field(default_factory=dict)


def convert_source(  # noqa: PLR0917 - what is converted, to where, by whom
    source: Path,
    target: Path,
    size: tuple[int, int] | None,
    sandbox: Callable[[], Sandbox],
    limits: Limits,
    tick: Callable[[str], None],
) -> Network:
    """Inspect `source`, write it as ONNX to `target`, check and load that, all in capped children.

    Raises `ImportRefused`. The network's runtime is to be closed.
    """
    tick("inspecting")
    try:
        refuse_non_models(source)
    except Refused as refusal:
        raise ImportRefused(refusal.message, code=refusal.code) from refusal
    if _is_onnx(source):
        return _described(source, open_network(target, limits, source=source, size=size), Origin("onnx"))
    child = sandbox()
    found = child.perform("inspect", source=source.resolve())
    tick("converting")
    made = child.perform("convert", source=source.resolve(), loader=found["loader"], onnx=target.resolve(), size=size)
    height, width, _ = made["shape"]
    origin = Origin(
        cast("SourceFormat", found["format"]), found["loader"], found["keras_version"], found["layers"], made["tools"]
    )
    return _described(source, open_network(target, limits, size=(height, width)), origin)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a network was before."""

    format: SourceFormat
    loader: str = ""
    keras_version: str = ""
    layers: dict[str, int] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)


def _described(source: Path, opened: OpenedNetwork, origin: Origin) -> Network:
    try:
        output = output_kind(opened.runtime, opened.shape)
    except BaseException:
        opened.runtime.close()
        raise
    return Network(
        source,
        origin.format,
        origin.loader,
        origin.keras_version,
        origin.layers or opened.operations,
        opened.runtime,
        opened.shape,
        opened.classes,
        output,
        opened.head,
        origin.tools,
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
        with open_plain(outputs) as file:
            answers: NDArray[np.float32] = np.load(file, allow_pickle=False)
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
            "its outputs are shares that do not sum to 1 (sigmoid, several labels an image); one label an image "
            "(softmax or logits) is needed",
            code="not_a_classifier",
        )
    return "logits"


def _is_onnx(source: Path) -> bool:
    return source.suffix.lower() == ".onnx" and source.is_file()
