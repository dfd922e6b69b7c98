"""One client's share, counted by a real broker behind a real server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.images import jpeg
from tests.support.repositories import add_version
from tests.system.running import RunningSystem, start_system

pytestmark = pytest.mark.slow

SHARE = 4
UPLOAD = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    models = tmp_path_factory.mktemp("models")
    add_version(models, "v1")
    # As behind a proxy of another machine: this test's own address is nobody's proxy.
    settings = {"LIMITS__PER_ADDRESS": str(SHARE), "LIMITS__PER_KEY": "1000", "LIMITS__WINDOW_S": "3600"}
    settings |= {"API__FORWARDED_ALLOW_IPS": "192.0.2.1"}
    named = {f"SPLITLEAF_{name}": value for name, value in settings.items()}
    system = start_system(models, tmp_path_factory.mktemp("data"), **named)
    yield system
    assert system.stop() == 0


def test_nobody_gets_more_than_their_share_whatever_they_say_of_themselves(limited: RunningSystem) -> None:
    with httpx.Client(base_url=limited.url, timeout=30) as client:
        answers = [
            client.post("/v1/predictions", content=jpeg(), headers={**UPLOAD, "X-Forwarded-For": f"198.51.100.{n}"})
            for n in range(40)
        ]
        assert [one.status_code for one in answers] == [202] * SHARE + [429] * (40 - SHARE)
        last = answers[-1]
        assert last.headers["content-type"] == "application/problem+json"
        assert int(last.headers["retry-after"]) > 0
        assert last.headers["ratelimit"].startswith('"address";r=0;t=')
        accepted = answers[0].json()["links"]["self"]
        assert client.get(accepted, params={"wait": 10}).json()["status"] == "succeeded"
        key = {"Authorization": f"Bearer {limited.admin_key}"}
        by_key = client.post("/v1/predictions", content=jpeg(), headers={**UPLOAD, **key})
        assert (by_key.status_code, by_key.headers["ratelimit"].split(";")[1]) == (202, "r=999")
