"""`pmrs evaluate`: reads the lake, asks every model, prints one table, and stores it as JSON and in MongoDB's `quality`."""

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import ReplaceOne
from pyspark.sql import DataFrame

from jobs.atomic_io import write_whole
from jobs.context import JobContext
from jobs.errors import EvaluationError
from jobs.evaluate import claims, metrics
from jobs.evaluate.contenders import CONTENDERS, named
from jobs.evaluate.evaluate import Asked, Evaluation
from jobs.evaluate.question import Config, put
from jobs.evaluate.registering import register
from jobs.evaluate.result import Result, compare
from jobs.evaluate.splits import Split
from jobs.lake.manifest import code_version
from jobs.mongo.connection import connect
from jobs.recommenders.methods import POPULARITY
from jobs.settings import Settings
from jobs.sources.config import Sources

SAME = ("protocol", "tasks", "train", "catalogue")
"""Where these are equal, figures of an earlier run stand beside those of this one."""
Told = dict[str, Any]
"""The whole of an evaluation as JSON holds it: `results` are those of `jobs.evaluate.result`."""


@dataclass(frozen=True)
class Options:
    """What is done beside it."""

    lists: tuple[Path, ...] = ()
    """Ranking tables (Parquet or CSV) to be scored on the same split."""
    task: str = ""
    """The task that `lists` answer; empty: the split's first."""
    export: Path | None = None
    """Folder to which the split's tables are written, for other tools."""
    register: bool = False
    """Keep every model that was fitted in the registry, as a candidate."""
    against: str = ""
    """Name of another model, beside popularity, from which the differences are told."""


def run(settings: Settings, config: Config, options: Options, say: Callable[[str], object]) -> Told:
    """The whole evaluation as a dictionary; see `Result` for the rows of `results`."""
    try:
        contenders = named(list(config.models))
    except ValueError as error:
        raise EvaluationError(f"--models: {error}.") from None
    given = _named_lists(options.lists)
    _require_known(options.against, given)
    question = put(settings, config)
    ctx, split = question.ctx, question.split
    if options.export:
        export(split, options.export)
    results: list[Result] = []
    kept: list[Asked] = []
    with tempfile.TemporaryDirectory(dir=settings.var / "tmp") as folder:
        evaluation = Evaluation(split, question.facts, Path(folder), say)
        for name, path in given.items():
            result, _ = evaluation.of_lists(name, _read_lists(ctx, path), options.task or evaluation.tasks[0].name)
            results.append(result)
        for asked in evaluation.of_models(contenders if config.models or not given else [], config.tune):
            results += asked.results
            ctx.write(f"evaluation_queries/{split.name}_{asked.results[0].model}", asked.evaluated)
            ctx.commit()  # what was asked stays, whatever happens to the models that follow
            kept += [asked] if options.register else []
        for reference in dict.fromkeys(name for name in (POPULARITY, options.against) if name):
            asked_now = any(result.model == reference for result in results)
            stored = {} if asked_now else evaluation.of_stored(ctx.read("evaluation_queries"), reference)
            compare(results, reference, stored)
        if options.against and not any(options.against in result.against for result in results):
            evaluation.left_out[f"difference from {options.against}"] = "it was not asked on this split; name it in --models too"
    told = _told(ctx, evaluation, config, results)
    told["registered"] = register(ctx, evaluation, kept, told) if kept else {}
    _store(settings, ctx.night.sources, told)
    return told


def _require_known(against: str, given: Iterable[str]) -> None:
    known = [*(one.name for one in CONTENDERS), *given]
    if against and against not in known:
        raise EvaluationError(f"--against: there is no model {against!r}; there are {', '.join(known)}.")


def _read_lists(ctx: JobContext, path: Path) -> DataFrame:
    if not path.exists():
        raise EvaluationError(f"--lists {path}: there is no such file.")
    reader = ctx.spark.read
    is_csv = path.suffix == ".csv"
    frame = reader.csv(str(path.resolve()), header=True) if is_csv else reader.parquet(str(path.resolve()))
    if missing := {"query_id", "rank", "track_id"} - set(frame.columns):
        raise EvaluationError(
            f"--lists {path}: column {sorted(missing)[0]} is missing; it needs query_id, rank, track_id, perhaps score."
        )
    return frame


def export(split: Split, folder: Path) -> None:
    """`train` and `plays`, and per task `asked`, `told` and `truth`; `inner_...` the same of the inner split, for tuning.

    `plays` and `told` are there where a split has an order. User ids stand in them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, part in (("", split), ("inner_", split.inner())):
        tables = {"train": part.train, "plays": part.plays}
        for task in part.tasks:
            name = task.name.replace(" ", "_")
            tables |= {f"{name}_asked": task.asked, f"{name}_told": task.told, f"{name}_truth": task.truth}
        for kind, frame in tables.items():
            if frame is not None:
                frame.coalesce(1).write.mode("overwrite").parquet(str((folder / f"{prefix}{kind}").resolve()))


def _told(ctx: JobContext, evaluation: Evaluation, config: Config, results: list[Result]) -> Told:
    split, sources = evaluation.split, ctx.night.sources
    users, tracks = (split.train.select(key).distinct().count() for key in ("user_id", "track_id"))
    made = {"tuned": config.tune, "code": code_version(), "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}
    return {
        "sources": sources.name,
        "synthetic": sources.synthetic,
        "date": ctx.night.date.isoformat(),
        "split": split.name,
        "protocol": split.protocol,
        "tasks": {task.name: task.protocol for task in evaluation.tasks},
        "left_out": evaluation.left_out,
        "train": {"users": users, "tracks": tracks, "ratings": split.train.count()},
        "catalogue": ctx.read_required("tracks").count(),
        "depth": metrics.DEPTH,
        "results": [
            {**r.to_json(), **made, "claims": claims.beside(r.model, split.name, users, tracks)} for r in results
        ],
    }


def _named_lists(paths: tuple[Path, ...]) -> dict[str, Path]:
    """Ranking tables by the names of their files, under which their figures stand."""
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found or path.stem in {one.name for one in CONTENDERS}:
            raise EvaluationError(
                f"--lists {path}: another model is called {path.stem!r}; rename the file, its name is the model's."
            )
        found[path.stem] = path
    return found


def _store(settings: Settings, sources: Sources, told: Told) -> None:
    """In the JSON file and in MongoDB a row for each model and task, which replaces that of the same name."""
    target = file_of(settings, told)
    before = json.loads(target.read_text()) if target.is_file() else {}
    kept = before.get("results", []) if all(before.get(key) == told[key] for key in SAME) else []
    new = {(row["task"], row["model"]) for row in told["results"]}
    whole = [*told["results"], *(row for row in kept if (row["task"], row["model"]) not in new)]
    write_whole(target, json.dumps({**told, "results": whole}, indent=1, allow_nan=False) + "\n")
    head = {key: value for key, value in told.items() if key not in {"results", "tasks"}}
    plain = json.loads(json.dumps(told["results"]))
    wanted = []
    for row in plain:
        name = "|".join(("evaluation", told["date"], told["split"], row["task"], row["model"]))
        wanted.append(ReplaceOne({"_id": name}, {"kind": "evaluation", **head, **row}, upsert=True))
    same = {"kind": "evaluation", "date": told["date"], "split": told["split"]}
    with connect(settings, sources.name) as store:
        store.quality.bulk_write(wanted)
        # of one date and split only what compares stays, as in the file
        store.quality.delete_many({**same, "$or": [{key: {"$ne": told[key]}} for key in SAME if key in head]})


def file_of(settings: Settings, told: Told) -> Path:
    """Where the table lies as JSON: VAR/evaluations/SOURCES/DATE-SPLIT.json."""
    return settings.var / "evaluations" / str(told["sources"]) / f"{told['date']}-{told['split']}.json"
