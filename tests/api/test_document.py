"""The OpenAPI document: every public answer has an example, and each is one that the service could give."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from splitleaf.api.public import examples, schemas
from tests.api.served import Served
from tests.support.images import jpeg

Document = dict[str, Any]


@pytest.fixture
async def served(tmp_path: Path) -> Served:
    return await Served(tmp_path).start()


@pytest.fixture
async def document(served: Served) -> Document:
    made: Document = (await served.client().get("/openapi.json")).json()
    return made


def public(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            if not path.startswith("/admin/"):
                yield f"{method} {path}", call


def examples_in(node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yield (place, schema, example) of all that have both."""
    if isinstance(node, list):
        for number, one in enumerate(node):
            yield from examples_in(one, (*place, str(number)))
    if not isinstance(node, dict):
        return
    given = node.get("examples")
    if "schema" in node:
        values = [one["value"] for one in given.values()] if isinstance(given, dict) else []
        for value in [*values, *([node["example"]] if "example" in node else [])]:
            yield place, node["schema"], value
    elif isinstance(given, list):
        yield from ((place, node, value) for value in given)
    for name, one in node.items():
        yield from examples_in(one, (*place, name))


def faults_of(document: Document, schema: Any, given: list[tuple[tuple[str, ...], Any]]) -> Iterator[str]:
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
    for place, value in given:
        yield from (f"{'.'.join(place)}: {fault.message}" for fault in validator.iter_errors(value))


async def test_every_public_body_and_answer_has_an_example(document: Document) -> None:
    seen = 0
    for name, call in public(document):
        for status, answer in call["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                assert "example" in content or content.get("examples"), f"{name} {status} {media_type}"
                seen += 1
        for content in call.get("requestBody", {}).get("content", {}).values():
            schema = content["schema"]
            assert "examples" in content or "binary" in str(schema), name
    assert seen > 50


async def test_every_answer_of_200_has_its_one_form(document: Document) -> None:
    kinds = {
        name: list(answer["content"])
        for name, call in public(document)
        for status, answer in call["responses"].items()
        if status.startswith("2")
    }
    others = {"get /v1/predictions/{id}/events": ["text/event-stream"], "get /problems/{code}": ["text/plain"]}
    assert kinds == {name: ["application/json"] for name in kinds} | others


async def test_the_document_is_a_valid_one(document: Document) -> None:
    assert [fault.message for fault in OpenAPIV31SpecValidator(document).iter_errors()] == []


async def test_every_example_is_valid_by_its_schema(document: Document) -> None:
    found = list(examples_in(document))
    by_schema: dict[str, list[tuple[tuple[str, ...], Any]]] = {}
    for place, schema, value in found:
        by_schema.setdefault(json.dumps(schema), []).append((place, value))
    faults = [fault for schema, given in by_schema.items() for fault in faults_of(document, json.loads(schema), given)]
    assert faults == []
    assert len(found) > 500


async def test_every_example_of_a_header_can_be_sent(document: Document) -> None:
    for _, call in public(document):
        for one in call.get("parameters", ()):
            if one["in"] == "header":
                assert one["example"].isascii(), one["name"]


async def test_every_call_has_a_name_of_its_own(document: Document) -> None:
    names = [call["operationId"] for methods in document["paths"].values() for call in methods.values()]
    assert len(names) == len(set(names))
    assert {call["operationId"] for _, call in public(document)} >= {"createPrediction", "followPrediction", "predict"}


async def test_what_a_client_has_to_read_in_the_headers_is_declared(document: Document) -> None:
    created = document["paths"]["/v1/predictions"]["post"]["responses"]
    assert "Location" in created["202"]["headers"]
    for name, call in public(document):
        for status in {"429", "503"} & set(call["responses"]):
            assert "Retry-After" in call["responses"][status].get("headers", {}), f"{name} {status}"


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        (schemas.PredictionSchema, examples.QUEUED),
        (schemas.PredictionSchema, examples.SUCCEEDED),
        (schemas.PredictionSchema, examples.CANCELED),
        (schemas.ExplanationSchema, examples.EXPLANATION),
        (schemas.FeedbackSchema, examples.FEEDBACK_NOTED),
        (schemas.SimpleAnswerSchema, examples.SIMPLE_ANSWER),
        (schemas.LabelsSchema, examples.LABELS),
        (schemas.HealthSchema, examples.HEALTH),
        (schemas.StatusSchema, examples.NOT_READY),
        *((schemas.FeedbackBody, one["value"]) for one in examples.FEEDBACK.values()),
    ],
)
def test_every_example_is_of_its_shape(shape: type[BaseModel], example: dict[str, Any]) -> None:
    assert shape.model_validate(example).model_dump(exclude_unset=True) == example


async def test_what_is_sent_has_the_form_of_the_examples(served: Served) -> None:
    client = served.client()
    sent = (await client.post("/v1/predictions", files={"file": jpeg()})).json()
    assert sent.keys() == examples.QUEUED.keys()
    assert sent["links"].keys() == examples.QUEUED["links"].keys()
    assert sent["status"] == "queued"
    labels = (await client.get("/v1/labels")).json()["labels"]
    assert labels[0].keys() == examples.LABELS["labels"][0].keys()
    page = await client.get("/problems/image_too_small")
    assert page.text == examples.PROBLEM_PAGE
