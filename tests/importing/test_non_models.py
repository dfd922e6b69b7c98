from __future__ import annotations

import os
from pathlib import Path

import pytest

from splitleaf.importing.child.inspection import inspect
from splitleaf.importing.child.source import MAX_SOURCE_BYTES
from tests.importing.files import write_h5
from tests.importing.refusing import refused

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 132735373\n"


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("leaf.h5", b"", "source_empty", "is empty"),
        ("leaf.h5", LFS, "source_lfs_pointer", "git lfs pull"),
        ("leaf.onnx", LFS, "source_lfs_pointer", "git lfs pull"),
        ("leaf.h5", b"<!DOCTYPE html><title>Sign in", "source_is_html", "web page"),
        ("leaf.keras", b"\xef\xbb\xbf\r\n <HTML><body>", "source_is_html", "web page"),
        ("leaf.h5", b"<?xml version='1.0'?><Error>AccessDenied", "source_is_html", "web page"),
        ("leaf.tflite", b"\x1c\0\0\0TFL3\0\0", "unknown_format", "TensorFlow Lite"),
        ("leaf.pkl", b"\x80\x04\x95", "unknown_format", "runs code"),
        ("leaf.json", b'{"class_name": "Model"}', "unknown_format", "without weights"),
        ("leaf.h5", b"\0" * 64, "unknown_format", "beginning is damaged"),
    ],
)
def test_what_is_found_under_a_models_name_is_called_what_it_is(
    tmp_path: Path, name: str, content: bytes, code: str, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with refused(code, words):
        inspect(tmp_path / name)


def test_a_file_that_is_not_there_is_called_missing(tmp_path: Path) -> None:
    with refused("source_missing"):
        inspect(tmp_path / "leaf.h5")


def test_a_file_of_more_than_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "leaf.h5")
    os.truncate(path, MAX_SOURCE_BYTES + 1)  # sparse: takes no room on the disk
    with refused("too_large", "2,147,483,649 bytes"):
        inspect(path)
