"""A Keras architecture as JSON: every class, module and function it names must be on the allow-list.

What is not listed is refused: a Lambda holds code, a custom class needs code that is not in the file, and
several standard layers read files or load further models by path.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from .allowlist import ACTIVATIONS, CALLERS, CLASSES, LAYERS, MODULES, OPERATION_CLASSES, TENSOR_FUNCTIONS, VALUES
from .refusals import Refused

_MAX_NODES = 2_000_000
_MAX_DEPTH = 200


def parse_config(text: str) -> dict[str, Any]:
    """Parse the JSON of an architecture. Raises `Refused`."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("source_damaged", "its architecture is not valid JSON") from error
    if not isinstance(config, dict) or "class_name" not in config:
        raise Refused("source_damaged", "its architecture does not describe a model")
    return config


def check_config(config: dict[str, Any]) -> dict[str, int]:
    """Check an architecture; return how often each layer class occurs. Raises `Refused`."""
    layers: Counter[str] = Counter()
    waiting: list[tuple[Any, int]] = [(config, 0)]
    nodes = 0
    while waiting:
        value, depth = waiting.pop()
        nodes += 1
        if nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise Refused("too_large", "its architecture is too large or too deeply nested")
        if isinstance(value, dict):
            name = _check_object(value)
            if name in LAYERS:
                layers[name] += 1
            waiting.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            waiting.extend((inner, depth + 1) for inner in value)
    return dict(sorted(layers.items()))


def _check_object(value: dict[str, Any]) -> str:
    _check_module(value)
    activation = value.get("activation")
    if isinstance(activation, str) and activation not in ACTIVATIONS:
        raise Refused("custom_object", f"it uses the activation {activation!r}, which is not one of Keras'")
    if "class_name" not in value:
        return ""
    name = value["class_name"]
    if not isinstance(name, str):
        raise Refused("source_damaged", "a class name in its architecture is not text")
    if name in ("Lambda", "__lambda__"):
        raise Refused(
            "lambda_layer",
            f"it has a Lambda layer ({_given_name(value)}): code inside the file, which is never run. "
            "Replace it by a layer such as Rescaling, or leave it out and state it as preprocessing",
        )
    if name == "function":
        _check_function(value)
    elif name in CALLERS:
        _check_tensor_function(value)
    elif name not in CLASSES:
        raise Refused(
            "custom_object",
            f"it uses the class {name!r}, which is not on the list of layers that are known to be harmless",
        )
    elif name in OPERATION_CLASSES and name not in LAYERS and not _is_operation(value):
        raise Refused("custom_object", f"it uses {name!r} in a way that Keras does not write")
    return name


def _check_module(value: dict[str, Any]) -> None:
    if "class_name" not in value:
        return
    registered = value.get("registered_name")
    if registered is not None and ">" in str(registered):
        raise Refused("custom_object", f"it uses the custom class {registered!r}, whose code is not in the file")
    module = value.get("module")
    if module is None or (value["class_name"] == "function" and module == "builtins"):
        return
    if not isinstance(module, str) or not re.fullmatch(MODULES, module):
        raise Refused("custom_object", f"it uses {value['class_name']!r} of the module {module!r}, not one of Keras'")


def _is_operation(value: dict[str, Any]) -> bool:
    module = value.get("module")
    return isinstance(module, str) and ("ops" in module.split(".") or module.startswith("keras.src.layers"))


def _check_function(value: dict[str, Any]) -> None:
    """Keras 3 writes activation functions as objects."""
    if value.get("module") != "builtins" or value.get("config") not in ACTIVATIONS:
        raise Refused("custom_object", f"it uses the function {value.get('config')!r}, which is not one of Keras'")


def _check_tensor_function(value: dict[str, Any]) -> None:
    """Keras 2 writes operators between layers as calls of named TensorFlow functions."""
    config = value.get("config")
    function = config.get("function") if isinstance(config, dict) else None
    if function not in TENSOR_FUNCTIONS:
        raise Refused("custom_object", f"it calls the TensorFlow function {function!r}, which is not plain arithmetic")


def _given_name(value: dict[str, Any]) -> str:
    config = value.get("config")
    return str(config.get("name", "unnamed")) if isinstance(config, dict) else "unnamed"


assert VALUES <= CLASSES
