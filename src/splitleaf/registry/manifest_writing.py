"""Manifests as TOML that people like to read."""

from __future__ import annotations

from typing import Any

import tomlkit

from splitleaf.registry.manifest import SCHEMA, Manifest

_REMARKS = {
    "labels": "In the order of the network's outputs.",
    "preprocessing": "What training did to a photo; proved by the golden images.",
    "calibration": "The logits are divided by the temperature before the softmax.",
    "decision": "When there is no answer: too little confidence, or too far from the reference images.",
    "insight": "What the artifact offers beyond scores.",
    "artifact": "What is served. Changing it makes another version.",
}


def format_manifest(manifest: Manifest) -> str:
    """Return the manifest as TOML; `parse_manifest` gives an equal one back."""
    document = tomlkit.document()
    document.add(tomlkit.comment("Written by `splitleaf models import`."))
    document.add("schema", tomlkit.item(SCHEMA))
    table = manifest.model_dump(mode="json", exclude={"schema_version"}, exclude_none=True)
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    for key, value in plain.items():
        if value not in ("", []):
            if key in _REMARKS:
                document.add(tomlkit.comment(_REMARKS[key]))
            document.add(key, _item(value))
    for key, value in table.items():
        if isinstance(value, dict) and value:
            document.add(key, _table(value, _REMARKS.get(key)))
    return tomlkit.dumps(document)


def _table(values: dict[str, Any], remark: str | None) -> tomlkit.items.Table:
    table = tomlkit.table()
    if remark:
        table.comment(remark)
    for key, value in values.items():
        table.add(key, _item(value))
    return table


def _item(value: Any) -> tomlkit.items.Item:
    if isinstance(value, list) and value and isinstance(value[0], str):
        array = tomlkit.array()
        array.extend(value)
        return array.multiline(multiline=True)
    item: tomlkit.items.Item = tomlkit.item(value)
    return item
