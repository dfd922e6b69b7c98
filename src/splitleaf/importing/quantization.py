"""Quantisation: a served version -> another version with the same network in 8-bit integers, checked on images."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.arrays import read_arrays
from splitleaf.core.clock import Clock, SystemClock, as_rfc3339
from splitleaf.core.errors import Conflict, ImportRefused
from splitleaf.engine.calibration import calibrate
from splitleaf.engine.normalization import normalize
from splitleaf.engine.runtime import Runtime
from splitleaf.importing import golden
from splitleaf.importing.auxiliary_outputs import baseline_of, write_auxiliary_outputs
from splitleaf.importing.conversion import Network
from splitleaf.importing.evaluation import Scores, score
from splitleaf.importing.head import Head
from splitleaf.importing.images import LabelledImages, read_all, read_labelled_folder
from splitleaf.importing.interpreter import find_import_python
from splitleaf.importing.labels import canonical
from splitleaf.importing.network import CappedNetwork
from splitleaf.importing.parity import Parity
from splitleaf.importing.receptive_field import ReceptiveFields
from splitleaf.importing.reference import fit_reference
from splitleaf.importing.report import ImportReport
from splitleaf.importing.request import Progress, ProgressCallback
from splitleaf.importing.sandbox import Limits, Sandbox
from splitleaf.importing.statistics import wilson_interval
from splitleaf.registry.digests import sha256_file, verify_version
from splitleaf.registry.manifest import MANIFEST_NAME, VERSION_PATTERN, Artifact, Evaluation, Manifest, Source
from splitleaf.registry.manifest_writing import format_manifest
from splitleaf.registry.reports import REPORT_NAME
from splitleaf.registry.staging import ARTIFACT_FOLDER, publish, staged_folder

LARGEST_LOSS = 0.01
"""Largest accepted loss of accuracy, as a share of the labelled images."""
GOLDEN_TOLERANCE = 0.1
"""Largest difference of a golden probability. An activation between two 8-bit steps may round either way, depending on
the processor; float networks agree a hundred times better."""
_CALIBRATION_PER_CLASS = 20


@dataclass(frozen=True, slots=True)
class QuantizationRequest:
    """Which version to quantise, and how to check the result."""

    version: str
    new_version: str
    models_dir: Path
    calibration: Path
    """Folder of class folders with training images: for the ranges of activations and the detector."""
    evaluate: Path
    """Folder of class folders with test images: for the accuracy check."""
    held_out: Path | None = None
    """Folder of class folders with held-out images, which may widen the limit of the detector."""
    largest_loss: float = LARGEST_LOSS
    import_python: Path | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """Accuracy, agreement, latency and size, before and after."""

    manifest: Manifest
    accuracy_before: float
    accuracy: float
    images: int
    same_top_1: int
    largest_difference: float
    """Of any uncalibrated probability."""
    latency_before_ms: float
    latency_ms: float
    size_before_bytes: int
    seconds: float


def quantize_version(
    request: QuantizationRequest, progress: ProgressCallback = lambda _: None, clock: Clock | None = None
) -> QuantizationReport:
    """Write the new version, which is served as soon as this returns.

    Raises `ImportRefused` (`quantization_refused` if it loses too much accuracy, `not_quantizable`), `Conflict`
    (`version_exists`), or `InvalidArtifact` for a version whose files do not match its manifest.
    """
    return _Quantization(request, progress, clock or SystemClock()).run()


class _Quantization:
    def __init__(self, request: QuantizationRequest, progress: ProgressCallback, clock: Clock) -> None:
        if not re.fullmatch(VERSION_PATTERN, request.new_version):
            raise ImportRefused(f"{request.new_version!r} is not a valid version name", code="invalid_version")
        if (request.models_dir / request.new_version).exists():
            raise Conflict(f"version {request.new_version} exists already", code="version_exists")
        self._request = request
        self._progress = progress
        self._clock = clock
        self._folder = request.models_dir / request.version
        self._manifest = verify_version(self._folder)
        self._float = self._folder / self._manifest.artifact.file
        self._latency_before_ms = 0.0
        self._held_out = read_labelled_folder(request.held_out) if request.held_out else None

    def run(self) -> QuantizationReport:
        started = self._clock.monotonic()
        head = self._head()
        with staged_folder(self._request.models_dir) as staging:
            staged = staging / "version"
            artifact = staged / ARTIFACT_FOLDER
            artifact.mkdir(parents=True)
            tools = self._quantize(artifact / "model.onnx", head)
            network = self._network(artifact / "model.onnx", head, tools)
            with closing(network.runtime), closing(CappedNetwork(self._float, self._request.limits)) as float_runtime:
                before, after = self._score(float_runtime), self._score(network.runtime)
                self._gate(before, after)
                self._latency_before_ms = float_runtime.latency_ms(network.shape)
                report = self._describe(staged, network, before, after, started)
            self._progress(Progress("publishing"))
            publish(staged, self._request.models_dir / self._request.new_version)
        return report

    def _head(self) -> Head:
        insight = self._manifest.insight
        if insight is None or not insight.features_output:
            raise ImportRefused(
                f"the manifest of {self._request.version} does not name the input of its last layer: import it "
                "again with this release",
                code="not_quantizable",
            )
        weights = read_arrays(self._folder / insight.file)["head_weights"]
        fields = None
        if insight.map_origin and insight.map_pitch and insight.map_shape:
            fields = ReceptiveFields(insight.map_origin, insight.map_pitch, insight.map_shape)
        return Head(insight.features_output, weights, insight.map_output, insight.map_layout, fields)

    def _quantize(self, target: Path, head: Head) -> dict[str, str]:
        self._progress(Progress("quantizing"))
        preprocessing = self._manifest.preprocessing
        images = read_labelled_folder(self._request.calibration).sample(_CALIBRATION_PER_CLASS)
        pixels = np.stack(read_all(images.paths, preprocessing.input_spec)).astype(np.float32)
        with tempfile.TemporaryDirectory(prefix="splitleaf-quantize-") as folder:
            batch = Path(folder) / "images.npy"
            np.save(batch, normalize(pixels, preprocessing.normalization), allow_pickle=False)
            child = Sandbox(find_import_python(self._request.import_python), self._request.limits)
            made = child.perform(
                "quantize",
                source=self._float.resolve(),
                onnx=target.resolve(),
                images=batch,
                keep_after=head.features_output,
            )
        tools: dict[str, str] = made["tools"]
        return tools

    def _network(self, path: Path, head: Head, tools: dict[str, str]) -> Network:
        runtime = CappedNetwork(path, self._request.limits)
        return Network(
            self._float,
            "onnx",
            "",
            "",
            runtime.operations(),
            runtime,
            self._manifest.preprocessing.input_spec.shape,
            len(self._manifest.labels),
            self._manifest.artifact.output,
            head,
            tools,
        )

    def _score(self, runtime: Runtime) -> Scores:
        return score(
            runtime,
            self._evaluated(),
            [self._manifest.preprocessing],
            lambda done, total: self._progress(Progress("measuring", done, total)),
        )

    def _evaluated(self) -> LabelledImages:
        images = read_labelled_folder(self._request.evaluate)
        unknown = sorted({canonical(one, self._manifest.labels) for one in images.folders} - {*self._manifest.labels})
        if unknown:
            raise ImportRefused(f"no label matches these folders: {', '.join(unknown)}", code="labels_do_not_fit")
        return images

    def _right(self, scores: Scores) -> NDArray[np.bool_]:
        labels = self._manifest.labels
        order = [labels.index(canonical(folder, labels)) for folder in scores.images.folders]
        return scores.right(self._manifest.preprocessing, order)

    def _gate(self, before: Scores, after: Scores) -> None:
        was, found = float(self._right(before).mean()), float(self._right(after).mean())
        if was - found > self._request.largest_loss:
            raise ImportRefused(
                f"the 8-bit network is right for {found:.1%} of the images, the original for {was:.1%}: the "
                f"accepted loss is {self._request.largest_loss:.1%}",
                code="quantization_refused",
            )

    def _describe(
        self, staged: Path, network: Network, before: Scores, after: Scores, started: float
    ) -> QuantizationReport:
        artifact, preprocessing = staged / ARTIFACT_FOLDER, self._manifest.preprocessing
        self._progress(Progress("fitting the out-of-distribution detector"))
        images = read_labelled_folder(self._request.calibration)
        runtime, head = network.runtime, network.head
        reference = fit_reference(runtime, head, preprocessing, images, self._held_out, lambda *_: None)
        baseline = baseline_of(reference, network, self._manifest.labels, self._manifest.calibration.temperature)
        latency = network.runtime.latency_ms(network.shape)
        manifest = self._manifest.model_copy(
            update={
                "version": self._request.new_version,
                "imported_at": as_rfc3339(self._clock.now_ms()),
                "decision": self._manifest.decision.model_copy(update={"max_distance": reference.detector.limit}),
                "source": self._keep_source(staged),
                "artifact": self._write_golden(staged, network.runtime),
                "insight": write_auxiliary_outputs(artifact, network, preprocessing, reference, baseline),
                "evaluation": _evaluation(after, self._right(after), latency),
            }
        )
        one, other = (calibrate(each.outputs[preprocessing], network.output, 1.0) for each in (before, after))
        same, largest = int((one.argmax(axis=1) == other.argmax(axis=1)).sum()), float(np.abs(one - other).max())
        seconds = self._clock.monotonic() - started
        proof = Parity(0, len(one), same, largest, f"{self._request.version} in float")
        origin = f"as {self._request.version}"
        kept = ImportReport(
            manifest, self._folder, network.layers, proof, origin, origin, tools=network.tools, seconds=seconds
        )
        (artifact / REPORT_NAME).write_text(kept.as_json(), encoding="utf-8")
        (staged / MANIFEST_NAME).write_text(format_manifest(manifest), encoding="utf-8")
        return QuantizationReport(
            manifest,
            float(self._right(before).mean()),
            float(self._right(after).mean()),
            len(one),
            same,
            largest,
            self._latency_before_ms,
            latency,
            self._manifest.artifact.size_bytes,
            seconds,
        )

    def _keep_source(self, staged: Path) -> Source:
        name = f"{self._request.version}.onnx"
        shutil.copyfile(self._float, staged / name)
        return Source(
            file=name, format="onnx", sha256=self._manifest.artifact.sha256, size_bytes=self._float.stat().st_size
        )

    def _write_golden(self, staged: Path, runtime: Runtime) -> Artifact:
        """Keep the version's golden images with the answers of the 8-bit network."""
        inputs = read_arrays(self._folder / self._manifest.artifact.golden)["inputs"]
        batch = normalize(inputs.astype(np.float32), self._manifest.preprocessing.normalization)
        path, onnx = staged / ARTIFACT_FOLDER / "golden.npz", staged / ARTIFACT_FOLDER / "model.onnx"
        golden.write_golden(path, inputs, np.concatenate([runtime.run(image[None]) for image in batch]))
        return Artifact(
            file=onnx.relative_to(staged).as_posix(),
            sha256=sha256_file(onnx),
            size_bytes=onnx.stat().st_size,
            output=self._manifest.artifact.output,
            golden=path.relative_to(staged).as_posix(),
            golden_sha256=sha256_file(path),
            golden_tolerance=GOLDEN_TOLERANCE,
        )


def _evaluation(scores: Scores, right: NDArray[np.bool_], latency_ms: float) -> Evaluation:
    low, high = wilson_interval(int(right.sum()), len(right))
    return Evaluation(
        dataset=scores.images.name,
        images=len(right),
        accuracy=round(float(right.mean()), 4),
        accuracy_low=round(low, 4),
        accuracy_high=round(high, 4),
        latency_ms=round(latency_ms, 3),
    )
