"""Train a genre model on labelled audio if none is registered yet: `pmrs run genre_train --date D`.

`--force` trains again and registers the result. Tracks are split into training and validation; the card has the
validation metrics. The setting `model` also determines which model genre_score uses.
"""

import datetime as dt
import json
from dataclasses import asdict, dataclass
from hashlib import sha256

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.genre import logreg
from jobs.genre.labels import drop_rare_genres, encode_labels, labelled, sample_balanced
from jobs.genre.model import DEFAULT_MODEL, DEFAULT_PRESET, LOGREG, TrainedModel, model_name, validation_metrics
from jobs.job_config import config_dict
from jobs.lake.adapters.mels import MEL_BYTES, to_mels
from jobs.lake.checkpoints import NONE, TRAINING, Checkpoint, clear
from jobs.lake.collect import collect_arrow
from jobs.lake.content_keys import KEY
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.training.distributed import load_state, log_epoch, train_distributed
from models.clip_config import ClipModelConfig, ClipTrainConfig
from models.clip_network import predict
from models.clip_training import TrainResult, train
from models.data.clips import mean_by_group
from models.genre_networks import make_config, to_bytes, to_card
from models.training.checkpoint import EpochReport, to_tensors
from models.types import F16, F32

LOG = logger(__name__)
METHODS = {
    "genre_cnn": "PMRS genre CNN (van den Oord et al. 2013, in the form of the 2014 Spotify article)",
    "short_chunk": "Short-chunk CNN with residual connections (Won et al. 2020), with fewer bins and channels",
}
"""Descriptions of the networks for their cards."""


@dataclass(frozen=True)
class Config:
    """Which model is trained, and on how much; hyper-parameters are in models/."""

    model: str = DEFAULT_MODEL
    """genre_cnn (the paper's network), short_chunk or logreg (jobs/genre/model.py); `pmrs evaluate genres` compares
    them."""
    preset: str = DEFAULT_PRESET
    """Mel preset of the networks. pmrs-4s: clips of the default sample and of GTZAN fill it (docs/algorithms.md)."""
    workers: int = 0
    """Processes that train a network together with Spark's TorchDistributor, one per GPU or machine. 0: the driver
    alone, which is faster for a few thousand clips than starting processes."""
    min_tracks: int = 2
    """Minimal number of labelled tracks of a genre; with four or more, some validate."""
    max_tracks: int = 4_000
    """Maximal number of labelled tracks to train a network on, balanced over genres: three clips each are 1.8 GB on the
    driver."""
    max_clips: int = ClipTrainConfig.max_clips
    """Maximal number of clips shown to a network over all epochs (1 to 8): two minutes of two cores. Above 1,400
    training clips that leaves fewer than five epochs, too few to stop early; raise it with a GPU or an hour of time."""

    def check(self) -> None:
        """Raise SourceError for numbers that allow no training."""
        for name in ("max_tracks", "max_clips"):
            if getattr(self, name) < 1:
                raise SourceError(f"{name} = {getattr(self, name)} under [jobs.genre_train] must be at least 1.")
        if self.workers < 0 or (self.workers and self.model == LOGREG):
            raise SourceError(
                f"workers = {self.workers} under [jobs.genre_train] is invalid for {self.model}; set 0, or the number of "
                "processes that train a network."
            )
        if self.workers and ClipTrainConfig.batch_size % self.workers:
            raise SourceError(
                f"workers = {self.workers} under [jobs.genre_train] cannot share a batch of {ClipTrainConfig.batch_size} clips "
                "evenly; set a divisor of it."
            )


def training_clips(mel: DataFrame, track_clips: DataFrame, tracks: DataFrame, config: Config) -> DataFrame:
    """Return clips `track_id, clip, genres, mel` of labelled tracks, totally ordered; rare genres are left out."""
    with_audio = track_clips.select("track_id", *KEY).join(labelled(tracks), "track_id")
    sampled = sample_balanced(drop_rare_genres(with_audio, config.min_tracks), config.max_tracks)
    clips = mel.where(F.col("preset") == config.preset).join(sampled, [*KEY])
    return clips.select("track_id", "clip", "genres", "mel").orderBy("track_id", "clip")


def to_arrays(clips: pa.Table) -> tuple[F16, list[list[str]], list[str]]:
    """Return mels [N, 599, 128], and genres and track of each clip."""
    return to_mels(clips["mel"]), clips["genres"].to_pylist(), clips["track_id"].to_pylist()


def run(ctx: JobContext) -> None:
    """Read `tracks`, `track_clips` and `mel` (logreg: `track_descriptors`), and register a model.

    Registers none, with a warning, if fewer than two genres have labelled audio.
    """
    config: Config = ctx.config  # type: ignore[assignment]
    name = model_name(ctx.genres.name, config.model, config.preset)
    config.check()
    if ctx.night.models.digest(name) is not None and not ctx.force:
        return
    trained = logreg.fit(ctx, config.min_tracks) if config.model == LOGREG else _train_network(ctx, config)
    if trained is None:
        LOG.warning("no genre model trained: fewer than two genres have labelled audio", model=name)
        return
    provenance = {
        "config": config_dict(config),
        "inputs": dict(ctx.inputs),
        "code": ctx.code,
        "trained_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
    digest = ctx.night.models.register(name, trained.weights, {**trained.card, **provenance})
    clear(ctx.night.lake.store, TRAINING, older=NONE)
    LOG.info("registered", model=name, digest=digest)


def _clips(ctx: JobContext, config: Config) -> DataFrame:
    mel, track_clips = ctx.read("mel", Partitions.CACHE), ctx.read_required("track_clips")
    return training_clips(mel, track_clips, ctx.read_required("tracks"), config)


def _train_network(ctx: JobContext, config: Config) -> TrainedModel | None:
    table = collect_arrow(_clips(ctx, config), MEL_BYTES, "training clips")
    mels, labels, tracks = to_arrays(table)
    del table  # as large as the arrays
    genres, truth = encode_labels(ctx.genres.genres, labels)
    if len(genres) < 2:
        return None
    multiclass = bool((truth.sum(1) == 1).all())
    task = "multiclass" if multiclass else "multilabel"
    network = make_config(config.model, n_outputs=len(genres), task=task, max_clips=config.max_clips)
    targets = truth.argmax(1) if multiclass else truth

    def on_epoch(epoch: EpochReport) -> None:
        ctx.night.on_progress("training the genre network", epoch.epoch, epoch.epochs)
        log_epoch(epoch)

    store = ctx.night.lake.store
    # not the digests of the tables: another night with the same labelled clips may resume too
    clips_digest = sha256(json.dumps([genres, labels, tracks]).encode())
    clips_digest.update(mels.data)
    determined_by = {
        "code": ctx.code, "config": config_dict(config),
        "settings": to_card(network), "clips": clips_digest.hexdigest(),
    }  # fmt: skip
    if config.workers:
        clips = mels, targets, tracks
        result = train_distributed(ctx.spark, config.workers, clips, network, store, TRAINING, determined_by)
    else:
        checkpoint = Checkpoint(store, TRAINING, determined_by)
        result = train(
            mels,
            targets,
            tracks,
            network,
            on_epoch,
            load_state(checkpoint),
            lambda state: checkpoint.keep(to_tensors(state)),
        )
    card = _card(config, network, genres, result) | network_metrics(result, mels, truth, tracks)
    return TrainedModel(to_bytes(result.model), card)


def network_metrics(result: TrainResult, mels: F16, truth: F32, tracks: list[str]) -> dict[str, object]:
    """Return the card's counts and validation metrics for clips [N, 599, 128] with genres [N, G] and the track of each
    [N].
    """
    val_mask = np.isin(tracks, result.val_tracks)
    names, first, track = np.unique(np.array(tracks)[val_mask], return_index=True, return_inverse=True)
    probabilities = mean_by_group(track, predict(result.model, mels[val_mask])[0], len(names))
    multilabel = result.model.cfg.task == "multilabel"
    metrics = validation_metrics(names.tolist(), truth[val_mask][first], probabilities, multilabel)
    return {"clips": len(tracks), "tracks": len(set(tracks)), **metrics}


def _calibration(temperature: float) -> str:
    """Describe the calibration; empty if there were too few validation tracks."""
    if temperature == 1:
        return ""
    tracks = "the validation tracks, which chose the epoch too (Guo et al. 2017)"
    return f"one temperature, {temperature:.2f}, fitted on {tracks}"


def _card(config: Config, network: ClipModelConfig, genres: list[str], result: TrainResult) -> dict[str, object]:
    return {
        "method": METHODS[config.model],
        "genres": genres,
        "preset": config.preset,
        "network": to_card(network),
        "calibration": _calibration(float(result.model.temperature)),
        "val_use": "they chose the epoch and the temperature, so that accuracy and log loss are slightly optimistic",
        "history": [asdict(epoch) for epoch in result.history],
    }
