"""Models that Keras itself saved, in each of its formats, imported for real."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.importing.child import inspection
from splitleaf.importing.importer import import_model
from splitleaf.importing.labels import parse_labels
from splitleaf.importing.request import ImportRequest
from splitleaf.importing.sandbox import Limits
from tests.importing.refusing import refused

pytestmark = [pytest.mark.importer, pytest.mark.slow, pytest.mark.timeout(600)]

LABELS = parse_labels("a,b,c,d")


@pytest.fixture(scope="session")
def saved(import_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small models; see `keras_maker.py`."""
    folder = tmp_path_factory.mktemp("saved")
    maker = Path(__file__).with_name("keras_maker.py")
    made = subprocess.run([import_python, maker, folder], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-3000:]
    return folder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("keras2.h5", ("h5-keras2", "2.")),
        ("keras2.keras", ("keras", "2.")),
        ("tensorflow2", ("savedmodel", "tensorflow 2.")),
        ("trained2.keras", ("keras", "2.")),  # with a functional inner model, and the state of training
        ("keras3.h5", ("h5-keras3", "3.")),
        ("keras3.keras", ("keras", "3.")),
        ("inner3.h5", ("h5-keras3", "3.")),  # whose loader forgets the state of inner layers
        ("export3", ("savedmodel", "tensorflow 2.")),
    ],
)
def test_each_format_is_imported_and_answers_as_its_own_keras_did(
    saved: Path, tmp_path: Path, import_python: Path, name: str, kind: tuple[str, str]
) -> None:
    request = ImportRequest(saved / name, "v1", tmp_path, labels=LABELS, import_python=import_python)
    report = import_model(request)
    manifest = report.manifest
    assert manifest.source.format == kind[0]
    assert manifest.source.keras_version.startswith(kind[1])
    assert report.parity.same_top_1 == report.parity.images == 16
    expected = np.load(saved / f"{name}.npy")
    assert len(set(expected.argmax(axis=1))) > 1
    found = OnnxRuntime(tmp_path / "v1" / manifest.artifact.file).run(np.load(saved / "images.npy"))
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.abs(found - expected).max() < 1e-4


def test_weights_that_the_loader_lost_are_refused_by_name(saved: Path, import_python: Path, tmp_path: Path) -> None:
    # As if there were one more such fault in a loader: the state of inner layers stays as it was before loading.
    child = Path(inspection.__file__).parent
    script = f"""if True:
        import importlib, pathlib, sys
        sys.path.insert(0, {str(child)!r})
        import bootstrap
        bootstrap.load_package(pathlib.Path({str(child)!r}))
        conversion = importlib.import_module("splitleaf_import_child.conversion")
        conversion._finalize_state = lambda model: None
        source, target = pathlib.Path({str(saved / "inner3.h5")!r}), pathlib.Path({str(tmp_path / "inner.onnx")!r})
        try:
            conversion.convert(source, "keras3-h5", target, None)
        except conversion.Refused as refusal:
            print(refusal.code, refusal.message)
    """
    said = subprocess.run([import_python, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "weights_lost" in said
    assert "normalization/mean" in said


def test_the_code_of_a_lambda_never_runs(saved: Path, tmp_path: Path, import_python: Path) -> None:
    source, sprung = saved / "lambda.h5", saved / "sprung"
    with refused("lambda_layer", "never run"):
        import_model(ImportRequest(source, "v1", tmp_path, labels=LABELS, import_python=import_python))
    assert not sprung.exists()
    assert list(tmp_path.iterdir()) == []
    # The trap is a real one: Keras' own loader springs it.
    load = f"import tf_keras; tf_keras.models.load_model({str(source)!r})"
    subprocess.run([import_python, "-c", load], capture_output=True, check=False)
    assert sprung.exists()
    sprung.unlink()


def test_an_export_that_answers_at_random_is_refused(saved: Path, tmp_path: Path, import_python: Path) -> None:
    with refused("random_answers", "RandomFlip"):
        import_model(ImportRequest(saved / "random3", "v1", tmp_path, labels=LABELS, import_python=import_python))


def test_weights_alone_are_refused(saved: Path, tmp_path: Path, import_python: Path) -> None:
    with refused("weights_only"):
        import_model(ImportRequest(saved / "weights.h5", "v1", tmp_path, labels=LABELS, import_python=import_python))


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(memory_bytes=1 << 30), "conversion_failed"),
        (Limits(cpu_s=1), "conversion_failed"),
        (Limits(timeout_s=1.5), "import_timed_out"),
    ],
    ids=["memory", "processor time", "time"],
)
def test_a_child_that_takes_too_much_is_ended_and_said(
    saved: Path, tmp_path: Path, import_python: Path, limits: Limits, code: str
) -> None:
    request = ImportRequest(
        saved / "keras2.h5", "v1", tmp_path, labels=LABELS, import_python=import_python, limits=limits
    )
    started = time.monotonic()
    with refused(code):
        import_model(request)
    assert time.monotonic() - started < 60
    assert list(tmp_path.iterdir()) == []
