"""`pmrs`: every command with its options. The work itself is done elsewhere; here words become calls, errors become one line."""

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from jobs.errors import PmrsError
from jobs.registry import FAMILIES, JOBS
from jobs.settings import Settings

app = typer.Typer(
    help="PMRS: every night from play logs, a catalogue and audio to top-N lists per user in MongoDB.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)
mongo_app = typer.Typer(help="The embedded MongoDB, which serves where PMRS_MONGO_URI is not set.", no_args_is_help=True)
app.add_typer(mongo_app, name="mongo")

Date = Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="The night's date (UTC).")]
SourcesFile = Annotated[
    Path | None,
    typer.Option("--sources", help="Sources file (TOML). Default: PMRS_SOURCES, else the last night's, else the sample."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def main() -> None:
    """Entry point: an error that is written for people is printed alone, in one line, and exits with 1."""
    try:
        app()
    except PmrsError as error:
        print(f"pmrs: {error}", file=sys.stderr)
        sys.exit(1)
    except ValidationError as error:
        first = error.errors()[0]
        print(f"pmrs: PMRS_{str(first['loc'][-1]).upper()}: {first['msg']}.", file=sys.stderr)
        sys.exit(1)
    except PyMongoError as error:
        print(f"pmrs: MongoDB failed in the middle: {str(error).splitlines()[0][:300]}", file=sys.stderr)
        sys.exit(1)


def day(text: str) -> dt.date:
    """An ISO date. Raises PmrsError naming what was given."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise PmrsError(f"{text!r} is not a date; write it as 2026-11-14.") from None


def words(text: str) -> tuple[str, ...]:
    """Names that were given by comma."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def settings_with(sources: Path | None = None) -> Settings:
    """Settings from the environment, with this sources file where one was named."""
    settings = Settings()
    return settings.model_copy(update={"sources": sources.resolve()}) if sources else settings


def named_or_sample(sources: Path | None) -> Settings:
    """Settings for a night: of the sources that are named here or by PMRS_SOURCES, else of the sample; never of the last."""
    settings = settings_with(sources)
    return settings if settings.sources else settings.model_copy(update={"sources": settings.sample_sources})


@app.command("jobs")
def list_jobs() -> None:
    """List the jobs in the order data flows, by family (what one spark-submit runs)."""
    for family in FAMILIES:
        typer.echo(family)
        for job in JOBS:
            if job.family == family:
                typer.echo(f"  {job.name:<14} {job.title}")


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="A job or a family, as `pmrs jobs` lists them.")],
    date: Date,
    run_id: Annotated[str | None, typer.Option(help="Run that holds the night's lease; default: open one of its own.")] = None,
    sources: SourcesFile = None,
    force: Annotated[bool, typer.Option("--force", help="Compute anew even where equal inputs gave rows already.")] = False,
) -> None:
    """Run one job, or all jobs of a family, for one date."""
    from jobs.runner import run_named

    typer.echo(f"run {run_named(settings_with(sources), name, day(date), run_id, force)}: {name} done")


@app.command("open")
def open_night(date: Date, sources: SourcesFile = None) -> None:
    """Take the night's lease and print the run's id as the last line; the DAG's first task."""
    from jobs.runner import open_run
    from jobs.sources.config import load_sources

    settings = settings_with(sources)
    typer.echo(open_run(settings, load_sources(settings.sources_file), day(date)))


@app.command("close")
def close_night(
    run_id: Annotated[str, typer.Option(help="The id that `pmrs open` printed.")], sources: SourcesFile = None
) -> None:
    """Give the night's lease back, whatever happened; the DAG's last task. Exits with 1 unless all of the run went well."""
    from jobs.runner import close_run
    from jobs.sources.config import load_sources

    settings = settings_with(sources)
    status, error = close_run(settings, load_sources(settings.sources_file), run_id)
    typer.echo(f"{run_id} {status}" + (f": {error}" if error else ""))
    if status != "published" or error:
        raise typer.Exit(1)


@app.command()
def nightly(date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
            sources: SourcesFile = None) -> None:
    """Run the real Airflow DAG for one date, without a scheduler, and show what came out."""
    from jobs.cli.nightly import run_night

    raise typer.Exit(run_night(named_or_sample(sources), day(date) if date else None))


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First date.")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last date.")],
    sources: SourcesFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be run.")] = False,
) -> None:
    """Run the nights of several dates, upwards; an older date is published beside the live night, never as it."""
    from jobs.cli.nightly import run_backfill

    raise typer.Exit(run_backfill(named_or_sample(sources), day(first), day(last), dry_run))


@app.command()
def top(
    user: Annotated[str, typer.Argument(help="A user's id.")],
    genre: Annotated[str | None, typer.Option(help="One genre's list instead of the overall one.")] = None,
    as_json: AsJson = False,
    sources: SourcesFile = None,
) -> None:
    """Show a user's list of the live night, each track with genre, score and reason."""
    from jobs.cli.show import one_list, print_list

    found = one_list(settings_with(sources), user, genre or "overall")
    typer.echo(json.dumps(found, indent=1, default=str, ensure_ascii=False)) if as_json else print_list(found)


@app.command()
def runs(as_json: AsJson = False, sources: SourcesFile = None) -> None:
    """List the runs, newest first; exactly one of the published ones is live."""
    from jobs.cli.show import all_runs, print_runs

    found = all_runs(settings_with(sources))
    typer.echo(json.dumps(found, indent=1)) if as_json else print_runs(found)


@app.command()
def evaluate(
    models: Annotated[str, typer.Option(help="Models to compare, by comma. Default: all; with --lists: none.")] = "",
    split: Annotated[str, typer.Option(help="temporal, random, last or users. Default: temporal where there are events.")] = "",
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
    days: Annotated[int, typer.Option(help="Days that a temporal split asks for. Default: the last quarter, at most 14.")] = 0,
    lists: Annotated[list[Path] | None, typer.Option(help="A ranking table to score (Parquet or CSV).")] = None,
    task: Annotated[str, typer.Option(help="The task that --lists answers. Default: the split's first.")] = "",
    export: Annotated[Path | None, typer.Option(help="Folder for the split's tables, user ids included.")] = None,
    tune: Annotated[bool, typer.Option(help="Choose settings on a split of the training part.")] = True,
    register: Annotated[bool, typer.Option("--register", help="Keep the fitted models as candidates: see `pmrs models`.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print every metric with its interval; --json always has them.")] = False,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    sources: SourcesFile = None,
) -> None:
    """Compare models, or anybody's ranking table, on one honest split: every metric with its interval."""
    from jobs.cli.models import show_everywhere
    from jobs.cli.progress import bar
    from jobs.cli.show import console
    from jobs.evaluate import command
    from jobs.evaluate.question import Config
    from jobs.evaluate.show import markdown, print_table

    settings = settings_with(sources)
    config = Config(split, words(models), days, tune, str(day(date)) if date else "")
    with bar("evaluating") as notify:
        options = command.Options(tuple(lists or ()), task, export, register)
        told = command.run(settings, config, options, lambda step: notify(step, 0, 0))
    if register:
        show_everywhere(settings)
    if as_json:
        typer.echo(json.dumps(told, indent=1))
    elif as_markdown:
        typer.echo(markdown(told, full))
    else:
        print_table(told, console(), full)


@app.command("evaluate-pairs")
def evaluate_pairs(
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
    as_json: AsJson = False,
    sources: SourcesFile = None,
) -> None:
    """Predict which labelled pairs (KKBox) come true, on later ones: AUC, AP and errors on real negatives."""
    from jobs.cli.progress import bar
    from jobs.cli.show import console
    from jobs.evaluate import pairs
    from jobs.evaluate.show import print_pairs

    with bar("evaluating labelled pairs"):
        told = pairs.run(settings_with(sources), str(day(date)) if date else "", pairs.Config())
    typer.echo(json.dumps(told, indent=1)) if as_json else print_pairs(told, console())


@app.command("models")
def list_models(as_json: AsJson = False, sources: SourcesFile = None) -> None:
    """List the registered models: which is live, how good each was, and what the gate said of it."""
    from jobs.cli.models import all_models, print_models

    found = all_models(settings_with(sources))
    typer.echo(json.dumps(found, indent=1)) if as_json else print_models(found)


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="A candidate's digest (or its beginning), or a method for its newest.")],
    metrics: Annotated[str, typer.Option(help="Metrics, by comma, of none of which it may be worse.")] = "NDCG@20,R_liang@20,HR@10",
    keep_coverage: Annotated[float, typer.Option(help="Least share of the live model's coverage.", min=0.0)] = 0.8,
    more_lift: Annotated[float, typer.Option(help="Most by which the popularity lift may rise.")] = 0.5,
    most_churn: Annotated[float, typer.Option(help="Largest share of places that may change at once.", min=0, max=1)] = 0.95,
    fewest_users: Annotated[int, typer.Option(help="Fewest users that must be asked.", min=1)] = 100,
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
    days: Annotated[int, typer.Option(help="Days that a temporal split asks for. Default: the last quarter, at most 14.")] = 0,
    as_json: AsJson = False,
    sources: SourcesFile = None,
) -> None:
    """Make a candidate the live recommender, if it passes the gate; else exit with 1, and the live one stays."""
    from jobs.cli.models import print_promotion, show_everywhere
    from jobs.cli.progress import bar
    from jobs.evaluate import promote as gate
    from jobs.evaluate.gate import Gate

    settings = settings_with(sources)
    limits = Gate(words(metrics), keep_coverage, more_lift, most_churn, fewest_users)
    with bar("asking both models") as notify:
        found = gate.run(settings, model, str(day(date)) if date else "", days, limits, lambda step: notify(step, 0, 0))
    folder = show_everywhere(settings)
    typer.echo(json.dumps(found.card["gate"][-1], indent=1)) if as_json else print_promotion(found, folder)
    if not found.verdict.passed:
        raise typer.Exit(1)


@app.command()
def sample(
    days: Annotated[int, typer.Option(help="Days of logs.", min=4, max=365)] = 14,
    seed: Annotated[int, typer.Option(help="Seed: equal seeds, equal bytes.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Folder to write. Default: VAR/sample.")] = None,
) -> None:
    """Make the synthetic sample data: logs, catalogue, profiles and audio, in the field's formats."""
    from jobs.cli.sample import make_sample

    typer.echo(f"The sample lies in {make_sample(out or Settings().var / 'sample', days, seed)}")


@app.command()
def dictionary() -> None:
    """Print the data dictionary (docs/data-dictionary.md), made from the schemas."""
    from jobs.lake.dictionary import data_dictionary

    typer.echo(data_dictionary(), nl=False)


@mongo_app.command("start")
def mongo_start() -> None:
    """Start the embedded MongoDB, or find it running, and say how to connect."""
    from jobs.cli.summary import print_connection
    from jobs.publish import embedded

    settings = Settings()
    embedded.start(settings)
    print_connection(settings)


@mongo_app.command("stop")
def mongo_stop() -> None:
    """Stop the embedded MongoDB; its data stays."""
    from jobs.publish import embedded

    embedded.stop(Settings())


@mongo_app.command("status")
def mongo_status() -> None:
    """Say whether the embedded MongoDB runs, and where."""
    from jobs.publish import embedded

    typer.echo(embedded.status(Settings()))
