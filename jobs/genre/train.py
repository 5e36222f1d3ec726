"""Train the genre CNN on labelled audio where none is registered yet: `pmrs run genre_train --date D`.

`--force` trains anew and registers the result. Split by track; the card keeps the held tracks' accuracy.
"""

import datetime as dt
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext, config_dict
from jobs.genre.model import DEFAULT_NETWORK, DEFAULT_PRESET, model_name
from jobs.lake.collect import bounded
from jobs.lake.held import KEY
from jobs.lake.manifest import code_version
from jobs.log import logger
from models.clip_network import TrainingConfig
from models.genre_networks import card, settings_of, to_bytes
from models.genre_training import EpochReport, TrainResult, train

LOG = logger(__name__)
MEL_BYTES = 599 * 128 * 2


@dataclass(frozen=True)
class Config:
    """What the network learns from; its own settings stand with it in models/."""

    network: str = DEFAULT_NETWORK
    """genre_cnn (PMRS's) or short_chunk (models/genre_networks.py)."""
    preset: str = DEFAULT_PRESET
    """Mel preset. pmrs-4s, because the default sample's and GTZAN's clips fill it (docs/algorithms.md)."""
    min_tracks: int = 2
    """Fewest labelled tracks of a genre: one to learn from and one to look at."""


def training_clips(mel: DataFrame, track_clips: DataFrame, tracks: DataFrame, config: Config) -> DataFrame:
    """Clips `track_id, clip, genre, mel` of labelled tracks, in a total order; genres with too few tracks left out."""
    labelled = tracks.where("label_genre IS NOT NULL").select("track_id", F.col("label_genre").alias("genre"))
    of_tracks = track_clips.select("track_id", *KEY).join(labelled, "track_id")
    clips = mel.where(F.col("preset") == config.preset).join(of_tracks, [*KEY])
    enough = clips.groupBy("genre").agg(F.countDistinct("track_id").alias("n")).where(F.col("n") >= config.min_tracks)
    kept = clips.join(F.broadcast(enough), "genre", "left_semi")
    return kept.select("track_id", "clip", "genre", "mel").orderBy("track_id", "clip")


def to_mels(mels: pa.ChunkedArray) -> NDArray[np.float16]:
    """[N, 599, 128] of column `mel`."""
    return np.stack([np.frombuffer(value, np.float16).reshape(599, 128) for value in mels.to_pylist()])


def to_arrays(clips: pa.Table) -> tuple[NDArray[np.float16], list[str], list[str]]:
    """Mels [N, 599, 128] float16, genre and track of each."""
    return to_mels(clips["mel"]), clips["genre"].to_pylist(), clips["track_id"].to_pylist()


def run(ctx: JobContext) -> None:
    """Reads `track_clips`, `mel` and `tracks`, registers a model. Without enough labelled audio it says so and registers none."""
    config: Config = ctx.config  # type: ignore[assignment]
    name = model_name(ctx.genres.name, config.preset, config.network)
    if ctx.night.models.digest(name) is not None and not ctx.force:
        return
    table = bounded(_clips(ctx, config), MEL_BYTES, "clips to train on")
    genres = [g for g in ctx.genres.genres if g in set(table["genre"].to_pylist())]
    if len(genres) < 2:
        LOG.warning("no genre CNN trained: fewer than two genres have labelled audio", genres=genres)
        return
    mels, labels, tracks = to_arrays(table)
    settings = settings_of(config.network, n_genres=len(genres))
    places = np.array([genres.index(label) for label in labels], dtype=np.int64)

    def watch(epoch: EpochReport) -> None:
        ctx.night.notify("training the genre CNN", epoch.epoch, epoch.epochs)
        LOG.info("epoch", **{k: round(v, 4) for k, v in asdict(epoch).items()})

    result = train(mels, places, tracks, settings, watch)
    digest = ctx.night.models.register(name, to_bytes(result.model), _card(ctx, config, settings, genres, result, tracks))
    LOG.info("registered", model=name, digest=digest)


def _clips(ctx: JobContext, config: Config) -> DataFrame:
    return training_clips(ctx.read("mel", "held"), ctx.need("track_clips"), ctx.need("tracks"), config)


def _card(
    ctx: JobContext, config: Config, settings: TrainingConfig, genres: list[str], result: TrainResult, tracks: list[str]
) -> dict[str, object]:
    best = result.history[result.best_epoch - 1]
    return {
        "method": "PMRS genre CNN (van den Oord et al. 2013, in the form of the 2014 Spotify article)",
        "genres": genres,
        "preset": config.preset,
        "config": config_dict(config),
        "network": card(settings),
        "clips": len(tracks),
        "tracks": len(set(tracks)),
        "held_tracks": list(result.val_tracks),
        "held_accuracy": best.val_accuracy,
        "held_use": "early stopping chose the epoch on these tracks, so their accuracy is a little flattering",
        "history": [asdict(epoch) for epoch in result.history],
        "inputs": dict(ctx.inputs),
        "code": code_version(),
        "trained_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
