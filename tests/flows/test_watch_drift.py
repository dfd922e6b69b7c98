"""From recorded outcomes to windows, over the store and an artifact as import makes it; and through the API."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splitleaf.core.errors import Conflict
from splitleaf.core.tensor import ImageTensor
from splitleaf.engine.classifier import Classifier
from splitleaf.engine.loading import load_classifier
from splitleaf.engine.onnx import OnnxRuntime
from splitleaf.flows.watch_drift import watch_drift
from splitleaf.outcomes.events import Outcome
from splitleaf.outcomes.memory import MemoryOutcomeStore
from tests.api.served import READ_KEY, Served, code
from tests.importing.photos import NAMES, labelled_folder
from tests.outcomes.facts import outcome
from tests.support.insightful import import_insightful


def photo(rng: np.random.Generator, light: float = 1.0) -> ImageTensor:
    """What `labelled_folder` draws, at the size that the network sees."""
    pixels = rng.integers(60, 130, (48, 48, 3))
    pixels[..., rng.integers(0, len(NAMES))] += 100
    small = Image.fromarray((pixels * light).astype(np.uint8)).resize((16, 16), Image.Resampling.BILINEAR)
    return ImageTensor((16, 16, 3), "uint8", small.tobytes())


def answered(classifier: Classifier, rng: np.random.Generator, count: int, light: float = 1.0) -> list[Outcome]:
    facts = []
    for _ in range(count):
        (said,) = classifier.classify([photo(rng, light)]).classifications
        measures, best = json.dumps(said.measures), said.best
        facts.append(
            outcome(
                served_digest=classifier.digest,
                label=best.label,
                confidence=best.confidence,
                measures=measures,
                heat="",
            )
        )
    return facts


def test_darker_pictures_are_an_alarm_and_those_before_stay_what_they_were(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 100))
    classifier, store, rng = load_classifier(folder, OnnxRuntime), MemoryOutcomeStore(), np.random.default_rng(2)
    store.record_outcomes(answered(classifier, rng, 250))
    calm = watch_drift(store, folder, classifier.manifest, window=100)
    assert [(one.number, one.is_alarm) for one in calm.windows] == [(1, False), (2, False)]
    assert (calm.images, calm.is_alarm) == (250, False)
    store.record_outcomes([*answered(classifier, rng, 50), *answered(classifier, rng, 120, light=0.6)])
    dark = watch_drift(store, folder, classifier.manifest, window=100, windows=3)
    assert [(one.number, one.is_alarm) for one in dark.windows] == [(2, False), (3, False), (4, True)]
    assert dark.windows[0] == calm.windows[1]
    assert dark.windows[-1].drifts[0].measure in {"brightness", "novelty"}


def test_other_artifacts_and_unmeasured_pictures_are_left_out(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 40))
    classifier, store = load_classifier(folder, OnnxRuntime), MemoryOutcomeStore()
    store.record_outcomes([outcome(served_digest=classifier.digest), outcome(measures="[1.0]")])
    report = watch_drift(store, folder, classifier.manifest)
    assert (report.images, report.windows, report.is_alarm) == (0, (), False)


def test_a_version_without_reference_pictures_has_no_baseline(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, reference=None)
    manifest = load_classifier(folder, OnnxRuntime).manifest
    with pytest.raises(Conflict) as refused:
        watch_drift(MemoryOutcomeStore(), folder, manifest)
    assert refused.value.error_code == "no_baseline"


async def test_the_admin_api_shows_windows(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 40), version="v9")
    served = await Served(folder.parent).start()
    classifier = load_classifier(folder, OnnxRuntime)
    served.store.record_outcomes(answered(classifier, np.random.default_rng(3), 120))
    async with served.client(READ_KEY) as client:
        body = (await client.get("/admin/api/models/v9/drift?window=100")).raise_for_status().json()
        assert (body["version"], body["digest"], body["images"]) == ("v9", classifier.digest, 120)
        assert [one["number"] for one in body["windows"]] == [1]
        assert {one["measure"] for one in body["windows"][0]["measures"]} > {"brightness", "novelty", "label"}
        assert code(await client.get("/admin/api/models/v1/drift")) == (409, "no_baseline")
        assert code(await client.get("/admin/api/models/v7/drift")) == (404, "version_not_found")
    async with served.client() as client:
        assert code(await client.get("/admin/api/models/v9/drift")) == (401, "unauthorized")
