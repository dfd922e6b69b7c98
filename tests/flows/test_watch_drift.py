"""From recorded outcomes to windows, over the store and an artifact as import makes it; and through the API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from splitleaf.core.errors import Conflict
from splitleaf.engine.loading import load_classifier
from splitleaf.experiments.routing import Routing
from splitleaf.flows.watch_drift import watch_answering, watch_drift
from splitleaf.registry.catalogue import Catalogue
from splitleaf.registry.manifest import Manifest
from tests.api.served import READ_KEY, Served, code
from tests.importing.photos import labelled_folder
from tests.outcomes.facts import outcome
from tests.support.insightful import import_insightful
from tests.support.repositories import add_version
from tests.support.sightings import answered
from tests.support.stores import EmptyStore


def test_darker_images_are_an_alarm_and_those_before_stay_what_they_were(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 100))
    classifier, store, rng = load_classifier(folder), EmptyStore(), np.random.default_rng(2)
    store.record_outcomes(answered(classifier, rng, 250))
    calm = watch_drift(store, folder, classifier.manifest, window=100)
    assert [(one.number, one.is_alarm) for one in calm.windows] == [(1, False), (2, False)]
    assert (calm.images, calm.is_alarm) == (250, False)
    store.record_outcomes([*answered(classifier, rng, 50), *answered(classifier, rng, 120, light=0.6)])
    dark = watch_drift(store, folder, classifier.manifest, window=100, windows=3)
    assert [(one.number, one.is_alarm) for one in dark.windows] == [(2, False), (3, False), (4, True)]
    assert dark.windows[0] == calm.windows[1]
    assert dark.windows[-1].drifts[0].measure in {"brightness", "novelty"}


def test_other_artifacts_and_unmeasured_images_are_left_out(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 40))
    classifier, store = load_classifier(folder), EmptyStore()
    store.record_outcomes([outcome(served_digest=classifier.digest), outcome(measures="[1.0]")])
    report = watch_drift(store, folder, classifier.manifest)
    assert (report.images, report.windows, report.is_alarm) == (0, (), False)


def test_a_version_without_reference_images_has_no_baseline(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, reference=None)
    manifest = load_classifier(folder).manifest
    with pytest.raises(Conflict) as refused:
        watch_drift(EmptyStore(), folder, manifest)
    assert refused.value.error_code == "no_baseline"


async def test_the_admin_api_shows_windows(tmp_path: Path) -> None:
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 40), version="v9")
    served = await Served(folder.parent).start()
    classifier = load_classifier(folder)
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


def test_the_versions_that_answer_are_watched_and_those_that_cannot_be_judged_left_out(tmp_path: Path) -> None:
    models = tmp_path / "models"
    folder = import_insightful(tmp_path, labelled_folder(tmp_path / "photos", 100))
    add_version(models, "v2")
    classifier, store, rng = load_classifier(folder), EmptyStore(), np.random.default_rng(2)
    folders = Catalogue(models).scan()
    assert [one.alarms_in_a_row for one in watch_answering(store, folders, Routing("v1"))] == [0]
    store.record_outcomes(answered(classifier, rng, 500))
    (calm,) = watch_answering(store, folders, Routing("v1"))
    assert (calm.version, len(calm.windows), calm.alarms_in_a_row) == ("v1", 1, 0)
    store.record_outcomes(answered(classifier, rng, 1_000, light=0.6))
    (dark,) = watch_answering(store, folders, Routing("v1"))
    assert (len(dark.windows), dark.alarms_in_a_row) == (3, 2)
    assert watch_answering(store, folders, Routing("v2")) == []
    (folder / "artifact/insight.npz").write_bytes(b"no arrays")
    changed = [replace(one, manifest=renewed(one.manifest)) for one in folders]
    assert watch_answering(store, changed, Routing("v1")) == []


def renewed(manifest: Manifest | None) -> Manifest | None:
    """Return the manifest of an artifact whose file was not read yet."""
    if manifest is None or manifest.insight is None:
        return manifest
    return manifest.model_copy(update={"insight": manifest.insight.model_copy(update={"sha256": "f" * 64})})
