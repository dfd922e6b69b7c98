"""Every setting, once, with its default. Read from `SPLITLEAF_*` environment variables.

Groups are nested by two underscores: `SPLITLEAF_API__PORT=8080`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from splitleaf.core.errors import ConfigurationError

PREFIX = "SPLITLEAF_"
Positive = Annotated[int, Field(gt=0)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApiSettings(_Group):
    """HTTP edge."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; `splitleaf up` takes the next free one.")
    max_upload_bytes: Positive = Field(10_000_000, description="Largest accepted upload.")
    max_held_bytes: Positive = Field(
        128_000_000, description="Bytes of bodies that one process holds at once; beyond it requests get 503."
    )
    body_timeout_s: float = Field(30.0, gt=0, description="Total time that a request's body may take.")
    max_wait_s: float = Field(30.0, gt=0, description="Longest `Prefer: wait=` and long-poll.")
    prediction_ttl_s: float = Field(30.0, gt=0, description="Time after which an unanswered prediction expires.")
    graceful_timeout_s: Positive = Field(30, description="Time to finish open requests at shutdown.")
    session_ttl_s: Positive = Field(28_800, description="How long a login to the dashboard lasts.")
    forwarded_allow_ips: str = Field("127.0.0.1", description="Proxies whose `X-Forwarded-*` headers are believed.")

    @model_validator(mode="after")
    def _holds_two_uploads(self) -> Self:
        if self.max_held_bytes < 2 * self.max_upload_bytes:
            raise ValueError("MAX_HELD_BYTES must be at least twice MAX_UPLOAD_BYTES")
        return self


class WorkerSettings(_Group):
    """Inference workers."""

    threads: int = Field(0, ge=0, le=256, description="Images computed at once; 0: one for each processor.")
    versions: tuple[str, ...] = Field((), description="Versions this worker serves; empty: all.")
    batch_timeout_s: float = Field(30.0, gt=0, description="A batch that takes longer ends the worker (hung network).")
    drain_timeout_s: float = Field(25.0, gt=0, description="Time to finish started batches at shutdown.")
    refresh_s: float = Field(1.0, gt=0, description="How often new or changed versions are looked for.")


class QueueSettings(_Group):
    """Redis or Valkey, and the bounds of the queue."""

    max_waiting: Positive = Field(2_000, description="Tasks of one version that may wait.")
    max_bytes: Positive = Field(256_000_000, description="Bytes of images of one version that may wait.")
    lease_ms: Positive = Field(5_000, description="A worker silent for this long loses its tasks to another.")
    max_deliveries: Positive = Field(3, description="Deaths of a worker on one task before it is set aside.")
    result_ttl_s: Positive = Field(3_600, description="How long the broker keeps a result once it is recorded.")
    replicas: int = Field(
        0, ge=0, description="Replicas of the broker that must have what is answered before it is; 0: none need to."
    )


class LimitSettings(_Group):
    """What one client may send."""

    per_address: int = Field(
        0, ge=0, description="Images and opinions that one address may send in the window; 0: no limit."
    )
    per_key: int = Field(0, ge=0, description="The same for a request that brings a key; 0: no limit.")
    window_s: Positive = Field(60, description="The window of both limits.")


class IntakeSettings(_Group):
    """Decoding of uploads."""

    children: int = Field(0, ge=0, le=64, description="Decoding processes; 0: two.")


class MetricsSettings(_Group):
    """Metrics for Prometheus, on a listener of their own: they name versions."""

    host: str = Field("127.0.0.1", description="Address on which metrics are served.")
    port: int = Field(
        0,
        ge=0,
        le=65533,
        description="Port of the metrics; 0: none. `up`: the API's; the worker's and controller's follow.",
    )


class RetentionSettings(_Group):
    """Images kept for review."""

    enabled: bool = Field(False, description="Keep our own re-encoding of each image, without its metadata.")
    dir: Path | None = Field(
        None, description="Folder for them, shared by all; empty: a folder of their own in the data folder."
    )
    days: float = Field(30.0, gt=0, description="Time after which a kept image is deleted.")
    max_bytes: Positive = Field(20_000_000_000, description="Bytes that are kept at most; the oldest image goes first.")
    max_side: int = Field(1_024, ge=64, le=4_096, description="Longest side of a kept image, in pixels.")


class ReviewSettings(_Group):
    """What experts are given to label."""

    audit_share: float = Field(
        0.02, ge=0, le=1, description="Share of the images that are drawn by chance for the audit."
    )
    lease_s: Positive = Field(600, description="Time for which an image is one expert's.")


class Settings(BaseSettings):
    """All settings. Frozen: a process reads them once, at its start."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    models_dir: Path = Field(Path("models"), description="The repository of versions.")
    data_dir: Path = Field(Path("data"), description="Where the embedded broker and database keep their files.")
    redis_url: str = Field(
        "", description="Broker, `redis://`, `rediss://`, `unix://` or `redis+sentinel://`; empty: embedded Valkey."
    )
    database_url: str = Field("", description="Outcomes, `postgresql://...` or `sqlite:///...`; empty: SQLite.")
    secret: SecretStr = Field(
        SecretStr(""), description="Signs cookies and hides unit ids; empty: made once in the data folder."
    )
    secret_file: Path | None = Field(None, description="File that contains the secret, instead of `secret`.")
    admin_read_keys: tuple[str, ...] = Field((), description="SHA-256 (hex) of keys that may read the admin API.")
    admin_write_keys: tuple[str, ...] = Field((), description="SHA-256 (hex) of keys that may change things, too.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log line.")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal.")
    import_python: Path | None = Field(None, description="Interpreter that has Keras and TensorFlow, for imports.")
    secrets_dir: Path | None = Field(
        None, description="Folder of files that hold settings, each named after its variable in small letters."
    )
    alive_file: Path | None = Field(
        None, description="File that a worker or controller touches every 2 s: a health check without HTTP."
    )
    api: ApiSettings = ApiSettings()
    worker: WorkerSettings = WorkerSettings()
    queue: QueueSettings = QueueSettings()
    intake: IntakeSettings = IntakeSettings()
    retention: RetentionSettings = RetentionSettings()
    review: ReviewSettings = ReviewSettings()
    limits: LimitSettings = LimitSettings()
    metrics: MetricsSettings = MetricsSettings()

    @cached_property
    def effective_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'outcomes.sqlite3'}"


def read_settings() -> Settings:
    """Read the settings; raise `ConfigurationError` naming every variable that is wrong or unknown."""
    _reject_unknown(os.environ)
    try:
        return Settings(_secrets_dir=_secrets_dir(os.environ))
    except ValidationError as error:
        faults = "; ".join(f"{variable_name(e['loc'])}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(faults) from error


def _secrets_dir(environ: Mapping[str, str]) -> str | None:
    """Return the folder of settings in files; what the environment says wins over it."""
    name = variable_name(("secrets_dir",))
    given = environ.get(name)
    if given and not Path(given).is_dir():
        raise ConfigurationError(f"{name} names {given}, which is no folder")
    return given or None


def _reject_unknown(environ: Mapping[str, str]) -> None:
    """A misspelt group is ignored silently by pydantic-settings, even with `extra="forbid"`."""
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name.upper() not in known_variables())
    if unknown:
        raise ConfigurationError(f"unknown settings: {', '.join(unknown)}; `splitleaf doctor --settings` lists all")


def known_variables() -> dict[str, str]:
    """Return every variable with its description."""
    names: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, _Group):
            for inner, inner_field in group.model_fields.items():
                names[variable_name((name, inner))] = inner_field.description or ""
        else:
            names[variable_name((name,))] = field.description or ""
    return names


def variable_name(location: tuple[int | str, ...]) -> str:
    return PREFIX + "__".join(str(part).upper() for part in location)
