"""The tasks of a child process, and how their outcome is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import inspection
from .refusals import Refused

Request = dict[str, Any]
Result = dict[str, Any]


def perform(request: Request) -> Result:
    """Do one task. Returns `{"done": ...}`, `{"refused": ...}` or, for what no one foresaw, `{"failed": ...}`."""
    try:
        return {"done": _TASKS[request["task"]](request)}
    except Refused as refusal:
        return {"refused": {"code": refusal.code, "message": refusal.message}}
    except MemoryError:
        return {"refused": {"code": "too_large", "message": "the file needs more memory than an import may take"}}
    except Exception as error:  # noqa: BLE001 - the parent shows it as a failed import
        return {"failed": {"type": type(error).__name__, "message": str(error)[:2000]}}


def _inspect(request: Request) -> Result:
    return inspection.inspect(Path(request["source"])).as_dict()


def _convert(request: Request) -> Result:
    from . import conversion

    return conversion.convert(
        Path(request["source"]), request["loader"], Path(request["onnx"]), tuple(request["size"] or ()) or None
    )


def _predict(request: Request) -> Result:
    from . import conversion

    return conversion.predict(
        Path(request["source"]),
        request["loader"],
        Path(request["inputs"]),
        Path(request["outputs"]),
        tuple(request["size"] or ()) or None,
    )


def _quantize(request: Request) -> Result:
    from . import quantization

    return quantization.quantize(
        Path(request["source"]), Path(request["onnx"]), Path(request["images"]), request["keep_after"]
    )


_TASKS: dict[str, Callable[[Request], Result]] = {
    "inspect": _inspect,
    "convert": _convert,
    "predict": _predict,
    "quantize": _quantize,
}
