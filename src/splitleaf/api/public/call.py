"""How a public route is declared: its handler, and its entries in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from splitleaf.api.public import examples

Handler = Callable[[Request], Awaitable[Response]]

_IMAGE: Final = {"type": "string", "format": "binary"}
UPLOAD: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": {"file": _IMAGE}}},
            "image/*": {"schema": _IMAGE},
            "application/octet-stream": {"schema": _IMAGE},
        },
    }
}


@dataclass(frozen=True, slots=True)
class Success:
    """A successful response."""

    schema: type[BaseModel]
    text: str
    example: Mapping[str, Any]
    headers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One route: its handler and its documentation."""

    method: str
    path: str
    handler: Handler
    name: str
    """Operation id, from which generated clients take their names."""
    summary: str
    success: dict[int, Success]
    problems: tuple[int, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    tag: str = "Predictions"


def path_id() -> dict[str, Any]:
    return {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}, "example": examples.ID}


def header_parameter(name: str, text: str, example: str, pattern: str = r"^[\x20-\x7e]*$") -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "description": text, "schema": schema, "example": example}


def query_parameter(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": schema}


def json_body(model: type[BaseModel], named: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": dict(named)}}}
