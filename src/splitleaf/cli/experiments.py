"""`splitleaf experiments ...`: the life of an experiment, from its plan to the decision."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitleaf.cli.options import AsJson, Data, Repository, Why, open_installation, print_records, warn_if_idle
from splitleaf.cli.shares import parse_shares, sentence

if TYPE_CHECKING:
    from splitleaf.api.admin.control import ExperimentControlSchema
    from splitleaf.experiments.plan import Plan
    from splitleaf.flows.size_experiment import Size
    from splitleaf.local.services import LocalInstallation
    from splitleaf.outcomes.experiments import ExperimentRecord

app = typer.Typer(
    name="experiments", help="Find out which version is better.", no_args_is_help=True, rich_markup_mode=None
)

Key = Annotated[str, typer.Argument(help="The experiment's key.")]
PlanFile = Annotated[Path, typer.Argument(help="The plan, in TOML or JSON.")]


@app.command("create", short_help="Create a draft from a plan.")
def create(
    plan: PlanFile, why: Why = "", models: Repository = None, data: Data = None, as_json: AsJson = False
) -> None:
    """Create a draft from a plan. It has no effect until you start it."""
    from splitleaf.flows.run_experiment import create_experiment

    wanted = _read(plan)
    _change(models, data, as_json, lambda here: create_experiment(here.store, wanted, here.change(why), here.clock))


@app.command("edit", short_help="Replace the plan of an experiment.")
def edit(plan: PlanFile, why: Why = "", models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Replace the plan of an experiment. After its start, changes that would invalidate its results are refused."""
    from splitleaf.flows.run_experiment import edit_experiment

    wanted = _read(plan)
    _change(
        models,
        data,
        as_json,
        lambda here: edit_experiment(here.store, wanted.key, wanted, here.change(why), here.clock),
    )


@app.command("list")
def list_command(models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """List the experiments; the last one that was changed comes last."""
    with open_installation(models, data) as here:
        records = here.store.experiments()
    print_records(records, as_json, shape=_shape, line=_line, empty="there are no experiments")


@app.command("show", short_help="Show the plan, the counts and the history of one.")
def show(key: Key, models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Show the plan, revisions, counts and history of an experiment, and what the controller waits for."""
    from splitleaf.api.admin.control import control_of
    from splitleaf.api.admin.experiment_schemas import (
        AuditSchema,
        ExperimentDetailSchema,
        ExperimentSchema,
        RevisionSchema,
    )
    from splitleaf.flows.run_experiment import find_experiment
    from splitleaf.local.experiments import find_watch

    with open_installation(models, data) as here:
        record = find_experiment(here.store, key)
        detail = ExperimentDetailSchema(
            experiment=ExperimentSchema.of(record),
            revisions=[RevisionSchema.of(one) for one in here.store.experiment_revisions(key)],
            exposures=list(here.store.count_exposures(key)),
            audit=[AuditSchema.of(one) for one in here.store.audit_log(f"experiment/{key}")],
        )
        control = control_of(key, record.state, find_watch(here))
    if as_json:
        document = {**detail.model_dump(mode="json"), "control": control.model_dump(mode="json")}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    typer.echo(_line(record))
    typer.echo(detail.experiment.plan["hypothesis"])
    for revision in reversed(detail.revisions):
        typer.echo(
            f"revision {revision.revision}  {revision.created_at}  {sentence(revision.shares)}  {revision.reason}"
        )
    for count in detail.exposures:
        fallbacks = f", {count.fallbacks} answered by another version" if count.fallbacks else ""
        typer.echo(f"revision {count.revision}  {count.variant} {count.role} {count.version}: {count.count}{fallbacks}")
    _echo_control(control)
    for entry in reversed(detail.audit):
        typer.echo(f"{entry.created_at}  {entry.action}  by {entry.actor}  {entry.reason}".rstrip())


def _echo_control(control: ExperimentControlSchema) -> None:
    from splitleaf.flows.guard_candidate import tell

    typer.echo(f"controller  {control.summary}")
    for guardrail in control.watch.guardrails if control.watch else ():
        typer.echo(f"guardrail {guardrail.state}  {tell(guardrail)}")


@app.command("size", short_help="Calculate how many images and days it takes.")
def size(
    baseline: Annotated[float, typer.Argument(help="The accuracy of the control, as a share: 0.9 is 90 %.")],
    mde: Annotated[float, typer.Argument(help="Smallest difference to detect, as a share.")],
    discordance: Annotated[
        float | None, typer.Option(help="Share of images on which exactly one version is right.")
    ] = None,
    disagreement: Annotated[
        float | None, typer.Option(help="Share of images on which two similar versions disagree.")
    ] = None,
    share: Annotated[float, typer.Option(help="The candidate's share in a live split.")] = 0.5,
    alpha: Annotated[float, typer.Option(help="Probability of a false positive.")] = 0.05,
    power: Annotated[float, typer.Option(help="Probability of detecting the difference.")] = 0.8,
    per_day: Annotated[float | None, typer.Option(help="Images a day; by default those of the last 24 hours.")] = None,
    mistaken: Annotated[float, typer.Option(help="Share of the labels that are expected to be wrong.")] = 0.0,
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Calculate how many images, labels and days an experiment takes: in a live split and in a shadow experiment."""
    from dataclasses import asdict

    from splitleaf.flows.size_experiment import Question, size_experiment

    question = Question(baseline, mde, discordance, disagreement, share, alpha, power, per_day, mistaken)
    with open_installation(models, data) as here:
        sizing = size_experiment(here.store, question, here.clock)
    if as_json:
        typer.echo(json.dumps(asdict(sizing)))
        return
    for name, one in (("live split", sizing.live), ("shadow", sizing.shadow)):
        typer.echo(f"{name}: {one.images} images ({one.fixed_images} for one look), {one.labels} labels, {_days(one)}")
    if sizing.alike is not None:
        typer.echo(
            f"shadow of a version that mostly agrees, such as a quantised or faster one (disagrees on "
            f"{100 * sizing.disagreement:g} %): {sizing.alike.images} images, no label, {_days(sizing.alike)}"
        )
    typer.echo("Take the number as planned_n: one that is ten times too large costs up to 1.8 times the labels.")


def _days(size: Size) -> str:
    return "there were no images in the last 24 hours" if size.days is None else f"{size.days} days"


@app.command("metrics", short_help="List the metrics.")
def metrics(as_json: AsJson = False) -> None:
    """List the metrics: what each measures, which direction is better, and its roles in an experiment."""
    from splitleaf.api.admin.experiment_schemas import MetricSchema
    from splitleaf.experiments.metrics import METRICS

    print_records(
        [MetricSchema.of(one) for one in METRICS.values()],
        as_json,
        shape=lambda one: one.model_dump(mode="json"),
        line=lambda one: f"{one.name}  {one.description}; {one.better} is better; {', '.join(one.roles)}",
        empty="there is no metric",
    )


@app.command("start", short_help="Start it if its versions are loaded.")
def start(key: Key, why: Why = "", models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Start an experiment. Workers must have loaded all versions of the plan."""
    from splitleaf.local.experiments import start_experiment

    _change(models, data, as_json, lambda here: start_experiment(here, key, why))


@app.command("pause", short_help="Suspend the assignment.")
def pause(key: Key, why: Why = "", models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Suspend the assignment. Images are answered as if there were no experiment."""
    from splitleaf.flows.run_experiment import pause_experiment

    _change(models, data, as_json, lambda here: pause_experiment(here.store, key, here.change(why), here.clock))


@app.command("resume")
def resume(key: Key, why: Why = "", models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Resume the assignment of the same units."""
    from splitleaf.local.experiments import resume_experiment

    _change(models, data, as_json, lambda here: resume_experiment(here, key, why))


@app.command("ramp", short_help="Assign more units to the candidates.")
def ramp(
    key: Key,
    shares: Annotated[
        list[str] | None, typer.Argument(help="VARIANT=PERCENT of all units, instead of a stage.")
    ] = None,
    stage: Annotated[
        int | None, typer.Option(help="A later stage of the plan's ramp, from 0; by default the next one.")
    ] = None,
    why: Why = "",
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Assign more units to the candidates: the next stage of the ramp, another one, or shares."""
    from splitleaf.flows import run_experiment as flow

    if shares and stage is not None:
        raise typer.BadParameter("give either --stage or shares")
    if shares:
        percentages = parse_shares(shares, "VARIANT")

        def step(here: LocalInstallation) -> ExperimentRecord:
            return flow.ramp_to_shares(here.store, key, percentages, here.change(why), here.clock)
    else:

        def step(here: LocalInstallation) -> ExperimentRecord:
            later = flow.find_experiment(here.store, key).stage + 1 if stage is None else stage
            return flow.ramp_to_stage(here.store, key, later, here.change(why), here.clock)

    _change(models, data, as_json, step)


@app.command("stop")
def stop(key: Key, why: Why = "", models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """End the assignment permanently; then promote or reject."""
    from splitleaf.flows.run_experiment import stop_experiment

    _change(models, data, as_json, lambda here: stop_experiment(here.store, key, here.change(why), here.clock))


@app.command("promote", short_help="Make the winner the champion.")
def promote(
    key: Key,
    variant: Annotated[str, typer.Argument(help="The variant, or the version of a shadow.")],
    against_evidence: Annotated[
        bool, typer.Option("--against-evidence", help="Promote without the support of the report; requires --why.")
    ] = False,
    why: Why = "",
    models: Repository = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make the version of a variant or shadow the champion. Needs the report's verdict; `rollback` undoes it."""
    from splitleaf.flows.run_experiment import promote_variant
    from splitleaf.flows.weigh_promotion import weigh_promotion
    from splitleaf.local.experiments import read_report
    from splitleaf.local.routing import find_alias

    def step(here: LocalInstallation) -> ExperimentRecord:
        evidence = weigh_promotion(read_report(here, key), variant)
        if not as_json:
            typer.echo(f"verdict {evidence.verdict}: {evidence.headline}")
        # The version has to be in the repository; no process needs to run.
        ready, champion, change = here.imported(), find_alias(here, "champion"), here.change(why)
        return promote_variant(
            *(here.store, key, variant, ready, champion, evidence, change, here.clock),
            against_evidence=against_evidence,
        )

    _change(models, data, as_json, step)


@app.command("reject")
def reject(key: Key, why: Why = "", models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Decide against the candidates. The champion stays."""
    from splitleaf.flows.run_experiment import reject_experiment

    _change(models, data, as_json, lambda here: reject_experiment(here.store, key, here.change(why), here.clock))


@app.command("rollback", short_help="Undo everything at once.")
def rollback(key: Key, why: Why = "", models: Repository = None, data: Data = None, as_json: AsJson = False) -> None:
    """Undo everything at once: the assignment of a running experiment, or a promotion."""
    from splitleaf.flows.run_experiment import roll_back_experiment

    _change(models, data, as_json, lambda here: roll_back_experiment(here.store, key, here.change(why), here.clock))


def _change(
    models: Path | None, data: Path | None, as_json: bool, step: Callable[[LocalInstallation], ExperimentRecord]
) -> None:
    with open_installation(models, data) as here:
        record = step(here)
        typer.echo(json.dumps(_shape(record), ensure_ascii=False) if as_json else _line(record))
        warn_if_idle(here)


def _read(plan: Path) -> Plan:
    from splitleaf.core.errors import NotFound
    from splitleaf.experiments.reading import parse_plan

    try:
        return parse_plan(plan.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise NotFound(f"{plan} cannot be read: {reason}", code="file_unreadable") from error


def _shape(record: ExperimentRecord) -> dict[str, object]:
    from splitleaf.api.admin.experiment_schemas import ExperimentSchema

    return ExperimentSchema.of(record).model_dump(mode="json")


def _line(record: ExperimentRecord) -> str:
    plan = json.loads(record.plan)
    arms = ", ".join(f"{name} {one['version']}" for name, one in plan["variants"].items())
    if shadows := [one["version"] for one in plan.get("shadows", ())]:
        arms += f"; shadows {', '.join(shadows)}"
    revision = f", revision {record.revision}" if record.revision else ""
    word = "won" if record.state == "promoted" else "had won"
    won = f", {record.promoted} {word}" if record.promoted else ""
    return f"{record.key}: {record.state}{revision}{won}  ({plan['mode']}: {arms})"
