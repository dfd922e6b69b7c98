"""Where a request is sent on to, whatever its client says."""

from __future__ import annotations

import httpx
import pytest

from splitleaf.api.http.middleware import _path_of
from splitleaf.api.http.problems import retry_after
from tests.api.served import Served


@pytest.mark.parametrize("path", ["/docs", "/v1/predictions", "/predict", "/admin/api/models"])
async def test_a_redirect_to_the_address_without_a_slash_names_no_host(served: Served, path: str) -> None:
    client: httpx.AsyncClient = served.client()
    answer = await client.get(f"{path}/?a=1", headers={"Host": "evil.example"})
    if answer.status_code == 404:
        pytest.skip("there is nothing to be sent on to")
    assert (answer.status_code, answer.headers["location"]) == (307, f"{path}?a=1")


@pytest.mark.parametrize(
    ("address", "path"),
    [
        (b"http://evil.example/docs", b"/docs"),
        (b"http://evil.example//other.example/x?y=1", b"/other.example/x?y=1"),
        (b"//other.example", b"/"),
        (b"/\\other.example/x", b"/other.example/x"),
        (b"docs", b"/docs"),
    ],
)
def test_a_path_leads_nowhere_else(address: bytes, path: bytes) -> None:
    assert _path_of(address) == path


@pytest.mark.parametrize("wait_s", [0.0, 1.0, 20.0, 31.5])
def test_who_is_refused_together_is_told_different_times_and_never_too_early(wait_s: float) -> None:
    told = {int(retry_after(wait_s)) for _ in range(500)}
    assert len(told) >= 2
    assert min(told) >= max(1, wait_s)
    assert max(told) <= max(1, wait_s) * 1.25 + 3
