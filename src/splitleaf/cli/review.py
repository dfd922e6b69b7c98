"""`splitleaf review ...`: labels images in a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.options import AsJson, Data, Repository, open_installation, print_records, warn_if_idle

if TYPE_CHECKING:
    from splitleaf.flows.review_images import ReviewTask
    from splitleaf.flows.settle_labels import Dispute
    from splitleaf.outcomes.reviews import ReviewCount

app = typer.Typer(
    name="review", help="Label images and show the progress.", no_args_is_help=True, rich_markup_mode=None
)

Item = Annotated[str, typer.Argument(help="The prediction's id.")]
Expert = Annotated[str, typer.Option(help="The expert who labels; by default this user.")]
Experiment = Annotated[str, typer.Option(help="The experiment's key; by default images without an experiment.")]


@app.command("next", short_help="Get the next image to label.")
def next_command(
    experiment: Experiment = "",
    expert: Expert = "",
    opinions: Annotated[int, typer.Option(min=1, max=5, help="Number of experts who label each image.")] = 1,
    image: Annotated[
        Path | None, typer.Option("--image", "--picture", help="Write the image to this file, as JPEG.")
    ] = None,
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Get the next image to label. Labelling is blind: the versions' answers are not shown by version."""
    from splitleaf.flows.review_images import Request
    from splitleaf.flows.run_experiment import require_known

    with open_installation(models, data) as here:
        require_known(here.store, experiment)
        tasks = here.review.next_items(Request(expert or here.actor, experiment, opinions=opinions))
        if tasks and image is not None:
            image.write_bytes(here.review.image(tasks[0].prediction_id))
        if as_json:
            typer.echo(json.dumps([_record(task) for task in tasks], ensure_ascii=False))
        elif not tasks:
            typer.echo("there are no images to label currently")
        else:
            typer.echo(_line(tasks[0]))


@app.command("picture", hidden=True)
@app.command("image")
def image(
    item: Item,
    file: Annotated[Path, typer.Argument(help="The file to write, as JPEG.")],
    models: Repository = None,
    data: Data = None,
) -> None:
    """Write a kept image to a file."""
    with open_installation(models, data) as here:
        file.write_bytes(here.review.image(checked(item)))


@app.command("label", short_help="Label an image.")
def label(
    item: Item,
    label: Annotated[str | None, typer.Argument(help="The class that the image shows.")] = None,
    cannot_tell: Annotated[bool, typer.Option("--cannot-tell", help="You cannot tell what the image shows.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="Leave the image to another expert.")] = False,
    expert: Expert = "",
    models: Repository = None,
    data: Data = None,
) -> None:
    """Label an image. A new label replaces your earlier one."""
    if sum((label is not None, cannot_tell, skip)) != 1:
        raise typer.BadParameter("give one of: a label, --cannot-tell, --skip")
    from splitleaf.flows.review_images import Annotation

    with open_installation(models, data) as here:
        if skip:
            here.review.skip(checked(item), expert or here.actor)
        else:
            here.review.say(checked(item), Annotation(expert or here.actor, label), here.labels)
        typer.echo(f"{item}: {'skipped' if skip else label or 'cannot tell'}")
        warn_if_idle(here)


@app.command("undo")
def undo(
    item: Item, expert: Expert = "", models: Repository = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Undo your label of an image, or that you skipped it."""
    with open_installation(models, data) as here:
        task = here.review.undo(checked(item), expert or here.actor)
        typer.echo(json.dumps(_record(task), ensure_ascii=False) if as_json else _line(task))


@app.command("progress", short_help="Show how many images are labelled.")
def progress(
    experiment: Experiment = "", models: Repository = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Show how many images are labelled, by the reason for which they were selected."""
    from dataclasses import asdict

    from splitleaf.flows.run_experiment import require_known

    with open_installation(models, data) as here:
        require_known(here.store, experiment)
        counts = here.store.count_reviews(experiment)
    print_records(counts, as_json, shape=asdict, line=_progress_line, empty="there are no images to label")


@app.command("agreement")
def agreement(
    experiment: Experiment = "", models: Repository = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Show how far experts agree on the same images."""
    from splitleaf.flows.measure_agreement import compare_experts
    from splitleaf.flows.run_experiment import require_known

    with open_installation(models, data) as here:
        require_known(here.store, experiment)
        found = compare_experts(here.store, experiment)
    if as_json:
        from splitleaf.api.admin.review_schemas import AgreementSchema

        typer.echo(json.dumps(AgreementSchema.of(experiment, found).model_dump(mode="json"), ensure_ascii=False))
        return
    for pair in found.pairs:
        one = pair.agreement
        kappa = "not defined" if one.kappa is None else f"{one.kappa:.3f}"
        typer.echo(f"{pair.first}, {pair.second}: {one.agreed} of {one.items} agree, kappa {kappa}")
    for item in found.contested:
        typer.echo(f"contested: {item}")
    if not found.pairs:
        typer.echo("no image has labels of two experts")


@app.command("disputes", short_help="List labels that contradict each other.")
def disputes(
    experiment: Experiment = "", models: Repository = None, data: Data = None, as_json: AsJson = False
) -> None:
    """List images whose labels contradict each other, with all labels and authors."""
    from splitleaf.api.admin.review_schemas import DisputeSchema
    from splitleaf.flows.run_experiment import require_known
    from splitleaf.flows.settle_labels import list_disputes

    with open_installation(models, data) as here:
        require_known(here.store, experiment)
        found = list_disputes(here.store, experiment)
    print_records(
        found,
        as_json,
        shape=lambda one: DisputeSchema.of(one).model_dump(mode="json"),
        line=_dispute_line,
        empty="no labels contradict each other",
    )


@app.command("settle", short_help="Decide the label of an image, or undo that.")
def settle(
    item: Item,
    label: Annotated[str | None, typer.Argument(help="The class that the image shows.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Undo your decision instead.")] = False,
    expert: Expert = "",
    models: Repository = None,
    data: Data = None,
) -> None:
    """Decide the label of an image, whatever labels it has, or undo your decision."""
    if (label is None) != undo:
        raise typer.BadParameter("give one of: a label, --undo")
    from splitleaf.flows.settle_labels import Dispute, settle_label, undo_settlement

    with open_installation(models, data) as here:
        author = expert or here.actor
        if label is None:
            current = undo_settlement(here.store, checked(item), author, here.clock)
            typer.echo(f"decision undone; current labels: {_dispute_line(Dispute(item, current))}")
        else:
            settle_label(here.store, checked(item), label, author, here.labels, here.clock)
            typer.echo(f"{item}: settled as {label}")
        warn_if_idle(here)


@app.command("discard", short_help="Delete a kept image permanently.")
def discard(
    item: Item,
    why: Annotated[str, typer.Option("--why", help="The reason; stored in the audit log.")],
    models: Repository = None,
    data: Data = None,
) -> None:
    """Delete a kept image permanently, for example when its owner asks."""
    from splitleaf.flows.discard_image import discard_image

    with open_installation(models, data) as here:
        done = discard_image(here.store, here.images, checked(item), here.actor, why, here.clock)
    typer.echo(f"{item}: {'deleted' if done else 'no image is kept'}")


def checked(item: str) -> str:
    from splitleaf.core.errors import NotFound
    from splitleaf.core.ids import is_prediction_id

    if not is_prediction_id(item):
        raise NotFound(f"{item[:40]!r} is not the id of a prediction", code="prediction_not_found")
    return item


def _record(task: ReviewTask) -> dict[str, object]:
    from splitleaf.core.clock import as_rfc3339

    until = as_rfc3339(task.leased_until_ms)
    return {"id": task.prediction_id, "candidates": list(task.candidates), "leased_until": until}


def _line(task: ReviewTask) -> str:
    return f"{task.prediction_id}  {' | '.join(task.candidates)}"


def _progress_line(one: ReviewCount) -> str:
    left = one.items - one.labelled - one.cannot_tell - one.gone
    told = f"{one.reason}: {one.labelled} of {one.items} labelled, {one.cannot_tell} cannot be told, {left} open"
    return told + (f", {one.gone} without an image" if one.gone else "")


def _dispute_line(one: Dispute) -> str:
    said = ", ".join(f"{word.author} ({word.source.value}) {word.label or 'cannot tell'}" for word in one.annotations)
    return f"{one.prediction_id}  {said or 'none'}"
