"""`pmrs evaluate-genres`: asks genre models for tracks that they did not learn from, fold by fold; goes on where it was stopped."""

import datetime as dt
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from jobs.atomic_io import write_whole
from jobs.content_cache import program_version
from jobs.context import JobContext
from jobs.errors import EvaluationError
from jobs.evaluate.genres import contenders, heard
from jobs.evaluate.genres.contenders import Contender, Fold, named
from jobs.evaluate.genres.heard import Heard, Reals
from jobs.evaluate.genres.judged import compare, hits, judged
from jobs.evaluate.genres.show import confusion
from jobs.evaluate.question import opened
from jobs.evaluate.tables import Told, keep
from jobs.lake.adapters import mels
from jobs.lake.manifest import code_version
from jobs.lake.partitions import Partitions
from jobs.runner import run_named
from jobs.settings import Settings
from models import calibration, clip_network, clip_training, clips, genre_cnn, genre_head, short_chunk, training_goals

PROGRAM = (
    contenders, heard, mels, clip_network, clips, genre_cnn, genre_head, clip_training, training_goals, calibration, short_chunk,
)  # fmt: skip
"""What decides an answer: where one of them is another, answers of before are not taken."""
NEEDED = ("ingest", "prepare", "audio")
"""Families of jobs whose tables are read."""
Say = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Config:
    """How tracks are divided; noted with every figure."""

    folds: int = 6
    """Parts of the tracks, each asked for once by models that learned from the others."""
    seeds: int = 5
    """Times that all is done anew: other folds, other first weights."""

    @property
    def fewest(self) -> int:
        """Tracks that a genre must have: each fold asks for one, and at least two of the others are learned from."""
        return max(self.folds, 4 if self.folds == 2 else 3)


@dataclass(frozen=True)
class Options:
    """What of it is done now."""

    models: tuple[str, ...] = ()
    """Names of contenders; none: all."""
    fold: int | None = None
    """Only this fold (from 0) of each seed; None: all."""


def run(settings: Settings, date: str, config: Config, options: Options, say: Say) -> Told:
    """Reads `tracks`, `track_descriptors`, `track_clips` and `mel` of a night; the whole as a dictionary.

    It is stored as JSON with a picture of each confusion matrix beside it, and in MongoDB's `quality` (`kind` genres).
    """
    try:
        asked = named(options.models)
    except ValueError as error:
        raise EvaluationError(f"--models: {error}.") from None
    if config.folds < 2 or config.seeds < 1 or not 0 <= (options.fold or 0) < config.folds:
        raise EvaluationError(f"--folds must be 2 or more, --seeds 1 or more, and --fold one of 0 to {config.folds - 1}.")
    ctx = opened(settings, date, config)
    _prepare(settings, ctx, say)
    presets = sorted({one.preset for one in asked if one.preset})
    found = heard.read(ctx, presets, config.fewest)
    answers = Answers(_folder(ctx) / "answers", found, config)
    for seed in range(config.seeds):
        number = heard.folds(found.genre, config.folds, seed)
        for place in range(config.folds) if options.fold is None else (options.fold,):
            fold = Fold(found, np.flatnonzero(number != place), np.flatnonzero(number == place), seed)
            for one in asked:
                say(f"seed {seed}, fold {place}: {one.title}", seed * config.folds + place, config.seeds * config.folds)
                answers.ask(one, fold, place)
    told = _told(ctx, found, config, asked, answers)
    _store(settings, ctx, told)
    return told


def _prepare(settings: Settings, ctx: JobContext, say: Say) -> None:
    """Have the audio of the night described, where it is not yet: sources that have labelled audio alone need no whole night."""
    if not ctx.night.lake.select("track_descriptors", Partitions.DATE, ctx.night.date.isoformat()):
        for family in NEEDED:
            say(f"pmrs run {family}", NEEDED.index(family), len(NEEDED))
            run_named(settings, family, ctx.night.date)


class Answers:
    """Every answer that was given, a file for each model, seed and fold; what is there is not asked again."""

    def __init__(self, folder: Path, found: Heard, config: Config) -> None:
        self._heard, self._config = found, config
        data = [*found.tracks, *found.genre, *found.genres, *found.producer_version, found.descriptors.tobytes().hex()]
        self._folder = folder / program_version(config, PROGRAM, version("scikit-learn"), *map(str, data))

    def _file(self, one: Contender, seed: int, place: int) -> Path:
        return self._folder / f"{one.name}-{seed}-{place}.json"

    def ask(self, one: Contender, fold: Fold, place: int) -> None:
        """Have the model answer, where it has not yet."""
        file = self._file(one, fold.seed, place)
        if not file.is_file():
            began = time.monotonic()
            said = one.fit(fold)
            row = {"asked": fold.asked.tolist(), "said": said.tolist(), "seconds": time.monotonic() - began}
            write_whole(file, json.dumps(row) + "\n")

    def of(self, one: Contender) -> tuple[Reals, float]:
        """Probabilities [S, N, G], NaN where nothing was asked, and the mean seconds of a fold."""
        found = np.full((self._config.seeds, len(self._heard.tracks), len(self._heard.genres)), np.nan)
        seconds = []
        for seed in range(self._config.seeds):
            for place in range(self._config.folds):
                file = self._file(one, seed, place)
                if file.is_file():
                    row = json.loads(file.read_text())
                    found[seed, row["asked"]] = row["said"]
                    seconds.append(row["seconds"])
        return found, float(np.mean(seconds))


def _told(ctx: JobContext, found: Heard, config: Config, asked: list[Contender], answers: Answers) -> Told:
    said = {one.name: answers.of(one) for one in asked}
    rows = [judged(one, found, *said[one.name]) for one in asked]
    everywhere = np.all([~np.isnan(one[:, :, 0]).all(0) for one, _ in said.values()], axis=0)
    compare(rows, {name: hits(found, one) for name, (one, _) in said.items()}, np.flatnonzero(everywhere))
    sources = ctx.night.sources
    return {
        "kind": "genres", "sources": sources.name, "synthetic": sources.synthetic, "date": ctx.night.date.isoformat(),
        "genre_set": ctx.genres.name, "genres": list(found.genres), "left_out": found.left_out, "tracks": len(found.tracks),
        "asked": int(everywhere.sum()), "folds": config.folds, "seeds": config.seeds,
        "protocol": f"each track asked of models that learned from {config.folds - 1} of {config.folds} folds of whole tracks, "
        f"{config.seeds} times anew; other tracks of its artist may be among them",
        "code": code_version(), "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "results": rows,
    }  # fmt: skip


def _folder(ctx: JobContext) -> Path:
    """VAR/evaluations/SOURCES/DATE-genres."""
    return ctx.night.settings.var / "evaluations" / ctx.night.sources.name / f"{ctx.night.date.isoformat()}-genres"


def _store(settings: Settings, ctx: JobContext, told: Told) -> None:
    folder = _folder(ctx)
    write_whole(folder.with_suffix(".json"), json.dumps(told, indent=1, allow_nan=False) + "\n")
    for row in told["results"]:
        write_whole(folder / f"{row['model']}.svg", confusion(row, told["genres"]))
    keep(settings, told)
