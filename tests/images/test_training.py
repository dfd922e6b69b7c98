"""The intake hands a network what Keras handed it in training, from the same files. Runs Keras itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from splitleaf.core.errors import ImportRefused
from splitleaf.core.preprocessing import ColorOrder, Fit, InputSpec, ResizeFilter
from splitleaf.images.decoded import decode_image
from splitleaf.importing.interpreter import find_import_python
from tests.images.corpus.images import jpeg, photo, png

pytestmark = [pytest.mark.importer, pytest.mark.slow, pytest.mark.timeout(300)]

SCRIPT = Path(__file__).parent / "golden" / "keras_dataset.py"
HEIGHT, WIDTH = 60, 88
FILES = {
    "a.png": png(photo(320, 240)),
    "b.png": png(photo(77, 131)),
    "c.png": png(photo(50, 40)),
    "d.jpg": jpeg(photo(320, 240)),
    "e.jpg": jpeg(photo(201, 333), subsampling=0),
}


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory: pytest.TempPathFactory) -> dict[str, npt.NDArray[np.float32]]:
    """By interpolation, fit and colour mode: one tensor for each file, in order."""
    try:
        python = find_import_python()
    except ImportRefused as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the import environment: {error}")
        pytest.skip("no import environment; `make import-env` makes it")
    folder = tmp_path_factory.mktemp("photos")
    (folder / "leaf").mkdir()
    for name, data in FILES.items():
        (folder / "leaf" / name).write_bytes(data)
    result = folder / "result.npz"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [python, SCRIPT, folder, result], env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(np.load(result))


@pytest.mark.parametrize("mode", ["rgb", "grayscale"])
@pytest.mark.parametrize("fit", [Fit.STRETCH, Fit.CROP])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "area"])
def test_a_tensor_is_the_one_of_training(
    trained_on: dict[str, npt.NDArray[np.float32]], interpolation: str, fit: Fit, mode: str
) -> None:
    color = ColorOrder.GRAY if mode == "grayscale" else ColorOrder.RGB
    spec = InputSpec(HEIGHT, WIDTH, color, ResizeFilter(f"tf-{interpolation}"), fit, exif_orientation=False)
    tensors = trained_on[f"{interpolation}|{fit}|{mode}"]
    assert len(tensors) == len(FILES)
    for (name, data), expected in zip(FILES.items(), tensors, strict=True):
        (tensor,) = decode_image(data, [spec]).tensors
        ours = np.frombuffer(tensor.data, tensor.dtype).reshape(tensor.shape).astype(np.float64)
        far = np.abs(ours - expected)
        # TensorFlow decodes JPEG with the fast DCT, about a level away, and rounds grey in another way.
        exact = name.endswith("png") and mode == "rgb"
        assert far.max() <= 5e-3 if exact else far.mean() <= 1.5, (name, far.mean(), far.max())
