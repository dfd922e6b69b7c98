"""What a refusal is expected to say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from splitleaf.core.errors import ImportRefused
from splitleaf.importing.child.refusals import Refused


@contextmanager
def refused(code: str, words: str = "") -> Iterator[None]:
    """Expect a refusal with a code, whose message contains `words`."""
    with pytest.raises((Refused, ImportRefused)) as caught:
        yield
    found = caught.value
    assert isinstance(found, Refused | ImportRefused)
    assert (found.code if isinstance(found, Refused) else found.error_code) == code, str(found)
    assert words in str(found)
