"""`pmrs`: every command with its options. The work itself is done elsewhere; here words become calls, errors become one line."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from jobs.cli import evaluation
from jobs.cli.old_names import translate
from jobs.cli.options import AsJson, Date, SourcesFile, day, named_or_sample, settings_with
from jobs.errors import PmrsError
from jobs.registry import FAMILIES, JOBS
from jobs.settings import Settings

app = typer.Typer(
    help="PMRS: every night from play logs, a catalogue and audio to top-N lists per user in MongoDB.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)
mongo_app = typer.Typer(help="The embedded MongoDB, which serves where PMRS_MONGO_URI is not set.", no_args_is_help=True)
app.add_typer(evaluation.app)
app.add_typer(mongo_app, name="mongo")


def main() -> None:
    """Entry point: an error that is written for people is printed alone, in one line, and exits with 1."""
    try:
        app(translate(sys.argv[1:]))
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
    backfill: Annotated[bool | None, typer.Option(help="A night of the past: no fit begins where another ended.")] = None,
) -> None:
    """Run one job, or all jobs of a family, for one date."""
    from jobs.runner import run_named

    settings = settings_with(sources)
    if backfill is not None:
        settings = settings.model_copy(update={"backfill": backfill})
    typer.echo(f"run {run_named(settings, name, day(date), run_id, force)}: {name} done")


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

    document = one_list(settings_with(sources), user, genre or "overall")
    typer.echo(json.dumps(document, indent=1, default=str, ensure_ascii=False)) if as_json else print_list(document)


@app.command()
def track(
    track_id: Annotated[str, typer.Argument(metavar="TRACK", help="A track's id.")],
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Default: the newest date in the data.")] = "",
    html: Annotated[Path | None, typer.Option(help="File for its page. Default: among the night's reports.")] = None,
    sources: SourcesFile = None,
) -> None:
    """Show a track as a night knows it: its genre and where that comes from, its sound as picture and in figures."""
    from jobs.cli.progress import bar
    from jobs.cli.track import print_track, write_track_page

    with bar("reading the track"):
        details, page = write_track_page(settings_with(sources), track_id, day(date) if date else None, html)
    print_track(details, page)


@app.command()
def runs(as_json: AsJson = False, sources: SourcesFile = None) -> None:
    """List the runs, newest first; exactly one of the published ones is live."""
    from jobs.cli.show import all_runs, print_runs

    documents = all_runs(settings_with(sources))
    typer.echo(json.dumps(documents, indent=1)) if as_json else print_runs(documents)


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
    from jobs.mongo import embedded

    settings = Settings()
    embedded.start(settings)
    print_connection(settings)


@mongo_app.command("stop")
def mongo_stop() -> None:
    """Stop the embedded MongoDB; its data stays."""
    from jobs.mongo import embedded

    embedded.stop(Settings())


@mongo_app.command("status")
def mongo_status() -> None:
    """Say whether the embedded MongoDB runs, and where."""
    from jobs.mongo import embedded

    typer.echo(embedded.status(Settings()))
