"""A database that comes later than the process that wants it."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from splitleaf.core.errors import ConfigurationError, DependencyDown
from splitleaf.installation.store import migrate_when_it_answers
from tests.support.stores import EmptyStore


class LateStore(EmptyStore):
    """Fails as often as it has errors."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)
        self.tried = asyncio.Event()
        self.was_tried_before: list[bool] = []

    def migrate(self) -> None:
        self.was_tried_before.append(self.tried.is_set())
        if self.errors:
            raise self.errors.pop(0)


async def test_a_database_that_answers_late_is_migrated_when_it_does() -> None:
    store = LateStore(DependencyDown("not yet"), DependencyDown("not yet"))
    with capture_logs() as said:
        await migrate_when_it_answers(store, store.tried, again_s=0)
    assert store.was_tried_before == [False, True, True], "the pages come up after the first attempt"
    assert [one["event"] for one in said] == ["not_migrated_yet", "not_migrated_yet"]


@pytest.mark.parametrize("error", [ConfigurationError("of another release"), RuntimeError("of no kind we know")])
async def test_what_time_does_not_heal_is_said_once_and_keeps_no_page_from_coming_up(error: Exception) -> None:
    store = LateStore(error)
    with capture_logs() as said:
        await migrate_when_it_answers(store, store.tried, again_s=0)
    assert (store.was_tried_before, store.tried.is_set()) == ([False], True)
    assert [(one["event"], one["log_level"]) for one in said] == [("not_migrated", "error")]
