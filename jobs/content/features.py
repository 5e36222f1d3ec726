"""What the sound of a track says of who will listen to it: factors of tracks that nobody has played, for the job `content`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.content import network
from jobs.context import JobContext
from jobs.errors import LakeError, SourceError
from jobs.lake.adapters import texts
from jobs.lake.adapters.descriptors import NAMES, ROW_BYTES, matrix
from jobs.lake.adapters.factors import factors_in
from jobs.lake.adapters.mels import clips_of
from jobs.lake.collect import collect_arrow
from jobs.log import logger
from jobs.spark import rows_per_batch
from models import content_factors
from models.clip_training import EpochReport
from models.content_factors import to_unit
from models.genre_networks import NETWORKS
from models.mel import PRESETS
from models.types import F32, F64

LOG = logger(__name__)
DESCRIPTORS = "descriptors"


@dataclass(frozen=True)
class Config:
    """How many places go to tracks that nobody has played, how they are heard, and when that is believed."""

    places: int = 1
    """Of each listener's overall list, at its end; 0: none. One in twenty shows what is new and costs little where it does not
    please."""
    by: str = DESCRIPTORS
    """descriptors (ridge regression, seconds), or the network that learns from clips, every night anew, for some minutes: genre_cnn
    (the trunk of the paper) or short_chunk."""
    text: bool = False
    """Whether what is written about a track (title, artist, release, tags) is looked at beside its sound; the job text_vectors must
    have an encoder."""
    preset: str = "pmrs-4s"
    """Mel preset of a network's clips."""
    learn_from: int = 2_000
    """Most tracks that a network learns from, those with most listeners: three clips each are 0.9 GB on the driver."""
    shown: int = 16_000
    """Clips that a network is shown over all its epochs, one epoch at least: three times those of 2,000 tracks, some eight minutes
    of one core."""
    least_gain: float = 0.01
    """By how much the mean cosine of predicted and real factors, of tracks not learned from, must lie above that of one prediction
    for all; below, sound says nothing of who listens, and nothing is offered."""
    users_per_task: int = 2_000
    """Listeners that a task scores."""

    def check(self) -> None:
        """Raises SourceError for a way to hear that there is not."""
        if self.by not in (DESCRIPTORS, *NETWORKS):
            raise SourceError(f"Set `by` under [jobs.content] to one of {', '.join((DESCRIPTORS, *NETWORKS))}; it is {self.by!r}.")
        if self.preset not in PRESETS:
            raise SourceError(f"Set `preset` under [jobs.content] to one of {', '.join(PRESETS)}; it is {self.preset!r}.")


@dataclass(frozen=True)
class Sounds:
    """Tracks with audio: those that have factors, then those that nobody has played."""

    track_ids: tuple[str, ...]
    liked: int
    """How many of them, from the first, have factors."""
    descriptors: F32
    """[T, D] of deviation 1, each row 1 long: products are cosines."""
    factors: F32
    """[T - liked, F] of length 1, predicted."""


@dataclass(frozen=True)
class Predicted:
    """What was made of the sound of tracks that nobody has played."""

    factors: F64
    """[N, F] of length 1; zeros: nothing can be said."""
    likeness: float
    """Mean cosine of prediction and factors, of tracks that were not learned from; NaN: there were too few."""
    baseline: float
    """The same of one prediction for all."""
    learned_from: int
    """Tracks."""


def learn(ctx: JobContext, config: Config) -> Sounds | None:
    """What the sound of every track says; None, with the reason in the log, where nothing is to be offered."""
    config.check()
    described = _described(ctx, config.text)
    liked = described.join(ctx.read_required("item_factors"), "track_id")
    both = collect_arrow(liked, _row_bytes(config), "sounds of liked tracks")
    fresh = described.join(ctx.read_required("history").select("track_id"), "track_id", "left_anti")
    new = collect_arrow(fresh, _row_bytes(config), "sounds of tracks that nobody has played")
    both, new = both.sort_by("track_id"), new.sort_by("track_id")
    if not config.places or not both.num_rows or not new.num_rows:
        LOG.info("no track is offered by its sound", places=config.places, liked=both.num_rows, new=new.num_rows)
        return None
    found = _by_descriptors(both, new) if config.by == DESCRIPTORS else _by_network(ctx, config, new)
    told = {"likeness": round(found.likeness, 4), "of_one_for_all": round(found.baseline, 4), "learned_from": found.learned_from}
    if not found.likeness >= found.baseline + config.least_gain:
        LOG.warning("no track is offered by its sound: it says nothing of who listens", **told)
        return None
    LOG.info("tracks are offered by their sound", by=config.by, text=config.text, **told)
    names = (*both["track_id"].to_pylist(), *new["track_id"].to_pylist())
    # rounded: the last bits of sums depend on the machine's threads
    predicted = found.factors.round(6).astype(np.float32)
    return Sounds(names, both.num_rows, _directions(matrix(both), matrix(new)), predicted)


def _row_bytes(config: Config) -> int:
    return ROW_BYTES + (texts.ROW_BYTES if config.text else 0)


def _described(ctx: JobContext, text: bool) -> DataFrame:
    described = ctx.read("track_descriptors").select("track_id", *NAMES)
    if not text:
        return described
    return with_text(ctx, described)


def with_text(ctx: JobContext, rows: DataFrame) -> DataFrame:
    """Rows with `vector`, what is written about their `track_id`; zeros where nothing is.

    Raises LakeError where nothing is written about any track, or no encoder has read it.
    """
    written = texts.track_vectors(ctx)
    first = written.first()
    if first is None:
        raise LakeError(
            "No text of any track was read: set `encoder` under [jobs.text_vectors] (of some track a title or an artist must be "
            "known), or take out `text` under [jobs.content]."
        )
    nothing = F.array_repeat(F.lit(0.0).cast("float"), len(first["vector"]))
    return rows.join(written, "track_id", "left").withColumn("vector", F.coalesce("vector", nothing))


def _directions(known: F64, asked: F64) -> F32:
    """[T, D] descriptors of both, made comparable by what those known are like."""
    scale = known.std(0)
    both = (np.vstack([known, asked]) - known.mean(0)) / np.where(scale > content_factors.EPS, scale, 1.0)
    return to_unit(both).astype(np.float32)


def _features(rows: pa.Table) -> F64:
    told = network.beside(rows)
    return matrix(rows) if told is None else np.hstack([matrix(rows), told.astype(np.float64)])


def _by_descriptors(both: pa.Table, new: pa.Table) -> Predicted:
    model = content_factors.fit(_features(both), factors_in(both).astype(np.float64))
    return Predicted(model.predict(_features(new)), model.cosine, model.baseline, both.num_rows)


def _by_network(ctx: JobContext, config: Config, new: pa.Table) -> Predicted:
    def watch(epoch: EpochReport) -> None:
        ctx.night.on_progress("training the network that hears who listens", epoch.epoch, epoch.epochs)

    clips = clips_of(ctx, config.preset).drop("tiled")
    if config.text:
        clips = with_text(ctx, clips)
    learned = network.most_heard(ctx.read_required("item_factors"), ctx.read_required("history"), config.learn_from)
    heard = network.learn(clips.join(F.broadcast(learned), "track_id"), config.by, config.shown, watch)
    names: Sequence[str] = new["track_id"].to_pylist()
    if heard is None:
        LOG.warning("no liked track has clips of the preset; has the job mel cut them?", preset=config.preset)
        return Predicted(np.empty((len(names), 0)), float("nan"), float("nan"), 0)
    wanted = F.broadcast(ctx.spark.createDataFrame(new.select(["track_id"])))
    with rows_per_batch(ctx.spark, network.BATCH):
        asked = network.build_predictions(clips.join(wanted, "track_id"), heard)
        rows = collect_arrow(asked, 9 * heard.settings.n_outputs + 100, "factors of new tracks", rows=len(names))
    found = np.zeros((len(names), heard.settings.n_outputs))
    place = {name: row for row, name in enumerate(names)}
    if rows.num_rows:
        found[[place[name] for name in rows["track_id"].to_pylist()]] = factors_in(rows)
    return Predicted(to_unit(found), heard.likeness, heard.baseline, heard.learned_from)
