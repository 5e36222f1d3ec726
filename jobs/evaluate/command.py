"""`pmrs evaluate`: compare recommenders on one split; the report is written to JSON and to MongoDB's `quality`."""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pymongo import ReplaceOne
from pyspark.sql import DataFrame

from jobs.atomic_io import write_atomic
from jobs.context import JobContext
from jobs.errors import EvaluationError
from jobs.evaluate import metrics
from jobs.evaluate.evaluator import EvaluatedModel, Evaluator
from jobs.evaluate.model_card import register_models
from jobs.evaluate.model_specs import MODEL_SPECS, select_models
from jobs.evaluate.published_results import published_results_for
from jobs.evaluate.report import EvaluationReport, Row, evaluation_path, report_head
from jobs.evaluate.result import Result, add_differences
from jobs.evaluate.setup import EvaluationConfig, prepare
from jobs.evaluate.splits import Split
from jobs.mongo.connection import connect
from jobs.progress import ProgressCallback
from jobs.recommenders.methods import POPULARITY
from jobs.settings import Settings

KIND = "evaluation"
COMPARABLE_KEYS = ("protocol", "tasks", "train", "catalogue")
"""Facts that must be equal for results of an earlier run to remain in the report."""


@dataclass(frozen=True)
class Options:
    """Inputs and outputs besides the configuration."""

    rankings: tuple[Path, ...] = ()
    """External ranking tables (Parquet or CSV) to score on the same split."""
    task: str = ""
    """The task of `rankings`; empty: the split's first."""
    export: Path | None = None
    """Folder for the split's tables, for other tools."""
    register: bool = False
    """Register every fitted model as a candidate."""
    baseline: str = ""
    """Another baseline besides popularity, for paired differences."""


def run(settings: Settings, config: EvaluationConfig, options: Options, on_progress: ProgressCallback) -> EvaluationReport:
    """Evaluate, and return the report; `results` has a row per model and task (see `Result`)."""
    try:
        specs = select_models(list(config.models))
    except ValueError as error:
        raise EvaluationError(f"--models: {error}.") from None
    rankings = _rankings_by_name(options.rankings)
    _require_model(options.baseline, rankings)
    setup = prepare(settings, config)
    ctx, split = setup.ctx, setup.split
    if options.export:
        export_split(split, options.export)
    results: list[Result] = []
    registrable: list[EvaluatedModel] = []
    with tempfile.TemporaryDirectory(dir=settings.var / "tmp") as folder:
        evaluator = Evaluator(split, setup.metadata, Path(folder), on_progress)
        for name, path in rankings.items():
            table = _read_rankings(ctx, path)
            results.append(evaluator.evaluate_rankings(name, table, options.task or evaluator.tasks[0].name)[0])
        for evaluated in evaluator.evaluate_models(specs if config.models or not rankings else [], config.tune):
            results += evaluated.results
            ctx.write(f"evaluation_queries/{split.name}_{evaluated.results[0].model}", evaluated.evaluated)
            ctx.commit()  # the rows stay, even if a later model fails
            registrable += [evaluated] if options.register else []
        _add_baselines(ctx, evaluator, results, options.baseline)
    report = _build_report(ctx, evaluator, config, results)
    report["registered"] = register_models(ctx, evaluator, registrable, report) if registrable else {}
    _store(settings, report)
    return report


def _add_baselines(ctx: JobContext, evaluator: Evaluator, results: list[Result], baseline: str) -> None:
    """Add differences from popularity and `baseline`, from this run, else from table `evaluation_queries`."""
    for name in dict.fromkeys(name for name in (POPULARITY, baseline) if name):
        in_this_run = any(result.model == name for result in results)
        add_differences(
            results, name, {} if in_this_run else evaluator.stored_metrics(ctx.read("evaluation_queries"), name)
        )
    if baseline and not any(baseline in result.baselines for result in results):
        reason = "it was not evaluated on this split; name it in --models too"
        evaluator.left_out[f"difference from {baseline}"] = reason


def _require_model(baseline: str, rankings: Iterable[str]) -> None:
    available = [*(spec.name for spec in MODEL_SPECS), *rankings]
    if baseline and baseline not in available:
        raise EvaluationError(f"--baseline: there is no model {baseline!r}; available are {', '.join(available)}.")


def _rankings_by_name(paths: tuple[Path, ...]) -> dict[str, Path]:
    """Return ranking files by their stem, which becomes the model's name."""
    by_name: dict[str, Path] = {}
    for path in paths:
        if path.stem in by_name or path.stem in {spec.name for spec in MODEL_SPECS}:
            raise EvaluationError(
                f"--rankings {path}: another model is called {path.stem!r}; rename the file, its name is the model's."
            )
        by_name[path.stem] = path
    return by_name


def _read_rankings(ctx: JobContext, path: Path) -> DataFrame:
    if not path.exists():
        raise EvaluationError(f"--rankings {path}: there is no such file.")
    reader, file = ctx.spark.read, str(path.resolve())
    frame = reader.csv(file, header=True) if path.suffix == ".csv" else reader.parquet(file)
    if missing := {"query_id", "rank", "track_id"} - set(frame.columns):
        raise EvaluationError(
            f"--rankings {path}: column {sorted(missing)[0]} is missing; required are query_id, rank, track_id; score is optional."
        )
    return frame


def export_split(split: Split, folder: Path) -> None:
    """Write the split's tables as Parquet: `train`, `plays`, and per task `inputs`, `input_sequence` and `truth`.

    The tables of the inner split, for tuning, begin with `inner_`. `plays` and `input_sequence` exist only if the split
    has an order. The tables contain user ids.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, part in (("", split), ("inner_", split.inner())):
        tables = {"train": part.train, "plays": part.plays}
        for task in part.tasks:
            name = task.name.replace(" ", "_")
            frames = {"inputs": task.inputs, "input_sequence": task.input_sequence, "truth": task.truth}
            tables |= {f"{name}_{kind}": frame for kind, frame in frames.items()}
        for name, frame in tables.items():
            if frame is not None:
                frame.coalesce(1).write.mode("overwrite").parquet(str((folder / f"{prefix}{name}").resolve()))


def _build_report(ctx: JobContext, evaluator: Evaluator, config: EvaluationConfig, results: list[Result]) -> EvaluationReport:
    split, head = evaluator.split, report_head(ctx, KIND, evaluator.split.protocol)
    users, tracks = (split.train.select(key).distinct().count() for key in ("user_id", "track_id"))
    run_facts = {"tuned": config.tune, "code": head.pop("code"), "at": head.pop("at")}
    rows = []
    for result in results:
        published = published_results_for(result.model, split.name, users, tracks)
        rows.append({**result.to_json(), **run_facts, "published_results": published})
    return {
        **head,
        "split": split.name,
        "tasks": {task.name: task.protocol for task in evaluator.tasks},
        "left_out": evaluator.left_out,
        "train": {"users": users, "tracks": tracks, "ratings": split.train.count()},
        "catalogue": ctx.read_required("tracks").count(),
        "depth": metrics.DEPTH,
        "results": rows,
    }


def _store(settings: Settings, report: EvaluationReport) -> None:
    """Write the report's rows to the JSON file and to MongoDB; a row replaces that of the same model and task."""
    path = report_path(settings, report)
    earlier = json.loads(path.read_text()) if path.is_file() else {}
    comparable = all(earlier.get(key) == report[key] for key in COMPARABLE_KEYS)
    replaced = {(row["task"], row["model"]) for row in report["results"]}
    retained = [row for row in earlier.get("results", []) if comparable and (row["task"], row["model"]) not in replaced]
    merged = {**report, "results": [*report["results"], *retained]}
    write_atomic(path, json.dumps(merged, indent=1, allow_nan=False) + "\n")
    head = {key: value for key, value in report.items() if key not in {"results", "tasks"}}
    documents: list[Row] = [{**head, **row} for row in json.loads(json.dumps(report["results"]))]
    same_split = {"kind": KIND, "date": report["date"], "split": report["split"]}
    with connect(settings, report["sources"]) as store:
        store.quality.bulk_write([ReplaceOne({"_id": _document_id(doc)}, doc, upsert=True) for doc in documents])
        # of one date and split only comparable documents stay, as in the file
        other = [{key: {"$ne": report[key]}} for key in COMPARABLE_KEYS if key in head]
        store.quality.delete_many({**same_split, "$or": other})


def _document_id(document: Row) -> str:
    return "|".join(str(document[key]) for key in ("kind", "date", "split", "task", "model"))


def report_path(settings: Settings, report: EvaluationReport) -> Path:
    """Return the path of the report: VAR/evaluations/SOURCES/DATE-SPLIT.json."""
    return evaluation_path(settings, report, report["split"])
