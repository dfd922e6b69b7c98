"""What the store promises of keys and logouts, held against memory, SQLite and a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from splitleaf.core.access import Scope
from splitleaf.core.errors import Conflict, NotFound
from splitleaf.outcomes.audit import entry_of
from splitleaf.outcomes.experiments import AuditEntry
from splitleaf.outcomes.keys import KeyRecord
from splitleaf.outcomes.store import OutcomeStore
from tests.outcomes.facts import NOW_MS
from tests.outcomes.test_contract import at_once

KEY = KeyRecord("0123456789abcdef", "0123456789abcdef" * 4, "anna", Scope.WRITE, "cli:root", NOW_MS)
OTHER = replace(KEY, key_id="f" * 16, digest="f" * 64, name="бот", scope=Scope.ADMIN, expires_ms=NOW_MS + 5)


def entry(action: str = "create", now_ms: int = NOW_MS) -> AuditEntry:
    return entry_of("cli:root", action, f"key/{KEY.key_id}", "because", None, {"name": "anna"}, now_ms)


def test_keys_come_back_newest_first_with_their_audit_entries(store: OutcomeStore) -> None:
    store.add_key(KEY, entry())
    store.add_key(OTHER, entry())
    assert list(store.api_keys()) == [OTHER, KEY]
    assert list(store.audit_log()) == [entry(), entry()]


def test_an_id_is_given_once(store: OutcomeStore) -> None:
    store.add_key(KEY, entry())
    with pytest.raises(Conflict):
        store.add_key(replace(KEY, name="another"), entry())
    assert (list(store.api_keys()), len(store.audit_log())) == ([KEY], 1)


def test_a_revoked_key_stays_on_record_and_is_revoked_once(store: OutcomeStore) -> None:
    store.add_key(KEY, entry())
    store.revoke_key(KEY.key_id, entry("revoke", NOW_MS + 7))
    (record,) = store.api_keys()
    assert record == replace(KEY, revoked_ms=NOW_MS + 7)
    with pytest.raises(Conflict):
        store.revoke_key(KEY.key_id, entry("revoke"))
    assert [one.action for one in store.audit_log()] == ["revoke", "create"]


def test_of_two_hands_at_once_one_revokes(store: OutcomeStore) -> None:
    store.add_key(KEY, entry())
    outcomes = at_once(*[lambda: store.revoke_key(KEY.key_id, entry("revoke"))] * 4)
    assert sum(isinstance(one, Conflict) for one in outcomes) == len(outcomes) - 1
    assert len(store.audit_log()) == 2


def test_what_is_not_there_cannot_be_revoked(store: OutcomeStore) -> None:
    with pytest.raises(NotFound) as refused:
        store.revoke_key("0" * 16, entry("revoke"))
    assert refused.value.error_code == "key_not_found"
    assert store.audit_log() == []


def test_the_last_use_is_kept_and_no_more(store: OutcomeStore) -> None:
    store.add_key(KEY, entry())
    for now_ms in (NOW_MS + 1, NOW_MS + 2):
        store.note_key_use(KEY.key_id, now_ms)
    store.note_key_use("0" * 16, NOW_MS)
    assert [one.last_used_ms for one in store.api_keys()] == [NOW_MS + 2]


def test_a_logout_is_remembered_until_the_session_would_be_over(store: OutcomeStore) -> None:
    store.end_session("one", NOW_MS + 10, NOW_MS)
    store.end_session("one", NOW_MS + 10, NOW_MS)
    store.end_session("two", NOW_MS + 20, NOW_MS + 9)
    assert store.ended_sessions() == {"one", "two"}
    store.end_session("three", NOW_MS + 30, NOW_MS + 10)
    assert store.ended_sessions() == {"two", "three"}


@pytest.mark.parametrize(
    ("record", "now_ms", "is_in_force"),
    [
        (KEY, NOW_MS + 10**12, True),
        (OTHER, NOW_MS + 4, True),
        (OTHER, NOW_MS + 5, False),
        (replace(KEY, revoked_ms=NOW_MS), NOW_MS, False),
    ],
)
def test_a_key_is_in_force_until_it_is_over(record: KeyRecord, now_ms: int, is_in_force: bool) -> None:
    assert record.is_in_force(now_ms) is is_in_force
