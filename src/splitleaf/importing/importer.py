"""The path of a file to a served version: inspect, convert, choose, prove, measure, publish."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splitleaf.core.clock import Clock, SystemClock, as_rfc3339
from splitleaf.core.errors import Conflict, ImportRefused
from splitleaf.engine.normalization import normalize
from splitleaf.importing import golden, parity
from splitleaf.importing.auxiliary_outputs import baseline_of, write_auxiliary_outputs
from splitleaf.importing.calibration import CalibrationFit, fit_temperature
from splitleaf.importing.child.source import MAX_SOURCE_BYTES
from splitleaf.importing.conversion import Network, convert_source, original_answers
from splitleaf.importing.declarations import read_declarations
from splitleaf.importing.evaluation import score
from splitleaf.importing.images import find_images, read_all, read_labelled_folder
from splitleaf.importing.interpreter import find_import_python
from splitleaf.importing.labels import canonical
from splitleaf.importing.reference import Reference, fit_reference
from splitleaf.importing.report import ImportReport
from splitleaf.importing.request import ImportRequest, Progress, ProgressCallback
from splitleaf.importing.sandbox import Sandbox, network_is_cut
from splitleaf.importing.selection import Selection, select
from splitleaf.importing.statistics import wilson_interval
from splitleaf.registry.catalogue import is_draft
from splitleaf.registry.digests import sha256_file, sha256_tree, size_bytes
from splitleaf.registry.manifest import (
    MANIFEST_NAME,
    VERSION_PATTERN,
    Artifact,
    Calibration,
    Evaluation,
    Manifest,
    Preprocessing,
    Source,
)
from splitleaf.registry.manifest_writing import format_manifest
from splitleaf.registry.reports import REPORT_NAME
from splitleaf.registry.staging import artifact_folder_name, publish, staged_folder

MAX_PARITY_IMAGES = 1000
_REAL_GOLDEN = 12


def import_model(
    request: ImportRequest, progress: ProgressCallback = lambda _: None, clock: Clock | None = None
) -> ImportReport:
    """Import one file as one version; it is served from the moment this returns.

    Raises:
        ImportRefused: the file cannot become a version; `error_code` says why.
        Conflict: the version is imported already and `replace` is not set.
        ConfigurationError: `repository.toml` or the draft of `model.toml` is wrong.
    """
    return _Import(request, progress, clock or SystemClock()).run()


class _Import:
    """One import under way: its steps share the request and what was read of the repository."""

    def __init__(self, request: ImportRequest, progress: ProgressCallback, clock: Clock) -> None:
        self._request = request
        self._progress = progress
        self._clock = clock
        self._folder = request.models_dir / request.version
        self._sandbox: Sandbox | None = None
        self._check_target()
        self._declarations = read_declarations(request, self._folder)

    def run(self) -> ImportReport:
        started = self._clock.monotonic()
        digest = self._source_digest()
        with staged_folder(self._request.models_dir) as staging:
            staged = staging / "version"
            artifact = staged / artifact_folder_name(self._folder, digest)
            artifact.mkdir(parents=True)
            report = self._make(staged, artifact, digest, started)
            if self._source_digest() != digest:
                raise ImportRefused("the file changed during its import", code="source_changed")
            self._progress(Progress("publishing"))
            publish(staged, self._folder)
        return report

    def _make(self, staged: Path, artifact: Path, digest: str, started: float) -> ImportReport:
        network = convert_source(
            self._request.source,
            artifact / "model.onnx",
            self._declarations.preprocessing_draft().size,
            self._child,
            self._request.limits,
            lambda step: self._progress(Progress(step)),
        )
        with closing(network.runtime):
            return self._describe(network, staged, artifact, digest, started)

    def _describe(self, network: Network, staged: Path, artifact: Path, digest: str, started: float) -> ImportReport:
        selection = self._select(network)
        labels, labels_origin = self._declarations.labelling.choose(network.classes, selection)
        preprocessing, origin = self._declarations.preprocessing(network, selection)
        calibration = self._calibrate(network, preprocessing, labels)
        temperature = calibration.temperature if calibration else 1.0
        proof = self._prove(network, preprocessing, artifact, selection)
        reference = self._fit_reference(network, preprocessing)
        baseline = baseline_of(reference, network, labels, temperature) if reference else None
        manifest = Manifest(
            **self._declarations.manifest_entries(labels, reference.detector.limit if reference else None),
            imported_at=as_rfc3339(self._clock.now_ms()),
            labels=labels,
            preprocessing=preprocessing,
            calibration=Calibration(temperature=temperature),
            source=self._keep_source(staged, network, digest),
            artifact=_describe_artifact(staged, artifact, network),
            insight=write_auxiliary_outputs(artifact, network, preprocessing, reference, baseline),
            evaluation=self._evaluation(network, selection),
        )
        report = ImportReport(
            manifest,
            self._folder,
            network.layers,
            proof,
            labels_origin,
            origin.words,
            selection.table if selection else (),
            selection.orders if selection else (),
            calibration,
            selection.scores.refused if selection else 0,
            (*origin.warnings, *(selection.warnings if selection else ())),
            network.tools,
            {"network_cut": network_is_cut()} if self._sandbox else {},
            self._clock.monotonic() - started,
        )
        (artifact / REPORT_NAME).write_text(report.as_json(), encoding="utf-8")
        (staged / MANIFEST_NAME).write_text(format_manifest(manifest), encoding="utf-8")
        return report

    def _check_target(self) -> None:
        if not re.fullmatch(VERSION_PATTERN, self._request.version):
            raise ImportRefused(f"{self._request.version!r} is not a name for a version", code="invalid_version")
        if not self._request.replace and not is_draft(self._folder):
            raise Conflict(
                f"{self._request.version} is imported already; a version is immutable: give the file a new name, "
                "or replace it with --replace",
                code="version_exists",
            )
        if not self._request.source.exists():
            raise ImportRefused(f"there is no file {self._request.source}", code="source_missing")
        if size_bytes(self._request.source) > MAX_SOURCE_BYTES:
            raise ImportRefused(f"it is larger than {MAX_SOURCE_BYTES:,} bytes", code="too_large")

    def _source_digest(self) -> str:
        return sha256_tree(self._request.source)

    def _child(self) -> Sandbox:
        if self._sandbox is None:
            self._sandbox = Sandbox(find_import_python(self._request.import_python), self._request.limits)
        return self._sandbox

    # What is measured

    def _select(self, network: Network) -> Selection | None:
        if self._request.evaluate is None:
            return None
        images = read_labelled_folder(self._request.evaluate)
        return select(
            network.runtime,
            images,
            self._declarations.declared(network),
            classes=network.classes,
            output=network.output,
            tick=lambda step, done, total: self._progress(Progress(f"trying preprocessings: {step}", done, total)),
        )

    def _calibrate(
        self, network: Network, preprocessing: Preprocessing, labels: Sequence[str]
    ) -> CalibrationFit | None:
        if self._request.calibrate is None:
            return None
        images = read_labelled_folder(self._request.calibrate)
        names = [canonical(folder, labels) for folder in images.folders]
        unknown = sorted(set(names) - set(labels))
        if unknown:
            raise ImportRefused(f"folders without a label: {', '.join(unknown)}", code="labels_do_not_fit")
        scores = score(
            network.runtime,
            images,
            [preprocessing],
            lambda done, total: self._progress(Progress("calibrating", done, total)),
        )
        columns = np.array([labels.index(name) for name in names], dtype=np.int64)
        return fit_temperature(scores.outputs[preprocessing], columns[scores.images.truth], network.output)

    def _fit_reference(self, network: Network, preprocessing: Preprocessing) -> Reference | None:
        if self._request.reference is None:
            return None

        def tick(done: int, total: int) -> None:
            self._progress(Progress("fitting the out-of-distribution detector", done, total))

        images = read_labelled_folder(self._request.reference)
        held_out = read_labelled_folder(self._request.calibrate) if self._request.calibrate else None
        return fit_reference(network.runtime, network.head, preprocessing, images, held_out, tick)

    def _prove(
        self, network: Network, preprocessing: Preprocessing, artifact: Path, selection: Selection | None
    ) -> parity.Parity:
        self._progress(Progress("proving parity"))
        spec = preprocessing.input_spec
        synthetic = golden.synthetic_images(spec, golden.MAX_GOLDEN)
        kept = self._golden_images(preprocessing)
        real = [*kept, *self._parity_images(preprocessing, selection)]
        inputs = np.concatenate([synthetic, np.stack(real)]) if real else synthetic
        batch = normalize(inputs.astype(np.float32), preprocessing.normalization)
        found = np.concatenate([network.runtime.run(image[None]) for image in batch])
        expected = original_answers(network, batch, self._child()) if network.loader else found
        proof = parity.compare(
            expected,
            found,
            output=network.output,
            random_pictures=len(synthetic),
            reference="the original in its own framework" if network.loader else "itself: an ONNX source has no other",
            nudged=lambda: original_answers(network, parity.nudge(batch), self._child()),
        )
        # Golden: half of either kind where there are real ones, and what the original said of them.
        first = len(synthetic) - len(kept)
        places = [*range(first), *range(len(synthetic), len(synthetic) + len(kept))]
        golden.write_golden(artifact / "golden.npz", inputs[places], expected[places])
        return proof

    def _golden_images(self, preprocessing: Preprocessing) -> list[NDArray[np.generic]]:
        if self._request.golden is None:
            return []
        return read_all(find_images(self._request.golden, _REAL_GOLDEN), preprocessing.input_spec)

    def _parity_images(self, preprocessing: Preprocessing, selection: Selection | None) -> list[NDArray[np.generic]]:
        if selection is None:
            return []
        paths = selection.scores.images.paths
        step = -(-len(paths) // MAX_PARITY_IMAGES)
        return read_all(paths[::step], preprocessing.input_spec)

    def _evaluation(self, network: Network, selection: Selection | None) -> Evaluation | None:
        if selection is None:
            return None
        self._progress(Progress("measuring latency"))
        right = selection.right
        low, high = wilson_interval(int(right.sum()), len(right))
        return Evaluation(
            dataset=selection.scores.images.name,
            images=len(right),
            accuracy=round(float(right.mean()), 4),
            accuracy_low=round(low, 4),
            accuracy_high=round(high, 4),
            latency_ms=round(network.runtime.latency_ms(network.shape), 3),
        )

    def _keep_source(self, staged: Path, network: Network, digest: str) -> Source:
        source = self._request.source.resolve()
        if source.is_relative_to(self._folder.resolve()):
            name = source.relative_to(self._folder.resolve()).as_posix()
        else:
            name = source.name
            copy = shutil.copytree if source.is_dir() else shutil.copyfile
            copy(source, staged / name)
        return Source(
            file=name,
            format=network.format,
            keras_version=network.keras_version,
            sha256=digest,
            size_bytes=size_bytes(source),
        )


def _describe_artifact(staged: Path, artifact: Path, network: Network) -> Artifact:
    onnx, images = artifact / "model.onnx", artifact / "golden.npz"
    return Artifact(
        file=onnx.relative_to(staged).as_posix(),
        sha256=sha256_file(onnx),
        size_bytes=onnx.stat().st_size,
        output=network.output,
        golden=images.relative_to(staged).as_posix(),
        golden_sha256=sha256_file(images),
    )
