"""`pmrs`: commands and options. This module parses arguments and prints errors; other packages do the work."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from jobs.cli import evaluation
from jobs.cli.old_names import translate
from jobs.cli.options import AsJson, Date, NightDate, SourcesFile, named_or_sample, parse_date, settings_with
from jobs.errors import PmrsError
from jobs.registry import FAMILIES, JOBS
from jobs.settings import Settings

app = typer.Typer(
    help="PMRS: compute top-N lists per user from play logs, a catalogue and audio, and publish them to MongoDB.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)
mongo_app = typer.Typer(
    help="Start, stop or check the embedded MongoDB, which is used if PMRS_MONGO_URI is not set.", no_args_is_help=True
)
night_app = typer.Typer(help="Begin or end a night: the first and last task of the DAG.", no_args_is_help=True)
app.add_typer(evaluation.app)
app.add_typer(mongo_app, name="mongo")
app.add_typer(night_app, name="night")


def main() -> None:
    """Run the command line. Expected errors are printed as one line, with exit status 1."""
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
        print(f"pmrs: MongoDB failed: {str(error).splitlines()[0][:300]}", file=sys.stderr)
        sys.exit(1)


@app.command("jobs")
def list_jobs() -> None:
    """List the jobs by family, in the order of the data flow. Each family is one spark-submit."""
    for family in FAMILIES:
        typer.echo(family)
        for job in JOBS:
            if job.family == family:
                typer.echo(f"  {job.name:<14} {job.title}")


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="A job or a family, as `pmrs jobs` lists them.")],
    date: Date,
    run_id: Annotated[str | None, typer.Option(help="Id of the run that holds the night's lease. Default: a new run.")] = None,
    sources: SourcesFile = None,
    force: Annotated[bool, typer.Option("--force", help="Recompute even if rows of equal inputs exist.")] = False,
    backfill: Annotated[bool | None, typer.Option(help="Treat the date as a night of a backfill: every fit starts cold.")] = None,
) -> None:
    """Run one job, or all jobs of a family, for one date."""
    from jobs.runner import run_named

    settings = settings_with(sources)
    if backfill is not None:
        settings = settings.model_copy(update={"backfill": backfill})
    typer.echo(f"run {run_named(settings, name, parse_date(date), run_id, force)}: {name} done")


@night_app.command("begin")
def begin_night(date: Date, sources: SourcesFile = None) -> None:
    """Take the night's lease and print the run id as the last line."""
    from jobs.runner import open_run
    from jobs.sources.config import load_sources

    settings = settings_with(sources)
    typer.echo(open_run(settings, load_sources(settings.sources_file), parse_date(date)))


@night_app.command("end")
def end_night(
    run_id: Annotated[str, typer.Option(help="Run id printed by `pmrs night begin`.")], sources: SourcesFile = None
) -> None:
    """Release the night's lease. Exits with 1 unless every job succeeded and the night is published."""
    from jobs.runner import close_run
    from jobs.sources.config import load_sources

    settings = settings_with(sources)
    status, error = close_run(settings, load_sources(settings.sources_file), run_id)
    typer.echo(f"{run_id} {status}" + (f": {error}" if error else ""))
    if status != "published" or error:
        raise typer.Exit(1)


@app.command()
def nightly(date: NightDate = "", sources: SourcesFile = None) -> None:
    """Run the Airflow DAG for one date, without a scheduler, and print the result."""
    from jobs.cli.nightly import run_night

    raise typer.Exit(run_night(named_or_sample(sources), parse_date(date) if date else None))


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="Date of the first night.")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Date of the last night.")],
    sources: SourcesFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the nights without running them.")] = False,
) -> None:
    """Run the nights of several dates in ascending order. A night that is older than the live one does not become live."""
    from jobs.cli.nightly import run_backfill

    raise typer.Exit(run_backfill(named_or_sample(sources), parse_date(first), parse_date(last), dry_run))


@app.command()
def top(
    user: Annotated[str, typer.Argument(help="Id of the user.")],
    genre: Annotated[str | None, typer.Option(help="Print the list of this genre instead of the overall list.")] = None,
    as_json: AsJson = False,
    sources: SourcesFile = None,
) -> None:
    """Print a user's list of the live night: tracks with genre, score and reason."""
    from jobs.cli.show import one_list, print_list

    document = one_list(settings_with(sources), user, genre or "overall")
    typer.echo(json.dumps(document, indent=1, default=str, ensure_ascii=False)) if as_json else print_list(document)


@app.command()
def track(
    track: Annotated[str, typer.Argument(help="Id of the track.")],
    date: NightDate = "",
    html: Annotated[Path | None, typer.Option(help="Path of the page. Default: below the night's report.")] = None,
    sources: SourcesFile = None,
) -> None:
    """Print a track's genre, the genre's source, tags and descriptors; write a page with spectrogram and tags."""
    from jobs.cli.progress_bar import bar
    from jobs.cli.track import print_track, write_track_page

    with bar("reading the track"):
        details, page = write_track_page(settings_with(sources), track, parse_date(date) if date else None, html)
    print_track(details, page)


@app.command()
def runs(as_json: AsJson = False, sources: SourcesFile = None) -> None:
    """List the runs, newest first, and mark the live one."""
    from jobs.cli.show import all_runs, print_runs

    documents = all_runs(settings_with(sources))
    typer.echo(json.dumps(documents, indent=1)) if as_json else print_runs(documents)


@app.command()
def sample(
    days: Annotated[int, typer.Option(help="Number of days of logs.", min=4, max=365)] = 14,
    seed: Annotated[int, typer.Option(help="Random seed; equal seeds give equal bytes.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Output folder. Default: VAR/sample.")] = None,
) -> None:
    """Generate the synthetic sample data: logs, catalogue, profiles and audio, in standard formats."""
    from jobs.cli.sample import make_sample

    typer.echo(f"Sample data: {make_sample(out or Settings().var / 'sample', days, seed)}")


@app.command()
def schema() -> None:
    """Print the data dictionary of the lake (docs/data-dictionary.md)."""
    from jobs.lake.dictionary import data_dictionary

    typer.echo(data_dictionary(), nl=False)


@mongo_app.command("start")
def mongo_start() -> None:
    """Start the embedded MongoDB unless it runs, and print how to connect."""
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
    """Print whether the embedded MongoDB runs, and its address."""
    from jobs.mongo import embedded

    typer.echo(embedded.status(Settings()))
