"""All checks of `splitleaf doctor`. Each finding says what is wrong and what to do about it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from splitleaf.core.errors import SplitleafError
from splitleaf.doctor.broker import check_broker, check_clock, check_work
from splitleaf.doctor.database import check_database, check_keys
from splitleaf.doctor.findings import Finding, Level
from splitleaf.doctor.ingress import check_ingress, check_port, check_secrets
from splitleaf.registry.catalogue import VersionFolder
from splitleaf.registry.digests import verify_version
from splitleaf.settings import Settings, read_settings

FEW_FREE_BYTES = 1_000_000_000
NO_FREE_BYTES = 100_000_000


def diagnose() -> list[Finding]:
    """Run all checks. A check that fails to run is a finding, too."""
    python = Finding("python", "ok", f"{platform.python_version()} on {platform.platform(terse=True)}")
    try:
        settings = read_settings()
    except SplitleafError as error:
        return [
            python,
            Finding("settings", "problem", error.detail, "list all settings with `splitleaf doctor --settings`"),
        ]
    findings = [python, Finding("settings", "ok", "all are known and valid")]
    for check in CHECKS:
        findings += _guarded(check, settings)
    return findings


def _guarded(check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> list[Finding]:
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return list(check(settings))
    except SplitleafError as error:
        return [Finding(name, "problem", error.detail)]
    except Exception as error:  # noqa: BLE001 - a check that fails must not end the others
        return [Finding(name, "problem", f"{type(error).__name__}: {error}")]


def check_models(settings: Settings) -> Iterator[Finding]:
    from splitleaf.installation.repository import default_alias, require_repository
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
    broken, how = _verified(settings, folders)
    for one in folders:
        if one.state == "bare":
            yield Finding(f"model {one.version}", "warning", "not imported yet", "run `splitleaf models import`")
        elif problem := one.problem or broken.get(one.version):
            yield Finding(f"model {one.version}", "problem", problem, "import it again")
        else:
            yield Finding(f"model {one.version}", "ok", how)
    champion = read_repository(settings.models_dir).aliases.get(CHAMPION)
    served = default_alias(settings.models_dir, CHAMPION)
    advice = 'set [aliases] champion = "v1" in repository.toml, or run `splitleaf models alias champion v1`'
    if not champion:
        yield Finding(
            "champion", "warning", f"repository.toml names none, so the first version answers: {served}", advice
        )
    elif champion not in [one.version for one in folders if one.state == "imported"]:
        yield Finding("champion", "problem", f"repository.toml names {champion}, which is not imported", advice)


def _verified(settings: Settings, folders: Sequence[VersionFolder]) -> tuple[dict[str, str], str]:
    """Return version -> problem (empty if there is none), and what was checked."""
    if importlib.util.find_spec("onnxruntime") is not None:
        from splitleaf.installation.verification import verify

        return verify(settings.models_dir, []), "digests match; golden images are answered as recorded"
    # The API's container image has no runtime.
    return {
        one.version: _damage(one) for one in folders
    }, "digests match; not loaded, because no runtime is installed here"


def _damage(folder: VersionFolder) -> str:
    try:
        if folder.manifest is not None:
            verify_version(folder.folder)
    except SplitleafError as error:
        return error.detail
    return ""


def check_disk(settings: Settings) -> Iterator[Finding]:
    """Check the free disk space."""
    folder = settings.data_dir if settings.data_dir.exists() else settings.data_dir.resolve().parent
    free = shutil.disk_usage(folder).free
    level: Level = "ok" if free > FEW_FREE_BYTES else "warning" if free > NO_FREE_BYTES else "problem"
    yield Finding("disk", level, f"{free / 1e9:.1f} GB free", "" if level == "ok" else f"free disk space in {folder}")


def check_import_environment(settings: Settings) -> Iterator[Finding]:
    from splitleaf.importing.interpreter import find_import_python

    try:
        find_import_python(settings.import_python)
    except SplitleafError:
        yield Finding("import environment", "note", "not installed; you need it only to import Keras files")
    else:
        yield Finding("import environment", "ok", "found")


CHECKS: Final[tuple[Callable[[Settings], Iterator[Finding]], ...]] = (
    check_models,
    check_broker,
    check_clock,
    check_work,
    check_database,
    check_keys,
    check_ingress,
    check_secrets,
    check_disk,
    check_import_environment,
    check_port,
)
