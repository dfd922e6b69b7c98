"""`model.toml`: everything about a version that is not in its weights.

Written by import, editable before; immutable once imported (a changed manifest is a changed version).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from splitleaf.core.errors import InvalidArtifact
from splitleaf.core.files import read_plain_text
from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec, Normalization, ResizeFilter

SCHEMA = 1
VERSION_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
MANIFEST_NAME = "model.toml"
DEFAULT_RUNTIME: Final = "onnxruntime"
MAX_BYTES: Final = 1_000_000
"""Of a manifest, a draft or `repository.toml`: 10,000 labels with names are less."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Table(BaseModel):
    """A table of a TOML file: immutable, and without unknown entries."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocessing(Table):
    """`[preprocessing]`: how training turned a photo into the network's input."""

    height: Annotated[int, Field(ge=1, le=4096)]
    width: Annotated[int, Field(ge=1, le=4096)]
    color: ColorOrder = ColorOrder.RGB
    resize: ResizeFilter = ResizeFilter.PILLOW_BILINEAR
    fit: Fit = Fit.STRETCH
    exif_orientation: bool = True
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def input_spec(self) -> InputSpec:
        return InputSpec(self.height, self.width, self.color, self.resize, self.fit, self.exif_orientation)

    @property
    def normalization(self) -> Normalization:
        return Normalization(self.scale, self.mean, self.std)


class Calibration(Table):
    """`[calibration]`: temperature scaling, Guo et al. 2017 (arXiv 1706.04599)."""

    temperature: Annotated[float, Field(gt=0)] = 1.0


class Decision(Table):
    """`[decision]`: when the version says "not sure", or "nothing that I know", instead of an answer."""

    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.5
    max_distance: Annotated[float, Field(gt=0)] | None = None
    """Images further than this from the reference images are unfamiliar; None: the version cannot tell."""
    other_label: str | None = None
    """The output that stands for everything that is none of the conditions; an image that it wins is unfamiliar, and
    no one is shown it as an answer. None: the version has no such output."""


class Batching(Table):
    """`[batching]`: how many images go into one run at most.

    Waiting to fill a batch never pays on a CPU, and larger ones cost memory without being faster (MobileNetV2-224, two
    threads: 226 MB and 7.2 ms an image in fours, 320 MB and 7.6 ms in eights).
    """

    cap: Annotated[int, Field(ge=1, le=1024)] = 4


class Source(Table):
    """`[source]`: the file as trained."""

    file: str
    format: Literal["h5-keras2", "h5-keras3", "keras", "savedmodel", "onnx"]
    keras_version: str = ""
    sha256: Sha256
    size_bytes: int


class Artifact(Table):
    """`[artifact]`: what is served."""

    file: str = "artifact/model.onnx"
    sha256: Sha256
    size_bytes: int
    runtime: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = DEFAULT_RUNTIME
    """A name in `engine.runtimes`. Manifests of older releases do not have it."""
    output: Literal["probabilities", "logits"] = "probabilities"
    golden: str = "artifact/golden.npz"
    """Arrays `inputs` (n, h, w, c; what the API hands over) and `probabilities` (n, classes; uncalibrated,
    as the original model answers)."""
    golden_sha256: Sha256
    golden_tolerance: Annotated[float, Field(gt=0, le=0.2)] = 1e-3
    """Largest difference of a golden probability; between processor generations 1e-5 is usual in float, much more in
    8 bits."""


Pitch = Annotated[FiniteFloat, Field(gt=0)]


class AuxiliaryTable(Table):
    """`[insight]`: what the artifact offers beyond scores."""

    file: str = "artifact/insight.npz"
    """Arrays, of which each group may be missing: `head_weights` (features, classes); `rule_*` of
    `engine.out_of_distribution`; `baseline_*` of `analysis.baseline`."""
    sha256: Sha256
    features: int = 0
    """Length of the feature vector in front of the last layer; 0: it offers none."""
    features_output: str = ""
    """The network's output that gives it."""
    map_output: str = ""
    """The output that gives the feature map which those features are the mean of; empty: no heat map."""
    map_shape: tuple[int, int] | None = None
    """Its rows and columns."""
    map_layout: Literal["nchw", "nhwc"] = "nchw"
    map_origin: tuple[FiniteFloat, FiniteFloat] | None = None
    """Centre of its first place, and the distance of two, in shares of the height and the width; None: its places
    divide the image evenly."""
    map_pitch: tuple[Pitch, Pitch] | None = None
    reference: str = ""
    """The reference images, as the report calls them."""
    reference_images: int = 0
    held_images: int = 0
    """Images that training held back, by which the limit of the familiar may have been widened."""


class Evaluation(Table):
    """`[evaluation]`: measured at import on labelled images, through the artifact."""

    dataset: str
    images: int
    accuracy: float
    accuracy_low: float
    """Lower end of the 95 % Wilson interval."""
    accuracy_high: float
    latency_ms: float
    """Median CPU time of one image's inference on one thread."""


class Manifest(Table):
    """One version's manifest."""

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    version: Annotated[str, Field(pattern=VERSION_PATTERN)]
    title: str = ""
    licence: str = ""
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    """In the order of the outputs."""
    display_names: dict[str, str] = {}
    preprocessing: Preprocessing
    calibration: Calibration = Calibration()
    decision: Decision = Decision()
    batching: Batching = Batching()
    source: Source
    artifact: Artifact
    insight: AuxiliaryTable | None = None
    evaluation: Evaluation | None = None
    imported_at: str = ""

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Manifest:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must be distinct")
        if self.decision.other_label is not None and self.decision.other_label not in self.labels:
            raise ValueError("decision.other_label is none of the labels")
        return self

    @property
    def conditions(self) -> tuple[str, ...]:
        """The labels that may be answers, in the order of the outputs: all but `other_label`."""
        return tuple(label for label in self.labels if label != self.decision.other_label)

    def display_name(self, label: str) -> str:
        return self.display_names.get(label) or label.replace("_", " ")

    @property
    def offers_activation_map(self) -> bool:
        """Whether its answers come with a heat map."""
        return self.insight is not None and bool(self.insight.map_output)

    @property
    def digest(self) -> str:
        """The artifact's SHA-256: what makes the version immutable."""
        return self.artifact.sha256


def parse_manifest(text: str, *, origin: str) -> Manifest:
    """Read a manifest; raise `InvalidArtifact` naming `origin` and the faulty entries."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
        return Manifest.model_validate(table)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidArtifact(f"{origin} is not valid TOML: {error}", code="invalid_manifest") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InvalidArtifact(f"{origin}: {faults}", code="invalid_manifest") from error


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/model.toml`."""
    path = folder / MANIFEST_NAME
    try:
        text = read_plain_text(path, MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArtifact(f"{path} cannot be read: {error}", code="invalid_manifest") from error
    return parse_manifest(text, origin=str(path))
