"""A real Chromium in front of the stand-in service."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.web.stub import StubService, running

_USUAL_PLACES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/usr/lib/chromium/chromium",
    "/snap/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
# Five seconds, the default, are not enough where other programs keep both cores busy.
expect.set_options(timeout=15_000)

# Taken out of the environment: servers that other tests start inherit it, and the settings refuse
# names of this prefix that they do not know.
_NAMED = os.environ.pop("SPLITLEAF_CHROMIUM", None)
_SCREENSHOTS = os.environ.pop("SPLITLEAF_SCREENSHOTS", None)

_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Collected in the page itself: a violation is an event, and not every one reaches the console.
_WATCH_POLICY = """
window.policyViolations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.policyViolations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


def find_chromium() -> str | None:
    """Return the program of an installed Chromium or Chrome, or None. SPLITLEAF_CHROMIUM comes first."""
    for place in (_NAMED,) if _NAMED else _USUAL_PLACES:
        found = shutil.which(place)
        if found:
            return found
    return None


# One browser a module, not a session: while it runs, this thread has a running event loop, and
# asynchronous tests of other modules would not start.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        message = "no Chromium: install one or name it in SPLITLEAF_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=[*_QUIET, *as_root])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Callable[[], tuple[StubService, str]]]:
    """One server a module; each call gives it a fresh state."""
    current = StubService()
    app = current.app()
    with running(app) as address:

        def renew() -> tuple[StubService, str]:
            current.__init__()  # type: ignore[misc]
            return current, address

        yield renew


@pytest.fixture
def stub(served: Callable[[], tuple[StubService, str]]) -> StubService:
    return served()[0]


@pytest.fixture
def address(served: Callable[[], tuple[StubService, str]], stub: StubService) -> str:
    return served()[1]


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[OpenPage]:
    """Open the page in a browser of its own. At the end nothing may have been logged or blocked."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(
        *, width: int = 1280, height: int = 900, dark: bool = False, tolerate: str = "", **options: object
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            locale="en-GB",
            **options,  # type: ignore[arg-type]
        )
        contexts.append(context)
        context.add_init_script(_WATCH_POLICY)
        page = context.new_page()
        page.set_default_timeout(15_000)
        # Choosers are caught from the start: a test's own listener may come a moment too late.
        page.on("filechooser", lambda _chooser: None)

        def note(text: str) -> None:
            if not (tolerate and tolerate in text):
                complaints.append(text)

        page.on(
            "console",
            lambda message: note(f"{message.type}: {message.text}") if message.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: note(f"error in the page: {error}"))
        page.goto(address)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]")
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            if not page.is_closed() and page.url.startswith("http"):
                complaints += page.evaluate("window.policyViolations ?? []")
        context.close()
    assert complaints == []


@pytest.fixture
def shots() -> Path | None:
    """Where to leave screenshots for people to look at, when SPLITLEAF_SCREENSHOTS names a folder."""
    if not _SCREENSHOTS:
        return None
    Path(_SCREENSHOTS).mkdir(parents=True, exist_ok=True)
    return Path(_SCREENSHOTS)
