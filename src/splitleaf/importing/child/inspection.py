"""What a file is and whether it is harmless, found out without running or importing anything of Keras."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .refusals import Refused

MAX_SOURCE_BYTES = 2 << 30

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class Inspection:
    """What is known of a source before it runs."""

    format: str
    """As in the manifest: `h5-keras2`, `h5-keras3`, `keras`, `savedmodel`, `onnx`."""
    loader: str
    """Who can load it: `keras2-h5`, `keras3-h5`, `keras2-zip`, `keras3-zip`, `savedmodel`; empty for ONNX."""
    keras_version: str = ""
    layers: dict[str, int] = field(default_factory=dict)
    """How often each class (or, for SavedModel and ONNX, operation) occurs."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def inspect(source: Path) -> Inspection:
    """Inspect a file or a SavedModel folder. Raises `Refused` with the reason."""
    refuse_non_models(source)
    if source.is_dir():
        return _inspect_folder(source)
    size = source.stat().st_size
    if size > MAX_SOURCE_BYTES:
        raise Refused("too_large", f"{source.name} has {size:,} bytes; at most {MAX_SOURCE_BYTES:,} are read")
    with source.open("rb") as file:
        head = file.read(1024)
    return _inspect_file(source, head)


def refuse_non_model(head: bytes, name: str) -> None:
    """Refuse what is often found under a model's name and is none: it deserves a message of its own."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        raise Refused("source_empty", f"{name} is empty")
    if head.startswith(_LFS):
        raise Refused(
            "source_lfs_pointer",
            f"{name} is a Git LFS pointer, not the model itself: run `git lfs pull` where it was cloned",
        )
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise Refused(
            "source_is_html", f"{name} is a web page, not a model: the download link led to a page; download the file"
        )


def refuse_non_models(source: Path) -> None:
    """Refuse what needs no import environment to be told apart from a model."""
    if not source.exists():
        raise Refused("source_missing", f"there is no file {source}")
    odd = [one for one in (source, *source.rglob("*")) if not one.is_file() and not one.is_dir()]
    if odd:
        # A FIFO would be waited for, a device read without end.
        raise Refused("unknown_format", f"{odd[0].name} is neither a file nor a folder, but a FIFO, say, or a device")
    if source.is_file():
        with source.open("rb") as file:
            refuse_non_model(file.read(1024), source.name)


def _inspect_folder(source: Path) -> Inspection:
    from . import saved_model

    if not (source / "saved_model.pb").is_file():
        raise Refused("unknown_format", f"{source.name} is a folder without saved_model.pb: not a SavedModel")
    return saved_model.inspect_saved_model(source)


def _inspect_file(source: Path, head: bytes) -> Inspection:
    if head.startswith(_HDF5):
        from . import hdf5

        return hdf5.inspect_h5(source)
    if head.startswith((_ZIP, _EMPTY_ZIP)):
        from . import keras_zip

        return keras_zip.inspect_keras_zip(source)
    if source.suffix.lower() == ".onnx":
        from . import onnx_file

        return onnx_file.inspect_onnx(source)
    raise Refused(*_explain_unknown(source.name, head))


def _explain_unknown(name: str, head: bytes) -> tuple[str, str]:
    accepted = "accepted are .h5, .keras, .onnx and SavedModel folders"
    if head[4:8] == b"TFL3":
        return "unknown_format", f"{name} is a TensorFlow Lite file; import the model it was made from ({accepted})"
    if head.startswith(b"\x80") and name.endswith((".pkl", ".pickle", ".pt", ".pth", ".joblib")):
        return "unknown_format", f"{name} is a pickle, which runs code when it is read ({accepted})"
    if name.endswith(".json"):
        return "unknown_format", f"{name} holds an architecture without weights ({accepted})"
    return "unknown_format", f"{name} is not a model in a known format, or its beginning is damaged ({accepted})"
