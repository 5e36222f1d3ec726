"""Train the genre model on labelled audio where none is registered yet: `pmrs run genre_train --date D`.

`--force` trains anew and registers the result. Split by track; the card keeps what the model says of the held tracks. genre_score
asks the same model: which one is said here alone.
"""

import datetime as dt
import json
from dataclasses import asdict, dataclass
from hashlib import sha256

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.genre import head
from jobs.genre.labels import evenly, in_order, labelled, with_enough
from jobs.genre.model import DEFAULT_MODEL, DEFAULT_PRESET, HEAD, TrainingData, kind_of, model_name, on_held_tracks
from jobs.genre.workers import reached, told, train_together
from jobs.job_config import config_dict
from jobs.lake.adapters.mels import MEL_BYTES, to_mels
from jobs.lake.checkpoints import NONE, TRAINING, Checkpoint, clear
from jobs.lake.collect import collect_arrow
from jobs.lake.content_keys import KEY
from jobs.lake.manifest import code_version
from jobs.lake.partitions import Partitions
from jobs.log import logger
from models.clip_network import TrainingConfig, predict
from models.clip_training import EpochReport, TrainResult, train
from models.data.clips import mean_by_group
from models.genre_networks import make_config, to_bytes, to_card
from models.training.checkpoint import to_tensors

LOG = logger(__name__)
METHODS = {
    "pmrs_cnn": "PMRS genre CNN (van den Oord et al. 2013, in the form of the 2014 Spotify article)",
    "short_chunk": "Short-chunk CNN with residual connections (Won et al. 2020), with fewer bins and channels",
}
"""The networks as their cards tell them."""


@dataclass(frozen=True)
class Config:
    """Which model learns, and from what; its own settings stand with it in models/."""

    model: str = DEFAULT_MODEL
    """pmrs_cnn (the paper's network), short_chunk or head (jobs/genre/model.py); `pmrs evaluate genres` tells which is better."""
    preset: str = DEFAULT_PRESET
    """Mel preset of the networks. pmrs-4s, because the default sample's and GTZAN's clips fill it (docs/algorithms.md)."""
    workers: int = 0
    """Processes that train a network together through Spark's TorchDistributor, one for each GPU or machine; 0: the driver alone,
    which for the few thousand clips of one machine is quicker than to start them."""
    min_tracks: int = 2
    """Fewest labelled tracks of a genre; of four and more, some are held out to be looked at."""
    most_tracks: int = 4_000
    """Most labelled tracks that a network learns from, of each genre as many, if it has them: three clips each are 1.8 GB on the
    driver."""
    max_clips: int = TrainingConfig.max_clips
    """Clips that a network is shown over all its epochs, 8 at most and one at least: two minutes of two cores. Beyond 1,400 clips
    fewer than five epochs are planned, too few to stop early; where a GPU trains, or a night has an hour, ask for more."""

    def check(self) -> None:
        """Raises SourceError for numbers by which nothing can be trained."""
        for name in ("most_tracks", "max_clips"):
            if getattr(self, name) < 1:
                raise SourceError(f"{name} = {getattr(self, name)} under [jobs.genre_train] leaves nothing to learn from.")
        if self.workers < 0 or (self.workers and self.model == HEAD):
            raise SourceError(
                f"workers = {self.workers} under [jobs.genre_train] trains no {self.model}; set 0, or how many processes train a "
                "network."
            )


def training_clips(mel: DataFrame, track_clips: DataFrame, tracks: DataFrame, config: Config) -> DataFrame:
    """Clips `track_id, clip, genres, mel` of labelled tracks, in a total order; genres with too few tracks left out."""
    heard = track_clips.select("track_id", *KEY).join(labelled(tracks), "track_id")
    chosen = evenly(with_enough(heard, config.min_tracks), config.most_tracks)
    clips = mel.where(F.col("preset") == config.preset).join(chosen, [*KEY])
    return clips.select("track_id", "clip", "genres", "mel").orderBy("track_id", "clip")


def to_arrays(clips: pa.Table) -> tuple[NDArray[np.float16], list[str], list[str]]:
    """Mels [N, 599, 128] float16, genres and track of each."""
    return to_mels(clips["mel"]), clips["genres"].to_pylist(), clips["track_id"].to_pylist()


def run(ctx: JobContext) -> None:
    """Reads `tracks` and, for a network, `track_clips` and `mel`, for the head `track_descriptors`; registers a model.

    Without enough labelled audio it says so and registers none.
    """
    config: Config = ctx.config  # type: ignore[assignment]
    name = model_name(ctx.genres.name, config.model, config.preset)
    config.check()
    if ctx.night.models.digest(name) is not None and not ctx.force:
        return
    learned = head.learn(ctx, config.min_tracks) if config.model == HEAD else _network(ctx, config)
    if learned is None:
        LOG.warning("no genre model trained: fewer than two genres have labelled audio", model=name)
        return
    about = {
        "config": config_dict(config),
        "inputs": dict(ctx.inputs),
        "code": code_version(),
        "trained_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    digest = ctx.night.models.register(name, learned.weights, {**learned.card, **about})
    clear(ctx.night.lake.store, TRAINING, older=NONE)
    LOG.info("registered", model=name, digest=digest)


def _clips(ctx: JobContext, config: Config) -> DataFrame:
    return training_clips(ctx.read("mel", Partitions.CACHE), ctx.read_required("track_clips"), ctx.read_required("tracks"), config)


def _network(ctx: JobContext, config: Config) -> TrainingData | None:
    table = collect_arrow(_clips(ctx, config), MEL_BYTES, "clips to train on")
    mels, labels, tracks = to_arrays(table)
    del table  # as large as the arrays
    genres, truth = in_order(ctx.genres.genres, labels)
    if len(genres) < 2:
        return None
    one_each = bool((truth.sum(1) == 1).all())
    settings = make_config(
        kind_of(config.model), n_outputs=len(genres), task="multiclass" if one_each else "multilabel", max_clips=config.max_clips
    )
    wanted = truth.argmax(1) if one_each else truth

    def watch(epoch: EpochReport) -> None:
        ctx.night.on_progress("training the genre network", epoch.epoch, epoch.epochs)
        told(epoch)

    store = ctx.night.lake.store
    # not the tables' digests: another night with the same labelled clips goes on too
    learned_from = sha256(json.dumps([genres, labels, tracks]).encode())
    learned_from.update(mels.data)
    determined_by = {
        "code": code_version(), "config": config_dict(config), "settings": to_card(settings), "clips": learned_from.hexdigest(),
    }  # fmt: skip
    if config.workers:
        clips = mels, wanted, tracks
        result = train_together(ctx.spark, config.workers, clips, settings, store, TRAINING, determined_by)
    else:
        checkpoint = Checkpoint(store, TRAINING, determined_by)
        result = train(mels, wanted, tracks, settings, watch, reached(checkpoint), lambda now: checkpoint.keep(to_tensors(now)))
    return TrainingData(to_bytes(result.model), _card(config, settings, genres, result) | held_figures(result, mels, truth, tracks))


def held_figures(
    result: TrainResult, mels: NDArray[np.float16], truth: NDArray[np.float32], tracks: list[str]
) -> dict[str, object]:
    """What the card tells of the tracks held out, of all clips [N, 599, 128] with genres [N, G] and the track of each [N]."""
    held = np.isin(tracks, result.val_tracks)
    names, first, place = np.unique(np.array(tracks)[held], return_index=True, return_inverse=True)
    said = mean_by_group(place, predict(result.model, mels[held])[0], len(names))
    told = on_held_tracks(names.tolist(), truth[held][first], said, result.model.cfg.task == "multilabel")
    return {"clips": len(tracks), "tracks": len(set(tracks)), **told}


def _calibration(temperature: float) -> str:
    """How, in words; empty where too few tracks were held out."""
    if temperature == 1:
        return ""
    return f"one temperature, {temperature:.2f}, found on the held tracks, which chose the epoch too (Guo et al. 2017)"


def _card(config: Config, settings: TrainingConfig, genres: list[str], result: TrainResult) -> dict[str, object]:
    return {
        "method": METHODS[config.model],
        "genres": genres,
        "preset": config.preset,
        "network": to_card(settings),
        "calibration": _calibration(float(result.model.temperature)),
        "held_use": "they chose the epoch, and the temperature of the calibration, so that accuracy and log loss flatter a little",
        "history": [asdict(epoch) for epoch in result.history],
    }
