"""Logging: JSON lines in containers, readable lines on a terminal. Logs never contain images, unit ids or keys."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from splitleaf.settings import Settings


def configure_logs(settings: Settings, role: str) -> None:
    """Send structlog and the standard library's logging to stderr in one format."""
    level = getattr(logging, settings.log_level.upper())
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _name_role(role),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # Not the tracebacks of rich: they print local variables, which can hold keys and images.
    tail: list[Any] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _route_standard_logging(level, shared, tail)


def _name_role(role: str) -> Any:
    def add_role(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        return {"role": role, **event}

    return add_role


def _route_standard_logging(level: int, shared: list[Any], tail: list[Any]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
