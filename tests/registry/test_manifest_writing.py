from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitleaf.core.errors import InvalidArtifact
from splitleaf.registry.manifest import (
    Artifact,
    Calibration,
    Decision,
    Evaluation,
    Manifest,
    Preprocessing,
    Source,
    parse_manifest,
)
from splitleaf.registry.manifest_writing import format_manifest

SHA = "0" * 64


def manifest(**changes: object) -> Manifest:
    values: dict[str, object] = {
        "version": "v1",
        "labels": ("a", "b"),
        "preprocessing": Preprocessing(height=2, width=3),
        "source": Source(file="m.h5", format="h5-keras2", sha256=SHA, size_bytes=1),
        "artifact": Artifact(sha256=SHA, size_bytes=1, golden_sha256=SHA),
    }
    return Manifest.model_validate(values | changes)


names = st.text(min_size=1, max_size=20)


@given(
    labels=st.lists(names, min_size=2, max_size=5, unique=True),
    shown=names,
    scale=st.floats(allow_nan=False, allow_infinity=False),
    temperature=st.floats(min_value=1e-3, max_value=1e3),
)
def test_what_is_written_is_read_back_equal(labels: list[str], shown: str, scale: float, temperature: float) -> None:
    written = manifest(
        labels=tuple(labels),
        display_names={labels[0]: shown},
        preprocessing=Preprocessing(height=2, width=3, scale=scale, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0)),
        calibration=Calibration(temperature=temperature),
        evaluation=Evaluation(dataset="d", images=1, accuracy=1, accuracy_low=0.2, accuracy_high=1, latency_ms=scale),
    )
    assert parse_manifest(format_manifest(written), origin="test") == written


def test_the_other_label_is_no_condition_and_must_be_one_of_the_labels() -> None:
    written = manifest(labels=("a", "b", "none"), decision=Decision(other_label="none"))
    assert parse_manifest(format_manifest(written), origin="test").conditions == ("a", "b")
    with pytest.raises(InvalidArtifact, match="none of the labels"):
        parse_manifest(format_manifest(written).replace('other_label = "none"', 'other_label = "no"'), origin="test")


def test_it_reads_well() -> None:
    text = format_manifest(manifest())
    assert text.startswith("# Written by")
    assert 'labels = [\n    "a",\n    "b",\n]' in text
    assert "evaluation" not in text


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ('labels = ["a"]', "labels"),
        ('labels = ["a", "a"]', "distinct"),
        ("schema = 2", "schema"),
        ("unknown = 1", "unknown"),
    ],
)
def test_a_fault_is_named_with_its_origin(change: str, fault: str) -> None:
    text = format_manifest(manifest())
    entry = change.partition(" ")[0]
    kept = text.replace('labels = [\n    "a",\n    "b",\n]\n', "") if entry == "labels" else text
    kept = kept.replace("schema = 1\n", "") if entry == "schema" else kept
    with pytest.raises(InvalidArtifact, match=f"here.*{fault}") as caught:
        parse_manifest(f"{change}\n{kept}", origin="here")
    assert caught.value.error_code == "invalid_manifest"
