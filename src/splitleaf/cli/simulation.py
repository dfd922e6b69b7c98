"""`splitleaf simulate`: a whole experiment on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.options import AsJson, Repository, repository_dir

if TYPE_CHECKING:
    from splitleaf.simulation.findings import Findings


def simulate(
    scenario: Annotated[str, typer.Argument(help="better, ramp, errors, slow or wrong: how v2 differs.")] = "better",
    images: Annotated[
        int | None,
        typer.Option(
            "--images", "--pictures", min=1, help="At most this many images; by default enough for a verdict."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the images and visitors.")] = 1,
    clients: Annotated[int, typer.Option(min=1, max=256, help="Concurrent visitors.")] = 16,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for versions, database and logs; by default they are deleted.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of class folders: real photos for real versions, each used once.")
    ] = None,
    control: Annotated[str, typer.Option(help="With --photos: the version that answers.")] = "v1",
    candidate: Annotated[str, typer.Option(help="With --photos: the shadow version.")] = "v2",
    models: Repository = None,
    as_json: AsJson = False,
) -> None:
    """Run a whole experiment in a minute: two real versions, the real system, visitors whose images have known labels.

    Starts a separate Splitleaf and stops it at the end. Your installation is not touched.
    """
    import signal

    from splitleaf.simulation.director import FieldTest, Wishes, simulate
    from splitleaf.simulation.scenarios import SCENARIOS

    if scenario not in SCENARIOS:
        raise typer.BadParameter(f"{scenario!r} is none of {', '.join(SCENARIOS)}")
    field = None
    if photos is not None:
        if scenario != "better":
            raise typer.BadParameter("--photos works only with the scenario `better`; the others create their versions")
        field = FieldTest(repository_dir(models), photos, control, candidate)
    wishes = Wishes(SCENARIOS[scenario], seed, images, clients, keep, field)
    # SIGTERM does what Ctrl-C does: the system stops in order, and its folder is deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    findings = simulate(wishes, lambda line: typer.echo(line, err=as_json))
    if as_json:
        typer.echo(json.dumps(asdict(findings), ensure_ascii=False))
    else:
        _echo(findings)
        typer.echo("")
        typer.echo(
            f"To look at it in the dashboard: splitleaf up --models {keep}/models --data {keep}/data"
            if keep and photos is None
            else "Everything was deleted; to look at it in the dashboard, use --keep FOLDER."
        )


def _echo(findings: Findings) -> None:
    typer.echo("")
    for line in findings.story:
        typer.echo(line)
    typer.echo("")
    for name, arm in findings.arms.items():
        right = "" if arm.right is None else f", {arm.right:.1%} of its answers true"
        statuses = ", ".join(f"{count:,} {status}" for status, count in sorted(arm.statuses.items()))
        typer.echo(f"{name} ({arm.version}): {arm.images:,} images: {statuses}{right}")
    if findings.labelled:
        typer.echo(f"an expert labelled {findings.labelled:,} images")
    if findings.decided_after is not None:
        typer.echo(f"the evidence was in after about {findings.decided_after:,} images")
    if findings.rolled_back_after is not None:
        typer.echo(f"the candidate was given {findings.rolled_back_after} images before it was rolled back,")
        typer.echo(f"and {findings.later_than_2_s} later than 2 s after that")
    seen = ", ".join(f"{count:,} {status}" for status, count in sorted(findings.statuses.items()))
    kept = f"{findings.lost} lost, {findings.recorded_twice} recorded twice"
    typer.echo(f"visitors: {findings.images:,} images: {seen}; {kept}")
    typer.echo(f"the experiment is {findings.state.replace('_', ' ')}")
    typer.echo("")
    typer.echo(findings.verdict)
    for line in findings.advice:
        typer.echo(f"- {line}")
