"""Train a genre model on labelled audio if none is registered for the night's embeddings: `pmrs run genre_train --date D`.

`--force` trains again and registers the result. Tracks are split into training and validation; the card has the
validation metrics. The setting `model` also determines which model genre_score uses.
"""

import datetime as dt
import json
from dataclasses import asdict
from hashlib import sha256

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.genre import logreg
from jobs.genre.config import LOGREG, GenreTrainConfig
from jobs.genre.labels import drop_rare_genres, encode_labels, labelled, sample_balanced
from jobs.genre.model import TrainedModel, fits_embeddings, model_name, validation_metrics
from jobs.job_config import config_dict
from jobs.lake.adapters.mels import MEL_BYTES, to_mels
from jobs.lake.checkpoints import NONE, TRAINING, Checkpoint, clear
from jobs.lake.collect import collect_arrow
from jobs.lake.content_keys import KEY
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.training.distributed import load_state, log_epoch, train_distributed
from models.clip_config import ClipModelConfig
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


def training_clips(mel: DataFrame, track_clips: DataFrame, tracks: DataFrame, config: GenreTrainConfig) -> DataFrame:
    """Return clips `track_id, clip, genres, mel` of labelled tracks, totally ordered; rare genres are left out."""
    with_audio = track_clips.select("track_id", *KEY).join(labelled(tracks), "track_id")
    sampled = sample_balanced(drop_rare_genres(with_audio, config.min_tracks), config.max_tracks)
    clips = mel.where(F.col("preset") == config.preset).join(sampled, [*KEY])
    return clips.select("track_id", "clip", "genres", "mel").orderBy("track_id", "clip")


def to_arrays(clips: pa.Table) -> tuple[F16, list[list[str]], list[str]]:
    """Return mels [N, 599, 128], and genres and track of each clip."""
    return to_mels(clips["mel"]), clips["genres"].to_pylist(), clips["track_id"].to_pylist()


def run(ctx: JobContext) -> None:
    """Read `tracks`, `track_clips` and `mel` (logreg: `track_descriptors`, `track_embeddings`), and register a model.

    Registers none, with a warning, if fewer than two genres have labelled audio.
    """
    config: GenreTrainConfig = ctx.config  # type: ignore[assignment]
    name = model_name(ctx.genres.name, config)
    card = ctx.night.models.card(name)
    if card is not None and not ctx.force and fits_embeddings(ctx, card, config):
        return
    trained = logreg.fit(ctx, config) if config.model == LOGREG else _train_network(ctx, config)
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


def _clips(ctx: JobContext, config: GenreTrainConfig) -> DataFrame:
    mel, track_clips = ctx.read("mel", Partitions.CACHE), ctx.read_required("track_clips")
    return training_clips(mel, track_clips, ctx.read_required("tracks"), config)


def _train_network(ctx: JobContext, config: GenreTrainConfig) -> TrainedModel | None:
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
            lambda state: checkpoint.save(to_tensors(state)),
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


def _card(config: GenreTrainConfig, network: ClipModelConfig, genres: list[str], result: TrainResult) -> dict[str, object]:
    return {
        "method": METHODS[config.model],
        "genres": genres,
        "preset": config.preset,
        "network": to_card(network),
        "calibration": _calibration(float(result.model.temperature)),
        "val_use": "they chose the epoch and the temperature, so that accuracy and log loss are slightly optimistic",
        "history": [asdict(epoch) for epoch in result.history],
    }
