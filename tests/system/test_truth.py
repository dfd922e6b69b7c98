"""From an upload to a label that is joined to what every version said: through the real system, on both databases."""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import piexif
import pytest
from PIL import Image
from typer.testing import CliRunner

from splitleaf.cli import app
from splitleaf.outcomes.events import FeedbackSource
from splitleaf.outcomes.sql import SqlOutcomeStore
from tests.experiments.plans import table
from tests.outcomes.servers import NoPostgresHere, PostgresServer
from tests.support.images import GREEN, RED, jpeg
from tests.support.repositories import LABELS, TELLS_COLOUR, add_version
from tests.system.running import RunningSystem, start_system

pytestmark = pytest.mark.slow

WHY = {"reason": "to find out"}
AUDIT_SHARE = 0.5
MARK = b"a-marker-of-the-upload"


@dataclass
class Reviewed:
    """A running system that keeps images, and where it writes what happened."""

    system: RunningSystem
    database_url: str
    red: list[str] = field(default_factory=list)
    green: list[str] = field(default_factory=list)

    @property
    def images(self) -> Path:
        return self.system.data / "pictures"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def reviewed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    """v1 tells colours right; v2, its shadow, takes red for blue and green for green."""
    models, data = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("data")
    add_version(models, "v1")
    add_version(models, "v2", weights=TELLS_COLOUR[:, ::-1] + np.zeros((3, 3)))
    (models / "repository.toml").write_text('schema = 1\n[aliases]\nchampion = "v1"\n', encoding="utf-8")
    settings = {"SPLITLEAF_RETENTION__ENABLED": "true", "SPLITLEAF_REVIEW__AUDIT_SHARE": str(AUDIT_SHARE)}
    if request.param == "sqlite":
        yield from _run(models, data, f"sqlite:///{data / 'outcomes.sqlite3'}", settings)
        return
    with tempfile.TemporaryDirectory(prefix="slp", dir="/tmp") as folder:
        server = PostgresServer(Path(folder))
        try:
            server.prepare()
            server.start()
        except (NoPostgresHere, OSError) as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no PostgreSQL can be started here: {error}")
        try:
            yield from _run(models, data, server.new_database(), settings)
        finally:
            server.stop()


def _run(models: Path, data: Path, url: str, settings: dict[str, str]) -> Iterator[Reviewed]:
    system = start_system(models, data, SPLITLEAF_DATABASE_URL=url, **settings)
    reviewed = Reviewed(system, url)
    with system.admin() as admin:
        # Images are answered before the database is up to date; what needs it says 503 until then.
        _wait_until(lambda: admin.get("/experiments").is_success)
        variants = {"control": {"version": "v1", "share": 100}}
        plan = table(key="leaf", mode="shadow", variants=variants, shadows=[{"version": "v2"}])
        admin.post("/experiments", json={"plan": plan, **WHY}).raise_for_status()
        admin.post("/experiments/leaf/start", json=WHY).raise_for_status()
        with httpx.Client(base_url=system.url, timeout=30) as client:
            reviewed.red = [_send(client, jpeg(RED)) for _ in range(8)]
            reviewed.green = [_send(client, jpeg(GREEN)) for _ in range(8)]
        _wait_until(lambda: _items(admin, "disagreement") == 8)
    yield reviewed
    assert system.stop() == 0


def _send(client: httpx.Client, image: bytes, name: str = "leaf.jpg") -> str:
    response = client.post("/v1/predictions", files={"file": (name, image)}, headers={"Prefer": "wait=10"})
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


def _items(admin: httpx.Client, reason: str) -> int:
    reasons = admin.get("/review/progress?experiment=leaf").json()["reasons"]
    return sum(one["items"] for one in reasons if one["reason"] == reason)


def _wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.1)


def _what_it_shows(image: bytes) -> str:
    """Look at an image as an expert does."""
    pixels = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"), dtype=float)
    return LABELS[int(pixels.mean(axis=(0, 1)).argmax())]


def _label_all(admin: httpx.Client, expert: str, **terms: Any) -> dict[str, str]:
    said: dict[str, str] = {}
    while items := admin.post("/review/next", json={"experiment": "leaf", "expert": expert, **terms}).json()["items"]:
        (item,) = items
        label = _what_it_shows(admin.get(f"/review/items/{item['id']}/image").content)
        assert label in item["candidates"]
        word = {"label": label, "expert": expert}
        admin.post(f"/review/items/{item['id']}/label", json=word).raise_for_status()
        said[item["id"]] = label
    return said


def test_an_expert_labels_what_versions_disagree_on_and_the_labels_are_joined_to_both(reviewed: Reviewed) -> None:
    with reviewed.system.admin() as admin:
        said = _label_all(admin, "anna")
        drawn = _items(admin, "audit")
        progress = admin.get("/review/progress?experiment=leaf").json()
    assert {one: said[one] for one in reviewed.red} == dict.fromkeys(reviewed.red, "red")
    assert set(said) <= {*reviewed.red, *reviewed.green}
    store = SqlOutcomeStore(reviewed.database_url)
    truths = list(store.labelled_outcomes("leaf"))
    store.close()
    assert Counter((one.version, one.role, one.truth, one.is_right) for one in truths) == Counter(
        {
            ("v1", "primary", "red", True): 8,
            ("v2", "shadow", "red", False): 8,
            ("v1", "primary", "green", True): len(said) - 8,
            ("v2", "shadow", "green", True): len(said) - 8,
        }
    )
    audited = {one.image_id for one in truths if one.source is FeedbackSource.AUDIT}
    assert len(audited) == drawn
    assert {one.sampling_probability for one in truths if one.image_id in audited} <= {AUDIT_SHARE}
    assert {one.sampling_probability for one in truths if one.image_id not in audited} <= {None}
    assert {(one["reason"], one["items"], one["labelled"]) for one in progress["reasons"]} == {
        ("audit", drawn, drawn),
        ("disagreement", 8, 8),
    }


def test_a_second_expert_labels_the_same_images_and_they_agree(reviewed: Reviewed) -> None:
    with reviewed.system.admin() as admin:
        first = _label_all(admin, "carl", opinions=2)
        second = _label_all(admin, "dora", opinions=3)
        found = admin.get("/review/agreement?experiment=leaf").json()
    pair = next(one for one in found["pairs"] if (one["first"], one["second"]) == ("carl", "dora"))
    assert (pair["items"], pair["agreed"], found["contested"]) == (len(set(first) & set(second)), len(first), [])


def test_what_is_kept_of_an_image_is_its_pixels_upright_bounded_and_nothing_else(reviewed: Reviewed) -> None:
    exif = piexif.dump({"0th": {piexif.ImageIFD.Orientation: 6, piexif.ImageIFD.Artist: MARK}})
    buffer = io.BytesIO()
    lying = Image.new("RGB", (1_600, 1_200), GREEN)
    lying.paste(RED, (0, 0, 400, 1_200))
    lying.save(buffer, "JPEG", exif=exif)
    with httpx.Client(base_url=reviewed.system.url, timeout=30) as client:
        one = _send(client, buffer.getvalue() + MARK, name=f"{MARK.decode()}.jpg")
    path = reviewed.images / one[:2] / f"{one}.jpg"
    _wait_until(path.is_file)
    kept = path.read_bytes()
    with reviewed.system.admin() as admin:
        shown = admin.get(f"/review/items/{one}/image")
        assert admin.get(f"/review/items/{one}/picture").content == shown.content, "its former path still leads there"
        _wait_until(lambda: admin.get(f"/outcomes/{one}").status_code == 200)
        assert admin.delete(f"/images/{one}?reason=its owner asked").json()["discarded"]
        assert admin.get(f"/review/items/{one}/image").status_code == 404
    assert (shown.content, shown.headers["content-type"]) == (kept, "image/jpeg")
    image = Image.open(io.BytesIO(kept))
    assert (image.format, image.size) == ("JPEG", (768, 1_024))
    assert (dict(image.getexif()), image.info.get("comment"), image.info.get("icc_profile")) == ({}, None, None)
    assert MARK not in kept
    assert not any(MARK.decode() in name.name for name in reviewed.images.rglob("*"))
    top, bottom = image.getpixel((384, 60)), image.getpixel((384, 960))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert (top[0] > 150, bottom[1] > 150) == (True, True)


def test_the_command_line_labels_exports_and_imports(
    reviewed: Reviewed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLITLEAF_DATABASE_URL", reviewed.database_url)

    def run(*words: str) -> str:
        place = ["--models", str(reviewed.system.models), "--data", str(reviewed.system.data)]
        done = CliRunner().invoke(app, [*words, *place])
        assert done.exit_code == 0, done.output
        return done.stdout

    one = reviewed.green[0]
    run("review", "label", one, "green", "--expert", "eve")
    export = run("labels", "export", "--experiment", "leaf")
    assert f"{one},green,eve," in export
    task = json.loads(run("review", "undo", one, "--expert", "eve", "--json"))
    assert (task["id"], f"{one},green,eve," in run("labels", "export")) == (one, False)
    run("review", "image", one, str(tmp_path / "leaf.jpg"))
    assert _what_it_shows((tmp_path / "leaf.jpg").read_bytes()) == "green"
    (tmp_path / "labels.csv").write_text(f"prediction_id,label\n{one},green\n", encoding="utf-8")
    assert run("labels", "import", str(tmp_path / "labels.csv")).startswith("1 of 1 labels imported")
    assert "disagreement: 8 of 8 labelled" in run("review", "progress", "--experiment", "leaf")
