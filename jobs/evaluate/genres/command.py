"""`pmrs evaluate genres`: cross-validate genre models on labelled tracks; a stopped run continues where it stopped."""

import json
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from jobs.atomic_io import write_atomic
from jobs.content_cache import program_version
from jobs.context import JobContext
from jobs.errors import EvaluationError
from jobs.evaluate.genres import data, model_specs
from jobs.evaluate.genres.data import LabelledTracks
from jobs.evaluate.genres.figures import add_differences, metrics_row, track_accuracy
from jobs.evaluate.genres.model_specs import Fold, GenreModelSpec, select_genre_models
from jobs.evaluate.genres.report_tables import confusion_plot
from jobs.evaluate.report import EvaluationReport, evaluation_path, report_head, store_documents
from jobs.evaluate.setup import open_context
from jobs.lake.partitions import Partitions
from jobs.progress import ProgressCallback
from jobs.runner import run_named
from jobs.settings import Settings
from jobs.training import audio_features
from models.types import F64

REQUIRED_JOBS = ("ingest", "prepare", "audio", "pretrained", "embeddings")
"""Families and jobs whose tables are read."""


@dataclass(frozen=True)
class GenresConfig:
    """Folds and seeds; recorded with every figure."""

    folds: int = 6
    """Each fold is the test data once; the others are the training data."""
    seeds: int = 5
    """Repetitions with other folds and other initial weights."""

    @property
    def min_tracks(self) -> int:
        """Fewest tracks of a genre: one in each fold, and at least two in the training data."""
        return max(self.folds, 4 if self.folds == 2 else 3)


@dataclass(frozen=True)
class Options:
    """What this run computes."""

    models: tuple[str, ...] = ()
    """Names of models; empty: all."""
    fold: int | None = None
    """Only this fold (from 0) of each seed; None: all."""


def run(
    settings: Settings, date: str, config: GenresConfig, options: Options, on_progress: ProgressCallback
) -> EvaluationReport:
    """Evaluate on a night's `tracks`, `track_descriptors`, `track_clips` and `mel`, and return the report.

    The report is stored as JSON with a plot of each confusion matrix, and in MongoDB's `quality` (`kind` genres).
    """
    try:
        specs = select_genre_models(options.models)
    except ValueError as error:
        raise EvaluationError(f"--models: {error}.") from None
    if config.folds < 2 or config.seeds < 1 or not 0 <= (options.fold or 0) < config.folds:
        raise EvaluationError(
            f"--folds must be 2 or more, --seeds 1 or more, and --fold one of 0 to {config.folds - 1}."
        )
    ctx = open_context(settings, date, config)
    _run_missing_jobs(settings, ctx, on_progress)
    presets = sorted({spec.preset for spec in specs if spec.preset})
    tracks = data.read(ctx, presets, config.min_tracks)
    specs = _with_features(specs, tracks, options)
    protocol = (
        f"each track is tested with models trained on {config.folds - 1} of {config.folds} folds of whole tracks, "
        f"{config.seeds} times; other tracks of its artist may be among the training tracks"
    )
    head = report_head(ctx, "genres", protocol)
    folder = evaluation_path(settings, head, "genres").with_suffix("")
    predictions = PredictionStore(folder / "predictions", tracks, config)
    for seed in range(config.seeds):
        fold_of = data.assign_folds(tracks.genre, config.folds, seed)
        for number in range(config.folds) if options.fold is None else (options.fold,):
            fold = Fold(tracks, np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number), seed)
            for spec in specs:
                step = f"seed {seed}, fold {number}: {spec.title}"
                on_progress(step, seed * config.folds + number, config.seeds * config.folds)
                predictions.compute(spec, fold, number)
    report = {**head, "genre_set": ctx.genres.name, **_figures(tracks, config, specs, predictions)}
    _store(settings, folder, report)
    return report


def _with_features(specs: list[GenreModelSpec], tracks: LabelledTracks, options: Options) -> list[GenreModelSpec]:
    """Return the models whose features there are. Raises EvaluationError if a model that was named lacks them."""
    if tracks.embeddings.shape[1]:
        return specs
    if missing := [spec.name for spec in specs if spec.needs_embeddings and options.models]:
        raise EvaluationError(f"--models: {missing[0]} needs embeddings, and there are none; run `pmrs run genre` with audio.")
    return [spec for spec in specs if not spec.needs_embeddings]


def _run_missing_jobs(settings: Settings, ctx: JobContext, on_progress: ProgressCallback) -> None:
    """Run the jobs that compute features if the night has none: labelled audio alone needs no full night."""
    if not ctx.night.lake.select("track_embeddings", Partitions.DATE, ctx.night.date.isoformat()):
        for number, name in enumerate(REQUIRED_JOBS):
            on_progress(f"pmrs run {name}", number, len(REQUIRED_JOBS))
            run_named(settings, name, ctx.night.date)


class PredictionStore:
    """Predictions on disk, a file for each model, seed and fold; an existing one is not computed again."""

    def __init__(self, folder: Path, tracks: LabelledTracks, config: GenresConfig) -> None:
        self._tracks, self._config = tracks, config
        inputs = [
            *tracks.tracks, *tracks.genre, *tracks.genres, *tracks.producer_versions, tracks.descriptors.tobytes().hex(),
            tracks.embeddings.tobytes().hex(),
        ]  # fmt: skip
        # the values of the inputs count, and not the code that reads them
        program, others = (model_specs, data, audio_features), (version("scikit-learn"), *map(str, inputs))
        self._folder = folder / program_version(config, program, *others, within="models")

    def _file(self, spec: GenreModelSpec, seed: int, fold_number: int) -> Path:
        return self._folder / f"{spec.name}-{seed}-{fold_number}.json"

    def compute(self, spec: GenreModelSpec, fold: Fold, fold_number: int) -> None:
        """Fit the model and store its predictions, unless they are stored already."""
        file = self._file(spec, fold.seed, fold_number)
        if not file.is_file():
            start = time.monotonic()
            probabilities = spec.fit_predict(fold)
            seconds = time.monotonic() - start
            row = {"tracks": fold.test.tolist(), "probabilities": probabilities.tolist(), "seconds": seconds}
            write_atomic(file, json.dumps(row) + "\n")

    def load(self, spec: GenreModelSpec) -> tuple[F64, float]:
        """Return the probabilities [S, N, G], NaN for tracks without a prediction, and the mean seconds of a fold."""
        shape = (self._config.seeds, len(self._tracks.tracks), len(self._tracks.genres))
        probabilities, seconds = np.full(shape, np.nan), []
        for seed in range(self._config.seeds):
            for fold_number in range(self._config.folds):
                file = self._file(spec, seed, fold_number)
                if file.is_file():
                    row = json.loads(file.read_text())
                    probabilities[seed, row["tracks"]] = row["probabilities"]
                    seconds.append(row["seconds"])
        return probabilities, float(np.mean(seconds))


def _figures(
    tracks: LabelledTracks, config: GenresConfig, specs: list[GenreModelSpec], predictions: PredictionStore
) -> EvaluationReport:
    loaded = {spec.name: predictions.load(spec) for spec in specs}
    rows = [metrics_row(spec, tracks, *loaded[spec.name]) for spec in specs]
    tested_by_all = np.all([~np.isnan(p[:, :, 0]).all(0) for p, _ in loaded.values()], axis=0)
    accuracy = {name: track_accuracy(tracks, probabilities) for name, (probabilities, _) in loaded.items()}
    add_differences(rows, accuracy, np.flatnonzero(tested_by_all))
    return {
        "genres": list(tracks.genres), "left_out": tracks.left_out, "tracks": len(tracks.tracks),
        "tested": int(tested_by_all.sum()), "folds": config.folds, "seeds": config.seeds, "results": rows,
    }  # fmt: skip


def _store(settings: Settings, folder: Path, report: EvaluationReport) -> None:
    write_atomic(folder.with_suffix(".json"), json.dumps(report, indent=1, allow_nan=False) + "\n")
    for row in report["results"]:
        write_atomic(folder / f"{row['model']}.svg", confusion_plot(row, report["genres"]))
    store_documents(settings, report)
