"""What `splitleaf doctor` looks at. Each check names what is wrong and what to do."""

from __future__ import annotations

import asyncio
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from splitleaf.core.errors import SplitleafError
from splitleaf.processes.broker import check_broker_url
from splitleaf.processes.secrets import ADMIN_KEY_NAME, SECRET_NAME
from splitleaf.settings import Settings, read_settings

MIN_FREE_BYTES = 1_000_000_000
BROKER_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    level: Literal["ok", "note", "warning", "problem"]
    detail: str
    advice: str = ""


def diagnose() -> list[Finding]:
    """Look at everything; a check that breaks is a finding, too."""
    python = Finding("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")
    try:
        settings = read_settings()
    except SplitleafError as error:
        return [python, Finding("settings", "problem", error.detail, "`splitleaf doctor --settings` lists all")]
    findings = [python, Finding("settings", "ok", "all known and valid")]
    for check in (_models, _broker, _database, _secrets, _disk, _import_environment, _page_port):
        findings += _guarded(check, settings)
    return findings


def _guarded(check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> list[Finding]:
    name = check.__name__.strip("_").replace("_", " ")
    try:
        return list(check(settings))
    except SplitleafError as error:
        return [Finding(name, "problem", error.detail)]
    except Exception as error:  # noqa: BLE001 - the doctor must not fall ill itself
        return [Finding(name, "problem", f"{type(error).__name__}: {error}")]


def _models(settings: Settings) -> Iterator[Finding]:
    from splitleaf.processes.local import verify
    from splitleaf.processes.repository import default_alias, require_repository
    from splitleaf.registry.catalogue import Catalogue
    from splitleaf.registry.repository import CHAMPION, read_repository

    require_repository(settings.models_dir)
    folders = Catalogue(settings.models_dir).scan()
    if not folders:
        yield Finding(
            "models",
            "problem",
            f"no version in {settings.models_dir.resolve()}",
            "see `splitleaf models import --help`",
        )
        return
    broken = verify(settings.models_dir, [])
    for one in folders:
        if one.state == "bare":
            yield Finding(f"model {one.version}", "warning", "not imported yet", "run `splitleaf models import`")
        elif problem := one.problem or broken.get(one.version):
            yield Finding(f"model {one.version}", "problem", problem, "import it again")
        else:
            yield Finding(f"model {one.version}", "ok", "digests match, golden pictures answered")
    champion = read_repository(settings.models_dir).aliases.get(CHAMPION)
    served = default_alias(settings.models_dir, CHAMPION)
    advice = '[aliases] champion = "v1" in repository.toml, or `splitleaf models alias champion v1`'
    if not champion:
        yield Finding("champion", "warning", f"repository.toml names none; the first version answers: {served}", advice)
    elif champion not in [one.version for one in folders if one.state == "imported"]:
        yield Finding("champion", "problem", f"repository.toml names {champion}, which is not imported", advice)


def _broker(settings: Settings) -> Iterator[Finding]:
    if not settings.redis_url:
        from splitleaf.jobs.embedded import find_server

        yield Finding("broker", "ok", f"embedded ({find_server().name}); for `splitleaf up` alone")
        return
    facts = asyncio.run(_ask_broker(check_broker_url(settings.redis_url)))
    policy, is_durable = facts.get("maxmemory_policy"), facts.get("aof_enabled") == "1"
    yield Finding("broker", "ok", f"version {facts['version']}")
    if policy != "noeviction":
        yield Finding("broker memory", "problem", f"{policy} throws work away", "set maxmemory-policy noeviction")
    if not is_durable:
        yield Finding("broker durability", "warning", "a restart loses accepted work", "set appendonly yes")


async def _ask_broker(url: str) -> dict[str, str]:
    """Return what the broker says of itself."""
    from splitleaf.core.errors import DependencyDown
    from splitleaf.jobs.redis.address import parse_address
    from splitleaf.jobs.redis.wire import Wire

    try:
        async with asyncio.timeout(BROKER_WITHIN_S):
            wire = await Wire.open(parse_address(url))
    except OSError as error:
        raise DependencyDown(f"the broker does not answer: {error}") from error
    wire.abort()
    return {"version": wire.facts.get("valkey_version") or wire.facts.get("redis_version", "unknown"), **wire.facts}


def _database(settings: Settings) -> Iterator[Finding]:
    from splitleaf.processes.store import new_store

    if not settings.database_url and not (settings.data_dir / "outcomes.sqlite3").exists():
        yield Finding("database", "ok", "SQLite; made at the first start")
        return
    store = new_store(settings)
    try:
        store.ping()
        kind = "PostgreSQL" if settings.database_url.startswith("postgres") else "SQLite"
        yield Finding("database", "ok", f"{kind} answers")
    finally:
        store.close()


def _secrets(settings: Settings) -> Iterator[Finding]:
    open_to_others = [
        path
        for path in (settings.data_dir / SECRET_NAME, settings.data_dir / ADMIN_KEY_NAME, settings.secret_file)
        if path is not None and path.exists() and path.stat().st_mode & 0o077
    ]
    for path in open_to_others:
        yield Finding("secrets", "warning", f"{path} can be read by other users", f"chmod 600 {path}")
    if not open_to_others:
        yield Finding("secrets", "ok", "kept from other users")


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir if settings.data_dir.exists() else settings.data_dir.resolve().parent
    free = shutil.disk_usage(folder).free
    level: Literal["ok", "warning"] = "ok" if free > MIN_FREE_BYTES else "warning"
    yield Finding("disk", level, f"{free / 1e9:.1f} GB free", "" if level == "ok" else "make room in the data folder")


def _import_environment(settings: Settings) -> Iterator[Finding]:
    from splitleaf.importing.interpreter import find_import_python

    try:
        find_import_python(settings.import_python)
    except SplitleafError:
        yield Finding("import environment", "note", "not installed; only imports of Keras files need it")
    else:
        yield Finding("import environment", "ok", "found")


def _page_port(settings: Settings) -> Iterator[Finding]:
    from splitleaf.processes.ports import is_free
    from splitleaf.processes.readiness import ask_ready

    edge = settings.api
    place = f"{edge.host}:{edge.port}"
    if is_free(edge.host, edge.port):
        yield Finding("port", "ok", f"{place} is free; nothing is running there")
        return
    problems = asyncio.run(ask_ready(edge.host, edge.port))
    if problems is None:
        yield Finding("port", "note", f"{place} is taken by another program; `splitleaf up` takes the next free one")
    elif problems:
        yield Finding("running system", "problem", f"{place} is not ready: {', '.join(problems)}")
    else:
        yield Finding("running system", "ok", f"{place} is ready")
