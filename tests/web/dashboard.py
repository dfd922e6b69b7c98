"""The real service with a past, for tests of the dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect
from tests.support.repositories import add_version
from tests.system.running import RunningSystem, start_system
from tests.web.seeds import LABELS, NASTY, Past

from splitleaf.core.access import key_digest
from splitleaf.core.clock import SystemClock
from splitleaf.images.directory import DirectoryImageArchive
from splitleaf.outcomes.sql import SqlOutcomeStore

READ_KEY = "a key that may only look"
PHONE = {"has_touch": True, "is_mobile": True}
REPOSITORY = """
schema = 1
title = "Colours that pass for conditions"
labels = ["Early_blight", "healthy", "Late_blight"]

[aliases]
champion = "v1"
"""


@contextmanager
def service_with_past(folder: Path, *, images: int = 3_000) -> Iterator[RunningSystem]:
    """Start everything on two small versions, with a database that holds two days of traffic and experiments."""
    models, data = folder / "models", folder / "data"
    for version in ("v1", "v2"):
        add_version(models, version, labels=LABELS)
    report = {"parity": {"random_pictures": 16, "real_pictures": 0, "same_top_1": 16}, "warnings": [NASTY]}
    (models / "v2/artifact/import-report.json").write_text(json.dumps(report), encoding="utf-8")
    (models / "repository.toml").write_text(REPOSITORY, encoding="utf-8")
    data.mkdir(parents=True)
    store = SqlOutcomeStore(f"sqlite:///{data / 'outcomes.sqlite3'}")
    store.migrate()
    kept = DirectoryImageArchive(data / "pictures")
    Past(store, SystemClock().now_ms(), images=images, archive=kept).write()
    store.close()
    keys = {"SPLITLEAF_ADMIN_READ_KEYS": json.dumps([key_digest(READ_KEY)])}
    system = start_system(models, data, SPLITLEAF_RETENTION__ENABLED="true", **keys)
    try:
        yield system
    finally:
        system.stop()


_SESSIONS: dict[tuple[str, str], Any] = {}
"""Address and key -> the cookies of the last login: one address may log in ten times a minute, and tests are quicker."""


def log_in(page: Page, key: str) -> None:
    """Go on with the session of an earlier test where it lasts; else log in by the form."""
    whose = (page.url.partition("/admin")[0], key)
    field, pages = page.get_by_label("Key"), page.get_by_role("navigation", name="Pages")
    if whose in _SESSIONS:
        page.context.add_cookies(_SESSIONS[whose])
        page.reload()
    expect(field.or_(pages)).to_be_visible()
    if field.is_visible():
        field.fill(key)
        page.get_by_role("button", name="Log in").click()
        expect(pages).to_be_visible()
        _SESSIONS[whose] = page.context.cookies()


def go(page: Page, path: str, heading: str) -> None:
    """Open a page of the dashboard and wait until it shows what it is about."""
    page.goto(page.url.partition("/admin")[0] + path)
    expect(page.get_by_role("heading", level=1)).to_contain_text(heading)


def accessible(page: Page) -> None:
    """Check by axe, that nothing has to be scrolled sideways, and that no text became a program."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    assert page.evaluate("window.owned") is None, "somebody's text was run"


def confirm(page: Page, button: str, reason: str) -> None:
    """Answer the question that a step asks."""
    dialog: Locator = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(reason)
    dialog.get_by_role("button", name=button, exact=True).click()
    expect(dialog).to_be_hidden()
