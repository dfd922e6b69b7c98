"""H5 files of Keras: nothing outside the file, numbers only, bounded sizes, a checked architecture.

tf_keras reads external storage (any local file's bytes as weights) and runs a Lambda's code at load; so
all of it is checked with h5py alone before anything of Keras sees the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import keras_config
from .refusals import Refused
from .source import Inspection

MAX_WEIGHT_BYTES = 4 << 30
MAX_CONFIG_BYTES = 32 << 20
_MAX_OBJECTS = 100_000
_MAX_DEPTH = 64
_SAFE_FILTERS = frozenset({1, 2, 3})  # deflate, shuffle, fletcher32: built in; others may load a plug-in


def inspect_h5(source: Path) -> Inspection:
    """Inspect a whole model saved as H5. Raises `Refused`."""
    with open_h5(source) as file:
        check_tree(file)
        config = _attribute(file, "model_config")
        version = _attribute(file, "keras_version") or _weights_version(file)
    if config is None:
        raise Refused(
            "weights_only",
            f"{source.name} holds weights without an architecture (saved by `save_weights`): "
            "build the model, load these weights, and save it whole with `model.save('model.keras')`",
        )
    layers = keras_config.check_config(keras_config.parse_config(config))
    major = _major(version, source.name)
    return Inspection(f"h5-keras{major}", f"keras{major}-h5", version or "", layers)


def open_h5(path: Path) -> Any:
    """Open an HDF5 file for reading. Raises `Refused` for one that is truncated or damaged."""
    import h5py

    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if "truncated" in str(error):
            raise Refused("source_truncated", f"{path.name} is cut off: the download or copy did not finish") from error
        raise Refused("source_damaged", f"{path.name} is damaged: {error}") from error


def check_tree(file: Any) -> int:
    """Walk everything in the file; return how many bytes its weights take. Raises `Refused`."""
    seen: set[int] = set()
    total = 0
    waiting: list[tuple[Any, int]] = [(file, 0)]
    while waiting:
        group, depth = waiting.pop()
        if depth > _MAX_DEPTH or len(seen) > _MAX_OBJECTS:
            raise Refused("too_large", "the file's tree is too deep or has too many objects")
        for name in group:
            child = _resolve(group, name)
            address = _address(child)
            if address in seen:
                continue
            seen.add(address)
            if _is_group(child):
                waiting.append((child, depth + 1))
            else:
                total += _check_dataset(child)
                if total > MAX_WEIGHT_BYTES:
                    raise Refused("too_large", f"its weights would take more than {MAX_WEIGHT_BYTES:,} bytes")
    return total


def _resolve(group: Any, name: str) -> Any:
    import h5py

    link = group.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise Refused("external_data", f"{group.name}/{name} links to another file ({link.filename!r})")
    if not isinstance(link, h5py.HardLink):
        raise Refused("external_data", f"{group.name}/{name} is a soft link; only plain contents are accepted")
    try:
        return group[name]
    except (OSError, KeyError, RuntimeError) as error:
        raise Refused("source_damaged", f"{group.name}/{name} cannot be read: {error}") from error


def _address(item: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(item.id).addr)


def _is_group(item: Any) -> bool:
    import h5py

    return isinstance(item, h5py.Group)


def _check_dataset(item: Any) -> int:
    import h5py

    if not isinstance(item, h5py.Dataset):
        raise Refused("unsupported_tensor", f"{item.name} is neither a group nor numbers")
    if item.dtype.kind not in "fiub":
        raise Refused("unsupported_tensor", f"{item.name} does not hold numbers but {item.dtype}")
    if item.external is not None:
        raise Refused("external_data", f"{item.name} takes its values from another file; that is refused")
    if item.is_virtual:
        raise Refused("external_data", f"{item.name} is put together from other datasets or files; that is refused")
    plan = item.id.get_create_plist()
    if any(plan.get_filter(index)[0] not in _SAFE_FILTERS for index in range(plan.get_nfilters())):
        raise Refused("unsupported_tensor", f"{item.name} is stored through an unusual filter")
    return int(item.size or 0) * int(item.dtype.itemsize)


def _attribute(item: Any, name: str) -> str | None:
    if name not in item.attrs:
        return None
    kind = item.attrs.get_id(name)
    if kind.get_storage_size() > MAX_CONFIG_BYTES:
        raise Refused("too_large", f"its {name} is larger than {MAX_CONFIG_BYTES:,} bytes")
    value = item.attrs[name]
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        raise Refused("source_damaged", f"its {name} is not text")
    return value


def _weights_version(file: Any) -> str | None:
    """Files of Keras 1 and early Keras 2 keep the version next to the weights."""
    return _attribute(file["model_weights"], "keras_version") if "model_weights" in file else None


def _major(version: str | None, name: str) -> int:
    major = (version or "2").partition(".")[0]
    if major not in ("2", "3"):
        raise Refused("unknown_format", f"{name} was saved by Keras {version}; versions 2 and 3 are known")
    return int(major)
