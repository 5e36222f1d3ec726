"""Train the genre model on labelled audio where none is registered yet: `pmrs run genre_train --date D`.

`--force` trains anew and registers the result. Split by track; the card keeps what the model says of the held tracks. genre_score
asks the same model: which one is said here alone.
"""

import datetime as dt
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext, config_dict
from jobs.genre import head
from jobs.genre.model import DEFAULT_MODEL, DEFAULT_PRESET, HEAD, Learned, kind_of, model_name, on_held_tracks
from jobs.lake.collect import bounded
from jobs.lake.held import KEY
from jobs.lake.manifest import code_version
from jobs.log import logger
from models.clip_network import TrainingConfig, predict
from models.clips import mean_by
from models.genre_networks import card, settings_of, to_bytes
from models.genre_training import EpochReport, TrainResult, train

LOG = logger(__name__)
MEL_BYTES = 599 * 128 * 2
METHODS = {
    "pmrs_cnn": "PMRS genre CNN (van den Oord et al. 2013, in the form of the 2014 Spotify article)",
    "short_chunk": "Short-chunk CNN with residual connections (Won et al. 2020), with fewer bins and channels",
}
"""The networks as their cards tell them."""


@dataclass(frozen=True)
class Config:
    """Which model learns, and from what; its own settings stand with it in models/."""

    model: str = DEFAULT_MODEL
    """pmrs_cnn (the paper's network), short_chunk or head (jobs/genre/model.py); `pmrs evaluate-genres` tells which is better."""
    preset: str = DEFAULT_PRESET
    """Mel preset of the networks. pmrs-4s, because the default sample's and GTZAN's clips fill it (docs/algorithms.md)."""
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
    """Reads `tracks` and, for a network, `track_clips` and `mel`, for the head `track_descriptors`; registers a model.

    Without enough labelled audio it says so and registers none.
    """
    config: Config = ctx.config  # type: ignore[assignment]
    name = model_name(ctx.genres.name, config.model, config.preset)
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
    LOG.info("registered", model=name, digest=digest)


def _clips(ctx: JobContext, config: Config) -> DataFrame:
    return training_clips(ctx.read("mel", "held"), ctx.need("track_clips"), ctx.need("tracks"), config)


def _network(ctx: JobContext, config: Config) -> Learned | None:
    table = bounded(_clips(ctx, config), MEL_BYTES, "clips to train on")
    genres = [g for g in ctx.genres.genres if g in set(table["genre"].to_pylist())]
    if len(genres) < 2:
        return None
    mels, labels, tracks = to_arrays(table)
    settings = settings_of(kind_of(config.model), n_genres=len(genres))
    places = np.array([genres.index(label) for label in labels], dtype=np.int64)

    def watch(epoch: EpochReport) -> None:
        ctx.night.notify("training the genre network", epoch.epoch, epoch.epochs)
        LOG.info("epoch", **{k: round(v, 4) for k, v in asdict(epoch).items()})

    result = train(mels, places, tracks, settings, watch)
    return Learned(to_bytes(result.model), _card(config, settings, genres, result) | held_figures(result, mels, places, tracks))


def held_figures(result: TrainResult, mels: NDArray[np.float16], genres: NDArray[np.int64], tracks: list[str]) -> dict[str, object]:
    """What the card tells of the tracks held out, of all clips [N, 599, 128] with genre numbers [N] and the track of each [N]."""
    held = np.isin(tracks, result.val_tracks)
    names, place = np.unique(np.array(tracks)[held], return_inverse=True)
    truth = np.zeros(len(names), np.int64)
    truth[place] = genres[held]
    said = mean_by(place, predict(result.model, mels[held])[0], len(names))
    return {"clips": len(tracks), "tracks": len(set(tracks)), **on_held_tracks(names.tolist(), truth, said)}


def _card(config: Config, settings: TrainingConfig, genres: list[str], result: TrainResult) -> dict[str, object]:
    return {
        "method": METHODS[config.model],
        "genres": genres,
        "preset": config.preset,
        "network": card(settings),
        "calibration": "",
        "held_use": "early stopping chose the epoch on these tracks, so their accuracy is a little flattering",
        "history": [asdict(epoch) for epoch in result.history],
    }
