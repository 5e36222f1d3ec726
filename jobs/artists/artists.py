"""Compute similar tracks and artists, artists' radios and users' daily mixes: `pmrs run artists --date D`.

Tracks with factors or audio are compared by users (factors), audio, genre and text, artists by the means of their
tracks (models/modality_space.py). A track with an unknown artist is compared with other tracks, and is on no radio.
Without factors and audio the tables are empty.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.artists.config import ArtistsConfig
from jobs.artists.features import TrackFeatures, artist_key, encode, load_features, same_artist_labels
from jobs.artists.mixes import build_mixes, mix_inputs
from jobs.artists.neighbors import Entities, build_similar
from jobs.artists.radio import build_radio, build_top_tracks
from jobs.context import JobContext
from jobs.errors import MemoryLimitError
from jobs.lake.collect import collect_arrow
from jobs.lake.deletion_requests import erased_pairs
from jobs.lake.partitions import Partitions
from jobs.lake.user_items import build_user_items
from jobs.log import logger
from jobs.recommenders.reasons import track_names
from jobs.spark import rows_per_batch
from models import exact_index
from models.types import I64

LOG = logger(__name__)
SIMILAR_ROW_BYTES = 80
"""Size of a row of `similar_tracks` on the driver: two ids, rank, score, top modality."""
NAME_BYTES = 200
"""Size of an artist's names on the driver."""


def run(ctx: JobContext) -> None:
    """Read the features of tracks, history, blocks and deletion requests; write the artist level.

    Features: factors, descriptors, texts, tracks, genres, terms.
    """
    config: ArtistsConfig = ctx.config  # type: ignore[assignment]
    try:
        features = load_features(ctx, config) if config.neighbors else None
        if features is not None:
            _write(ctx, features, config)
            return
        LOG.info("no artist level: it is turned off, or there are no factors and no audio", neighbors=config.neighbors)
    except MemoryLimitError as error:
        # lists do not depend on the artist level, so that its failure must not stop them
        LOG.warning("no artist level: it exceeds the driver's memory limit", error=str(error))
        ctx.pending.clear()
    ctx.write_empty("similar_tracks", "similar_artists", "artist_radio", "daily_mixes")


def _write(ctx: JobContext, features: TrackFeatures, config: ArtistsConfig) -> None:
    LOG.info("compared by", tracks=len(features.ids), artists=len(features.artist_ids), **_shares(features))
    with rows_per_batch(ctx.spark, exact_index.USER_BATCH):
        similar = ctx.write("similar_tracks", similar_tracks(ctx, features, config))
        ctx.night.on_progress("artists and their radio", 0, 0)
        _write_artists(ctx, features, config)
        ctx.night.on_progress("daily mixes", 0, 0)
        ctx.write("daily_mixes", daily_mixes(ctx, features, similar, config))


def _shares(features: TrackFeatures) -> dict[str, float]:
    return {name: round(weight, 3) for name, weight in zip(features.tracks.names, features.tracks.weights, strict=True)}


def similar_tracks(ctx: JobContext, features: TrackFeatures, config: ArtistsConfig) -> DataFrame:
    """Return table `similar_tracks`."""
    genre, genres = encode(features.facts["genre"])
    song, songs = encode(features.facts["song_id"])
    # a track without a song counts as its own song
    same = np.where(song >= 0, song, len(songs) + np.arange(len(song)))
    entities = Entities(features.ids, features.tracks, same, genre, genres)
    return build_similar(ctx.spark, entities, config).withColumnRenamed("id", "track_id")


def _write_artists(ctx: JobContext, features: TrackFeatures, config: ArtistsConfig) -> None:
    tracks = ctx.read_required("tracks").withColumn("artist_id", artist_key())
    names = artist_names(tracks, ctx.spark.createDataFrame(pa.table({"artist_id": features.artist_ids})))
    genres = pc.unique(features.facts["genre"].drop_null()).sort()
    entities = Entities(features.artist_ids, features.artists, same_artist_labels(features), main_genre(features), genres)
    neighbors = build_similar(ctx.spark, entities, config).withColumnRenamed("id", "artist_id")
    others = names.select(F.col("artist_id").alias("similar_id"), F.col("artist").alias("similar_artist"))
    similar = ctx.write("similar_artists", neighbors.join(F.broadcast(names), "artist_id").join(F.broadcast(others), "similar_id"))
    top_tracks = build_top_tracks(tracks, ctx.read_required("history"), config.min_rating, config.per_artist)
    ctx.write("artist_radio", build_radio(names, similar, top_tracks, config.radio))


def artist_names(tracks: DataFrame, artists: DataFrame) -> DataFrame:
    """Return `artist_id`, `artist` of `artists` (column `artist_id`); the rows are collected on the driver.

    Of several spellings it takes the one of most tracks, then the first in alphabetical order.
    """
    named = tracks.join(F.broadcast(artists), "artist_id")
    spellings = named.groupBy("artist_id", "artist").agg(F.count("artist").alias("tracks"))
    best = F.min(F.struct(-F.col("tracks"), "artist"))["artist"]
    rows = collect_arrow(spellings.groupBy("artist_id").agg(best.alias("artist")), NAME_BYTES, "names of artists")
    return tracks.sparkSession.createDataFrame(rows)


def main_genre(features: TrackFeatures) -> I64:
    """Return each artist's commonest genre [A] as an index into the sorted genres; -1: unknown."""
    genre, genres = encode(features.facts["genre"])
    valid = (genre >= 0) & (features.artist >= 0)
    counts = np.zeros((len(features.artist_ids), len(genres) + 1), np.int64)
    np.add.at(counts, (features.artist[valid], genre[valid]), 1)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), -1)


def daily_mixes(ctx: JobContext, features: TrackFeatures, similar: DataFrame, config: ArtistsConfig) -> DataFrame:
    """Return table `daily_mixes`."""
    history, users = ctx.read_required("history"), ctx.read_required("eligible_users")
    rows = similar.select("track_id", "rank", "similar_id", "score", "top_modality")
    inputs = mix_inputs(features, collect_arrow(rows, SIMILAR_ROW_BYTES, "similar tracks"), config.neighbors)
    excluded = erased_pairs(users, ctx.read("deletions", Partitions.ALL_CONTENT)).unionByName(blocked(ctx))
    rated = history.select("user_id", "track_id", "rating").unionByName(excluded.withColumn("rating", F.lit(0.0)))
    # a deletion request or a block excludes a track that the history still rates
    rated = rated.groupBy("user_id", "track_id").agg(F.min("rating").alias("rating"))
    tasks = max(1, -(-users.count() // config.per_task))
    user_items = build_user_items(rated, tuple(features.ids.to_pylist()), config.min_rating, tasks)
    tracks = ctx.read_required("tracks").join(rows.select("track_id").distinct(), "track_id", "left_semi")
    return build_mixes(user_items, inputs, config, track_names(tracks))


def blocked(ctx: JobContext) -> DataFrame:
    """Return `user_id`, `track_id` of every block up to the night's date."""
    events = ctx.read("events", Partitions.UP_TO).where("event = 'block'")
    return events.where(F.to_date("played_at") <= F.lit(ctx.date)).select("user_id", "track_id").distinct()
