from __future__ import annotations

import hashlib

import pytest

from splitleaf.core.access import Scope, key_digest, key_id_of, new_key
from tests.support.keys import KEY_PATTERN, is_key


def test_a_key_says_what_it_is_and_a_scanner_can_tell_it_from_what_only_looks_so() -> None:
    key = new_key()
    assert KEY_PATTERN.fullmatch(key)
    assert is_key(key)
    body = key.removeprefix("splitleaf_")
    spoilt = "splitleaf_" + ("1" if body[0] == "0" else "0") + body[1:]
    assert KEY_PATTERN.fullmatch(spoilt)
    assert not is_key(spoilt)
    assert not is_key(body)


def test_the_form_of_a_key_never_changes() -> None:
    assert is_key("splitleaf_" + "0" * 43 + "2CZclj")


def test_keys_are_random_in_every_place() -> None:
    keys = [new_key() for _ in range(400)]
    assert len(set(keys)) == 400
    # The first digit of 43 has a narrower range than the others, for 62^43 is more than 2^256.
    assert all(len({key[place] for key in keys}) > 40 for place in range(11, 53))


def test_a_key_is_known_by_its_digest() -> None:
    key = new_key()
    assert key_digest(key) == hashlib.sha256(key.encode()).hexdigest()
    assert key_digest(key).startswith(key_id_of(key_digest(key)))
    assert key_digest("\udcff") != key_digest("")


@pytest.mark.parametrize(
    ("has", "may"),
    [(Scope.READ, {Scope.READ}), (Scope.WRITE, {Scope.READ, Scope.WRITE}), (Scope.ADMIN, set(Scope))],
)
def test_a_scope_holds_those_before_it(has: Scope, may: set[Scope]) -> None:
    assert {scope for scope in Scope if has.allows(scope)} == may
