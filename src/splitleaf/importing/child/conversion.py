"""Keras to ONNX: freeze the inference function and convert its graph. Runs in the import environment.

The one route that is right for both Keras 2 and 3: a function with one named input and `training=False`,
its variables turned into constants, then `tf2onnx.convert.from_graph_def`. Other routes fail silently (extra
graph inputs, invalid files for random layers), which is why the importer proves parity afterwards.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .refusals import Refused
from .weights import check_weights

OPSET = 18
_BATCH = 16

Size = tuple[int, int]


@dataclass(frozen=True)
class Original:
    """The model as its own framework runs it: float32 images (n, h, w, c) to scores (n, classes)."""

    run: Callable[[Any], Any]
    shape: tuple[int, int, int]
    classes: int


def convert(source: Path, loader: str, target: Path, size: Size | None) -> dict[str, Any]:
    """Write `target` as ONNX; return the input's shape, the number of classes and the versions used."""
    import tensorflow as tf
    import tf2onnx

    original = load(source, loader, size)
    spec = tf.TensorSpec([None, *original.shape], tf.float32, name="image")
    concrete = tf.function(lambda image: tf.identity(original.run(image), name="scores")).get_concrete_function(spec)
    frozen = _freeze(concrete)
    if loader != "savedmodel":
        check_weights(source, loader.partition("-")[2], frozen.graph)
    inputs = [tensor.name for tensor in frozen.inputs if tensor.dtype != tf.resource]
    model, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        input_names=inputs,
        output_names=[frozen.outputs[0].name],
        opset=OPSET,
        tensors_to_rename={inputs[0]: "image", frozen.outputs[0].name: "scores"},
    )
    target.write_bytes(model.SerializeToString())
    return {
        "shape": list(original.shape),
        "classes": original.classes,
        "tools": {"tensorflow": tf.__version__, "tf2onnx": tf2onnx.__version__},
    }


def _freeze(concrete: Any) -> Any:
    """Turn the variables of a function into constants. Raises `Refused` for one that changes its variables."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        return convert_variables_to_constants_v2(concrete)
    except ValueError as error:
        if "incompatible with expected resource" not in str(error):
            raise
        raise Refused(
            "random_answers",
            "it changes its own state with every answer: `export` keeps random layers (RandomFlip and the like) at "
            "work. Save it with `model.save('model.keras')`, or export it without them",
        ) from error


def predict(source: Path, loader: str, inputs: Path, outputs: Path, size: Size | None) -> dict[str, Any]:
    """Answer the array `inputs` (n, h, w, c) float32 with the original model, into the array file `outputs`."""
    import tensorflow as tf

    original = load(source, loader, size)
    images = np.load(inputs, mmap_mode="r", allow_pickle=False)
    # Traced, not converted: the original's own operations, without Python's overhead for each.
    run = tf.function(original.run, input_signature=[tf.TensorSpec([None, *original.shape], tf.float32)])
    answers = [
        np.asarray(run(tf.constant(np.ascontiguousarray(images[start : start + _BATCH]))))
        for start in range(0, len(images), _BATCH)
    ]
    np.save(outputs, np.concatenate(answers).astype(np.float32), allow_pickle=False)
    return {"images": len(images)}


def load(source: Path, loader: str, size: Size | None) -> Original:
    """Load a model that passed inspection. Raises `Refused`."""
    try:
        if loader == "savedmodel":
            run, shape, dtype, classes = _load_saved_model(source)
        else:
            run, shape, dtype, classes = _load_keras(source, loader)
    except Refused:
        raise
    except Exception as error:
        raise Refused("load_failed", _explain_failure(loader, error)) from error
    return Original(_with_dtype(run, dtype), _complete(shape, size), classes)


def _load_keras(source: Path, loader: str) -> tuple[Callable[[Any], Any], list[Any], str, int]:
    generation, _, container = loader.partition("-")
    if generation == "keras2":
        import tf_keras as framework
    else:
        import keras as framework
    # `safe_mode` of the Keras 2 H5 loader is without effect; that file has passed the allow-list before.
    options = {} if (generation, container) == ("keras2", "h5") else {"safe_mode": True}
    with _readable(source, container) as path:
        model = framework.models.load_model(path, compile=False, **options)
    _finalize_state(model)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise Refused(
            "not_a_classifier",
            f"one input and one output are needed; it has {len(model.inputs)} and {len(model.outputs)}",
        )
    (image,), (scores,) = model.inputs, model.outputs

    def run(images: Any) -> Any:
        answer = model(images, training=False)
        return answer[0] if isinstance(answer, list | tuple) else answer

    return run, list(image.shape), _dtype_name(image.dtype), _classes(list(scores.shape))


def _finalize_state(model: Any) -> None:
    """Let layers derive values from their loaded weights; the H5 loader of Keras 3 forgets those of inner models."""
    for layer in model._flatten_layers():  # noqa: SLF001 - Keras 2 and 3 have no public way through inner models
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def _readable(source: Path, container: str) -> Any:
    """Yield a path whose ending is what the loaders go by: users name H5 files `.keras` and the reverse."""
    ending = {"h5": ".h5", "zip": ".keras"}[container]

    class _Linked(tempfile.TemporaryDirectory[str]):
        def __enter__(self) -> str:
            link = Path(super().__enter__()) / f"model{ending}"
            link.symlink_to(source.resolve())
            return str(link)

    return _Linked()


def _load_saved_model(source: Path) -> tuple[Callable[[Any], Any], list[Any], str, int]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(source))
    signature = loaded.signatures.get("serving_default") or loaded.signatures.get("serve")
    if signature is None:
        raise Refused("not_a_classifier", "it has no serving signature; save it with `model.export(...)`")
    names, outputs = list(signature.structured_input_signature[1]), signature.structured_outputs
    if len(names) != 1 or len(outputs) != 1:
        raise Refused(
            "not_a_classifier", f"one input and one output are needed; it has {len(names)} and {len(outputs)}"
        )
    (name,), (output,) = names, list(outputs)
    image = signature.structured_input_signature[1][name]

    def run(images: Any, _kept: Any = loaded) -> Any:
        # `_kept`: the signature holds its variables weakly; without the model they would be gone.
        return signature(**{name: images})[output]

    return run, list(image.shape), image.dtype.name, _classes(list(outputs[output].shape))


def _with_dtype(run: Callable[[Any], Any], dtype: str) -> Callable[[Any], Any]:
    if dtype not in ("float32", "float16", "float64", "uint8", "int32", "bfloat16"):
        raise Refused("not_a_classifier", f"its input is {dtype}, not the pixels of an image")

    def as_float32(images: Any) -> Any:
        import tensorflow as tf

        return tf.cast(run(tf.cast(images, dtype)), tf.float32)

    return run if dtype == "float32" else as_float32


def _dtype_name(dtype: Any) -> str:
    return str(getattr(dtype, "name", dtype))


def _classes(shape: list[Any]) -> int:
    if len(shape) != 2 or shape[1] is None:
        raise Refused("not_a_classifier", f"its output is not one row of scores an image: {shape}")
    if int(shape[1]) < 2:
        raise Refused(
            "not_a_classifier",
            "it answers one number an image; a classifier with one output for each class (softmax) is needed",
        )
    return int(shape[1])


def _complete(shape: list[Any], size: Size | None) -> tuple[int, int, int]:
    if len(shape) != 4:
        raise Refused("not_a_classifier", f"its input is not a batch of images: {shape}")
    _, height, width, channels = shape
    if channels not in (1, 3):
        if height in (1, 3):
            raise Refused("input_layout", "channels come first in its input; save it with channels last")
        raise Refused("not_a_classifier", f"its images have {channels} channels; 1 or 3 are known")
    given = size or (None, None)
    height, width = height or given[0], width or given[1]
    if height is None or width is None:
        raise Refused(
            "input_size_unknown",
            "it takes images of any size: say which it was trained on, as in --preprocessing height=224,width=224",
        )
    return int(height), int(width), int(channels)


def _explain_failure(loader: str, error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0][:400]
    advice = ""
    if loader == "keras3-h5":
        advice = "; Keras 3 cannot read some of its own .h5 files again: save it as .keras"
    if isinstance(error, zipfile.BadZipFile | EOFError):
        advice = "; the file seems damaged"
    return f"it could not be loaded: {first}{advice}"
