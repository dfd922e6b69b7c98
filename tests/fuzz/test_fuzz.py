"""A bounded share of what `make fuzz` does, with a fixed seed: nothing crashes, whatever is handed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.calls import fuzz_calls, fuzz_images, served_api
from tests.fuzz.files import fuzz_file, targets

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SEED = 20


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with served_api() as url:
        yield url


def test_damaged_files_are_taken_or_refused_and_crash_nothing(tmp_path: Path) -> None:
    counts = {one.name: fuzz_file(one, 120, SEED) for one in targets(tmp_path)}
    assert all(count["refused"] for name, count in counts.items() if name in ("manifest", "plan", "backup")), counts


def test_no_public_call_is_answered_as_the_document_does_not_say(api: str) -> None:
    findings = fuzz_calls(api, 80, 1, admin=False)
    assert findings.faults == []
    assert findings.statuses.total() >= 60


def test_no_admin_call_is_answered_as_the_document_does_not_say(api: str) -> None:
    findings = fuzz_calls(api, 80, 1, admin=True)
    assert findings.faults == []
    assert findings.statuses[200] >= 10


def test_damaged_images_over_http_are_accepted_or_refused_with_a_code(api: str) -> None:
    findings = fuzz_images(api, 100, 3)
    assert findings.faults == []
    assert findings.statuses[202] > 5
