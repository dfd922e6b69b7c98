"""What is known of a source before it runs, and what is no model at all."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .refusals import Refused

MAX_SOURCE_BYTES = 2 << 30

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
    """Refuse what needs no import environment to be distinguished from a model."""
    if not source.exists():
        raise Refused("source_missing", f"there is no file {source}")
    odd = [one for one in (source, *source.rglob("*")) if not one.is_file() and not one.is_dir()]
    if odd:
        # A FIFO would be waited for, a device read without end.
        raise Refused("unknown_format", f"{odd[0].name} is neither a file nor a folder, but a FIFO, say, or a device")
    if source.is_file():
        with source.open("rb") as file:
            refuse_non_model(file.read(1024), source.name)
