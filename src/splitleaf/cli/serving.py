"""`splitleaf up | api | worker | controller`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ParentFd = Annotated[int | None, typer.Option(hidden=True, help="Pipe that closes when the starting process ends.")]


def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless given.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; without it 8000 or the next free one.")
    ] = None,
    models: Annotated[Path | None, typer.Option(help="The repository of versions; ./models unless given.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded broker, database and keys; ./data unless given.")
    ] = None,
) -> None:
    """Run everything on this machine: broker, database, worker, API and page.

    Runs until Ctrl-C; a second Ctrl-C ends it without waiting for open work.
    """
    from splitleaf.processes.up import run_up

    run_up(host=host, port=port, models_dir=models, data_dir=data)


def api(parent_fd: ParentFd = None) -> None:
    """Run the HTTP API and the page.

    Set by the environment: a broker (SPLITLEAF_REDIS_URL), SPLITLEAF_API__HOST, SPLITLEAF_API__PORT and the rest of
    `splitleaf doctor --settings`.
    """
    from splitleaf.processes.api import run_api

    run_api(parent_fd)


def worker(parent_fd: ParentFd = None) -> None:
    """Run an inference worker.

    Set by the environment: a broker (SPLITLEAF_REDIS_URL), SPLITLEAF_MODELS_DIR and the rest of
    `splitleaf doctor --settings`.
    """
    from splitleaf.processes.worker import run_worker

    run_worker(parent_fd)


def controller(parent_fd: ParentFd = None) -> None:
    """Run the controller, which writes outcomes to the database, once each, and guards the experiments.

    Set by the environment: a broker (SPLITLEAF_REDIS_URL), SPLITLEAF_DATABASE_URL and the rest of
    `splitleaf doctor --settings`.
    """
    from splitleaf.processes.controller import run_controller

    run_controller(parent_fd)
