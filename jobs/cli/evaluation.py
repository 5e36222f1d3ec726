"""Commands to evaluate and promote models: `pmrs evaluate` with its subcommands, `pmrs models`, `pmrs promote`."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.options import AsJson, NightDate, SourcesFile, parse_date, settings_with, split_names
from jobs.errors import PmrsError
from jobs.evaluate.promotion_criteria import PromotionCriteria

if TYPE_CHECKING:
    from jobs.evaluate.report import EvaluationReport, ReportPage
    from jobs.progress import ProgressCallback

app = typer.Typer()
evaluate_app = typer.Typer()
app.add_typer(evaluate_app, name="evaluate")
DEFAULTS = PromotionCriteria()

AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]
TestDays = Annotated[
    int,
    typer.Option("--days", help="Test days of a temporal split. Default: the last quarter of the data, at most 14."),
]


def _iso(date: str) -> str:
    return str(parse_date(date)) if date else ""


def _print_report(
    report: "EvaluationReport", build_page: "Callable[[EvaluationReport], ReportPage]", as_json: bool, as_markdown: bool
) -> None:
    """Print a report as JSON, as Markdown, or as tables on the terminal."""
    from jobs.cli.show import console

    if as_json:
        typer.echo(json.dumps(report, indent=1))
    elif as_markdown:
        typer.echo(build_page(report).markdown())
    else:
        build_page(report).print(console())


@contextmanager
def _progress(title: str) -> "Iterator[ProgressCallback]":
    from jobs.cli.progress_bar import bar

    with bar(title) as on_progress:
        yield on_progress


def _refuse_options_before_subcommand(ctx: typer.Context) -> None:
    """Raise PmrsError for `pmrs evaluate --date D genres`: the option would be ignored."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = next(parameter.opts[0] for parameter in ctx.command.params if parameter.name == name)
            raise PmrsError(
                f"Write {option} after `{ctx.invoked_subcommand}`: pmrs evaluate {ctx.invoked_subcommand} {option} ..."
            )


@evaluate_app.callback(invoke_without_command=True)
def evaluate(
    ctx: typer.Context,
    models: Annotated[
        str, typer.Option(help="Models to compare, comma-separated. Default: all; with --rankings: none.")
    ] = "",
    split: Annotated[
        str, typer.Option(help="Split: temporal, random, last or users. Default: temporal if there are events, else random.")
    ] = "",
    date: NightDate = "",
    days: TestDays = 0,
    rankings: Annotated[
        list[Path] | None, typer.Option(help="External ranking table to score (Parquet or CSV); repeatable.")
    ] = None,
    task: Annotated[str, typer.Option(help="Task of --rankings. Default: the split's first.")] = "",
    export: Annotated[
        Path | None, typer.Option(help="Write the split's tables to this folder; they contain user ids.")
    ] = None,
    tune: Annotated[bool, typer.Option(help="Choose hyper-parameters on a split of the training data.")] = True,
    register: Annotated[
        bool, typer.Option("--register", help="Register the fitted models as candidates (see `pmrs models`).")
    ] = False,
    baseline: Annotated[str, typer.Option(help="Second baseline besides popularity, for paired differences.")] = "",
    full: Annotated[
        bool, typer.Option("--full", help="Print every metric with its interval. --json always prints them.")
    ] = False,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    sources: SourcesFile = None,
) -> None:
    """Compare recommenders or external rankings on held-out interactions. See also `sessions`, `genres`, `cold-start`, `pairs`."""
    if ctx.invoked_subcommand:
        _refuse_options_before_subcommand(ctx)
        return
    from jobs.cli.models import publish_registry
    from jobs.evaluate import command
    from jobs.evaluate.report_tables import ranking_page
    from jobs.evaluate.setup import EvaluationConfig

    settings = settings_with(sources)
    config = EvaluationConfig(split, split_names(models), days, tune, _iso(date))
    options = command.Options(tuple(rankings or ()), task, export, register, baseline)
    with _progress("evaluating recommenders") as on_progress:
        report = command.run(settings, config, options, on_progress)
    if register:
        publish_registry(settings)
    _print_report(report, lambda report: ranking_page(report, full), as_json, as_markdown)


@evaluate_app.command("pairs")
def evaluate_pairs(
    date: NightDate = "", as_json: AsJson = False, as_markdown: AsMarkdown = False, sources: SourcesFile = None
) -> None:
    """Predict labelled pairs (KKBox): train on the first, test on the last; print AUC, average precision and errors."""
    from jobs.evaluate import pairs
    from jobs.evaluate.report_tables import pairs_page

    with _progress("evaluating labelled pairs") as on_progress:
        report = pairs.run(settings_with(sources), _iso(date), pairs.PairsConfig(), on_progress)
    _print_report(report, pairs_page, as_json, as_markdown)


@evaluate_app.command("genres")
def evaluate_genres(
    models: Annotated[str, typer.Option(help="Genre models to compare, comma-separated. Default: all.")] = "",
    date: NightDate = "",
    folds: Annotated[
        int, typer.Option(help="Cross-validation folds. Genres with fewer tracks are left out.", min=2)
    ] = 6,
    seeds: Annotated[int, typer.Option(help="Repetitions with other folds and initial weights.", min=1)] = 5,
    fold: Annotated[int | None, typer.Option(help="Evaluate only this fold of each seed, from 0.", min=0)] = None,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    sources: SourcesFile = None,
) -> None:
    """Cross-validate genre models on labelled audio, by track. A stopped run continues when the command is repeated."""
    from jobs.evaluate.genres import command
    from jobs.evaluate.genres.report_tables import genres_page

    config, options = command.GenresConfig(folds, seeds), command.Options(split_names(models), fold)
    with _progress("evaluating genre models") as on_progress:
        report = command.run(settings_with(sources), _iso(date), config, options, on_progress)
    _print_report(report, genres_page, as_json, as_markdown)


@evaluate_app.command("cold-start")
def evaluate_cold_start(
    date: NightDate = "",
    test_ratio: Annotated[float, typer.Option(help="Share of the tracks to hold out.", min=0.01, max=0.9)] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of the held-out tracks.", min=0)] = 7,
    network: Annotated[
        bool, typer.Option("--network", help="Also evaluate a network on audio clips; training takes minutes.")
    ] = False,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    sources: SourcesFile = None,
) -> None:
    """Hold out tracks with all their plays, and recommend them by artist, genre, text and audio."""
    from jobs.evaluate.cold_start import command
    from jobs.evaluate.cold_start.report_tables import cold_start_page

    config = command.ColdStartConfig(test_ratio, seed, network)
    with _progress("evaluating cold-start models") as on_progress:
        report = command.run(settings_with(sources), _iso(date), config, on_progress)
    _print_report(report, cold_start_page, as_json, as_markdown)


@evaluate_app.command("sessions")
def evaluate_sessions(
    models: Annotated[str, typer.Option(help="Session models to compare, comma-separated. Default: all but the networks.")] = "",
    date: NightDate = "",
    days: Annotated[
        int, typer.Option(help="Days in which test sessions start. Default: the last quarter of the data, at most 14.", min=0)
    ] = 0,
    max_sessions: Annotated[int, typer.Option(help="Test sessions, sampled; 0: all.", min=0)] = 6_000,
    tune: Annotated[bool, typer.Option(help="Choose settings on the days before the test days.")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the sampled sessions.", min=0)] = 7,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    sources: SourcesFile = None,
) -> None:
    """Predict every track of later sessions from the tracks before it, with and without the user's earlier sessions."""
    from jobs.evaluate.sessions import command
    from jobs.evaluate.sessions.report_tables import sessions_page

    config = command.SessionsConfig(split_names(models), days, max_sessions, tune, seed)
    with _progress("evaluating session models") as on_progress:
        report = command.run(settings_with(sources), _iso(date), config, on_progress)
    _print_report(report, sessions_page, as_json, as_markdown)


@app.command("models")
def list_models(as_json: AsJson = False, sources: SourcesFile = None) -> None:
    """List the registered models with their figures and the results of `pmrs promote`, and mark the live one."""
    from jobs.cli.models import list_cards, print_models

    cards = list_cards(settings_with(sources))
    typer.echo(json.dumps(cards, indent=1)) if as_json else print_models(cards)


@app.command()
def promote(
    model: Annotated[
        str, typer.Argument(help="Digest of a candidate or its first digits, or a method (selects its newest candidate).")
    ],
    metrics: Annotated[
        str, typer.Option(help="Comma-separated metrics on which the candidate must not be worse than the live model.")
    ] = ",".join(DEFAULTS.metrics),
    min_coverage_ratio: Annotated[
        float, typer.Option(help="Smallest ratio of the candidate's coverage to the live model's.", min=0.0)
    ] = DEFAULTS.min_coverage_ratio,
    max_lift_increase: Annotated[
        float, typer.Option(help="Largest increase of the popularity lift.")
    ] = DEFAULTS.max_lift_increase,
    max_churn: Annotated[
        float, typer.Option(help="Largest share of list slots that may change.", min=0, max=1)
    ] = DEFAULTS.max_churn,
    min_users: Annotated[int, typer.Option(help="Smallest number of test users.", min=1)] = DEFAULTS.min_users,
    date: NightDate = "",
    days: TestDays = 0,
    as_json: AsJson = False,
    sources: SourcesFile = None,
) -> None:
    """Make a candidate the live recommender if it meets the criteria. Otherwise exit with 1; the live one stays."""
    from jobs.cli.models import print_promotion, publish_registry
    from jobs.evaluate import promote as promotion

    settings = settings_with(sources)
    criteria = PromotionCriteria(split_names(metrics), min_coverage_ratio, max_lift_increase, max_churn, min_users)
    with _progress("evaluating both models") as on_progress:
        outcome = promotion.run(settings, model, _iso(date), days, criteria, on_progress)
    folder = publish_registry(settings)
    typer.echo(json.dumps(outcome.card["gate"][-1], indent=1)) if as_json else print_promotion(outcome, folder)
    if not outcome.verdict.passed:
        raise typer.Exit(1)
