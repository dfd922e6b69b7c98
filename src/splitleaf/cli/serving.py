"""`splitleaf up | api | worker | controller`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ParentFd = Annotated[int | None, typer.Option(hidden=True, help="Pipe that closes when the parent process ends.")]


def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on; by default 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; by default 8000 or the next free one.")
    ] = None,
    models: Annotated[Path | None, typer.Option(help="The repository of versions; by default ./models.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded broker, database and keys; by default ./data.")
    ] = None,
    parent_fd: ParentFd = None,
) -> None:
    """Run everything on this machine: broker, database, worker, API and page.

    Press Ctrl-C to stop, and again to stop without waiting for work in progress.
    """
    from splitleaf.processes.up import run_up

    run_up(host=host, port=port, models_dir=models, data_dir=data, parent_fd=parent_fd)


def api(parent_fd: ParentFd = None) -> None:
    """Run the HTTP API and the page.

    Settings come from the environment: a broker (SPLITLEAF_REDIS_URL), SPLITLEAF_API__HOST, SPLITLEAF_API__PORT and the
    others that `splitleaf doctor --settings` lists.
    """
    from splitleaf.processes.api import run_api

    run_api(parent_fd)


def worker(parent_fd: ParentFd = None) -> None:
    """Run an inference worker.

    Settings come from the environment: a broker (SPLITLEAF_REDIS_URL), SPLITLEAF_MODELS_DIR and the others
    that `splitleaf doctor --settings` lists.
    """
    from splitleaf.processes.worker import run_worker

    run_worker(parent_fd)


def controller(parent_fd: ParentFd = None) -> None:
    """Run the controller, which records outcomes in the database and guards experiments.

    Settings come from the environment: a broker (SPLITLEAF_REDIS_URL), SPLITLEAF_DATABASE_URL and the others
    that `splitleaf doctor --settings` lists.
    """
    from splitleaf.processes.controller import run_controller

    run_controller(parent_fd)
