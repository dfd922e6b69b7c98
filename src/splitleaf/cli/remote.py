"""Sends images to a running Splitleaf over HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from splitleaf.cli.images import Answer
from splitleaf.core.errors import ConfigurationError, DependencyDown

ATTEMPTS = 8
LONGEST_PAUSE_S = 10.0


def ask_server(
    url: str,
    images: Sequence[Path],
    *,
    unit: Callable[[Path], str],
    concurrency: int,
    on_answer: Callable[[Answer], None],
) -> None:
    """Send every image with its unit; call `on_answer` for each answer as it arrives.

    A busy server is asked again after the time that it names. Raises `DependencyDown` if there is no
    Splitleaf at `url`, and `ConfigurationError` when `url` is not one.
    """
    asyncio.run(_ask_all(_address(url), images, unit, concurrency, on_answer))


def _address(url: str) -> str:
    """Return the URL with a scheme, which people often leave out."""
    full = url if "://" in url else f"http://{url}"
    try:
        parsed = httpx.URL(full)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"--url {url}: {error}", code="invalid_url") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(f"--url {url} is invalid; use a URL like http://127.0.0.1:8000", code="invalid_url")
    return full


async def _ask_all(
    url: str,
    images: Sequence[Path],
    unit: Callable[[Path], str],
    concurrency: int,
    on_answer: Callable[[Answer], None],
) -> None:
    waiting = iter(images)
    headers = {"Prefer": "wait=30"}
    limits = httpx.Limits(max_connections=concurrency)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits) as client:
        await _require_server(client, url)

        async def ask_in_turn() -> None:
            for path in waiting:
                on_answer(await _ask(client, path, unit(path)))

        await asyncio.gather(*(ask_in_turn() for _ in range(concurrency)))


async def _require_server(client: httpx.AsyncClient, url: str) -> None:
    try:
        response = await client.get("/livez")
        is_ours = response.is_success and response.json() == {"status": "alive"}
    except httpx.TransportError as error:
        raise DependencyDown(
            f"no server answers at {url}; start one with `splitleaf up`, or classify without a server: --version v1",
            code="server_unreachable",
        ) from error
    except ValueError:
        is_ours = False
    if not is_ours:
        raise DependencyDown(f"the server at {url} is not Splitleaf; check --url", code="server_unreachable")


async def _ask(client: httpx.AsyncClient, path: Path, unit: str) -> Answer:
    try:
        data = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        return Answer(path, error_code="file_unreadable", error_detail=f"cannot be read: {error.strerror}")
    for attempt in range(ATTEMPTS):
        try:
            response = await client.post(
                "/v1/predictions", files={"file": ("image", data)}, headers={"Splitleaf-Unit": unit}
            )
            response = await _until_final(client, response)
        except httpx.TransportError as error:
            return Answer(path, error_code="connection_failed", error_detail=str(error) or type(error).__name__)
        if response.status_code not in (429, 503):
            break
        if attempt < ATTEMPTS - 1:
            await asyncio.sleep(_pause_s(response, attempt))
    return _read(path, response)


async def _until_final(client: httpx.AsyncClient, response: httpx.Response) -> httpx.Response:
    while response.is_success and response.json()["status"] in ("queued", "running"):
        response = await client.get(response.json()["links"]["self"], params={"wait": 30})
    return response


def _pause_s(response: httpx.Response, attempt: int) -> float:
    named = response.headers.get("Retry-After", "")
    pause_s = float(named) if named.isdigit() else 0.5 * 2**attempt
    return min(pause_s, LONGEST_PAUSE_S) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret


def _read(path: Path, response: httpx.Response) -> Answer:
    try:
        body: dict[str, Any] = response.json()
    except ValueError:
        return Answer(path, error_code=f"http_{response.status_code}", error_detail="not an answer of Splitleaf")
    if not response.is_success:
        return Answer(path, error_code=str(body.get("code")), error_detail=str(body.get("detail", "")))
    result, error, prediction_id = body.get("result"), body.get("error"), body["id"]
    if not result:
        code, detail = (error["code"], error["detail"]) if error else (body["status"], "")
        return Answer(path, error_code=code, error_detail=detail, prediction_id=prediction_id)
    said = (result["label"], result["display_name"], result["confidence"], result["is_sure"])
    return Answer(path, *said, prediction_id=prediction_id)
