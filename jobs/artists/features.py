"""Features of tracks and their artists as unit vectors: factors, audio descriptors, genre and terms, text."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.artists.config import ArtistsConfig
from jobs.artists.words import MODALITIES
from jobs.context import JobContext
from jobs.errors import MemoryLimitError
from jobs.lake.adapters import texts
from jobs.lake.adapters.audio_features import COLUMNS, ROW_BYTES
from jobs.lake.adapters.descriptors import matrix
from jobs.lake.adapters.factors import factors_in
from jobs.lake.collect import DRIVER_BYTES, collect_arrow
from jobs.lake.feature_sets import FeatureSet
from jobs.lake.partitions import Partitions
from jobs.log import logger
from jobs.training.audio_features import available_sets, read_features
from models.content_factors import to_unit
from models.modality_space import ModalitySpace, artist_means, center_normalize, concat_modalities
from models.types import F32, I64

LOG = logger(__name__)
FACTS = ("track_id", "artist_id", "artist", "song_id", "genre")
FACT_BYTES = 400
"""Size of a track's facts on the driver: its ids, names and probabilities."""
TERM_BYTES = 100
"""Size of an artist's term on the driver."""
NUMBER_BYTES = 16
"""Size of a number of a track's vector: by itself, concatenated, and once more while either is computed."""
NAMELESS = "name:"
"""Prefix of the name of an artist without an id in any source."""


@dataclass(frozen=True)
class TrackFeatures:
    """T tracks with factors or audio, in the order of their ids, and the A artists of these tracks."""

    facts: pa.Table
    """[T] columns FACTS; `artist_id` is that of `artist_key`, null if the artist has neither id nor name."""
    tracks: ModalitySpace
    """[T]"""
    artist_ids: pa.Array
    """[A], sorted."""
    artist: I64
    """[T] index of a track's artist in `artist_ids`; -1: unknown."""
    artists: ModalitySpace
    """[A]"""

    @property
    def ids(self) -> pa.Array:
        """The tracks' ids [T]."""
        return self.facts["track_id"].combine_chunks()


def artist_key() -> Column:
    """Return the artist's key from `artist_id` and `artist`: the id, else the prefixed name; null without both."""
    return F.coalesce("artist_id", F.concat(F.lit(NAMELESS), "artist"))


def load_features(ctx: JobContext, config: ArtistsConfig) -> TrackFeatures | None:
    """Return the features from the night's tables; None if there are neither factors nor audio.

    Raises MemoryLimitError if they exceed the driver's limit.
    """
    factors = ctx.read_required("item_factors")
    audio_set = available_sets(ctx, config.audio_features)[0]
    audio = read_features(ctx, audio_set)
    first = factors.first()
    factor_rows = collect_arrow(factors, 60 + 4 * len(first["factors"] if first else ()), "the item factors")
    # a fixed order of the sums
    audio_rows = collect_arrow(audio, ROW_BYTES, "audio features of tracks").sort_by("track_id")
    track_ids = factors.select("track_id").unionByName(audio.select("track_id")).distinct()
    genres = ctx.read_required("track_genres").select("track_id", "genre", "probabilities")
    tracks = ctx.read_required("tracks").withColumn("artist_id", artist_key())
    rows = tracks.join(genres, "track_id").join(track_ids, "track_id", "left_semi")
    details = collect_arrow(rows.select(*FACTS, "probabilities"), FACT_BYTES, "tracks with factors or audio").sort_by(
        "track_id"
    )
    if not details.num_rows:
        return None
    n_dimensions = (
        len(first["factors"] if first else ())
        + len(ctx.genres.genres)
        + config.terms
        + (matrix(audio_rows.slice(0, 1), COLUMNS[audio_set]).size if audio_rows.num_rows else 0)
    )
    _check_memory(details.num_rows, n_dimensions)
    text_rows, vectors = (
        _texts(ctx, track_ids, details.num_rows * n_dimensions * NUMBER_BYTES) if config.text else (None, None)
    )
    facts, ids = details.select(list(FACTS)), details["track_id"]
    artist, artist_ids = encode(facts["artist_id"])
    units = {
        "collaborative": _align(ids, factor_rows, factors_in(factor_rows) if factor_rows.num_rows else None),
        "audio": _align(ids, audio_rows, _standardize(audio_rows, audio_set) if audio_rows.num_rows else None),
        "genre": center_normalize(_genres(details["probabilities"], artist, _terms(ctx, artist_ids, config.terms))),
        "text": _align(ids, text_rows, vectors),
    }
    weights = {name: float(getattr(config, name)) for name in MODALITIES}
    means = {name: center_normalize(artist_means(rows, artist, len(artist_ids))) for name, rows in units.items()}
    return TrackFeatures(
        facts, concat_modalities(units, weights), artist_ids, artist, concat_modalities(means, weights)
    )


def _check_memory(tracks: int, numbers: int) -> None:
    """Raise MemoryLimitError if vectors of `numbers` numbers exceed the driver's limit."""
    need = tracks * numbers * NUMBER_BYTES
    if need > DRIVER_BYTES:
        raise MemoryLimitError(
            f"Vectors of {tracks:,} tracks need {need / 2**30:.1f} GiB, more than the driver's {DRIVER_BYTES / 2**30:.1f} GiB; "
            "set neighbors = 0 under [jobs.artists], or raise DRIVER_BYTES together with PMRS_DRIVER_MEMORY."
        )


def encode(column: pa.ChunkedArray) -> tuple[I64, pa.Array]:
    """Return (index of each text in the distinct texts, -1 for null; the distinct texts, sorted)."""
    values = pc.unique(column.drop_null()).sort()
    return pc.fill_null(pc.index_in(column, values), -1).to_numpy().astype(np.int64), values


def same_artist_labels(features: TrackFeatures) -> I64:
    """Return labels [A], equal for artists that are probably the same: one without an id, and one with that name."""
    artist_of_name = {
        name: index for name, index in zip(features.facts["artist"].to_pylist(), features.artist.tolist(), strict=True)
        if index >= 0 and not features.artist_ids[index].as_py().startswith(NAMELESS)
    }  # fmt: skip
    label = np.arange(len(features.artist_ids))
    for index, key in enumerate(features.artist_ids.to_pylist()):
        if key.startswith(NAMELESS):
            label[index] = artist_of_name.get(key.removeprefix(NAMELESS), index)
    return label


def _texts(ctx: JobContext, tracks: DataFrame, others: int) -> tuple[pa.Table | None, F32 | None]:
    """Return those of the given `tracks` with an encoded text, and their vectors [N, E].

    Returns (None, None), with a warning in the log, if these and the `others` (bytes) exceed the driver's limit: the
    other modalities are used without text.
    """
    vectors = texts.build_track_vectors(ctx.read("track_texts"), ctx.read("text_vectors", Partitions.CACHE))
    written = vectors.join(tracks, "track_id", "left_semi").persist(StorageLevel.DISK_ONLY)
    first, n_texts = written.first(), written.count()
    row_bytes = texts.ROW_BYTES + NUMBER_BYTES * len(first["vector"] if first else ())
    if others + n_texts * row_bytes > DRIVER_BYTES:
        LOG.warning(
            "texts are not compared: the vectors would exceed the driver's memory",
            tracks=n_texts,
            row_bytes=row_bytes,
            others=others,
        )
        n_texts = 0
    read = collect_arrow(written, texts.ROW_BYTES, "texts of tracks", rows=n_texts).sort_by("track_id") if n_texts else None
    written.unpersist()
    return (None, None) if read is None else (read, texts.vectors_in(read))


def _align(ids: pa.ChunkedArray, table: pa.Table | None, rows: F32 | None) -> F32:
    """Return centred unit vectors [T, D] of tracks `ids` from `rows` of the tracks in `table`; zeros without a row."""
    if table is None or rows is None:
        return np.zeros((len(ids), 0), np.float32)
    index = pc.index_in(table["track_id"], ids.combine_chunks())
    present = index.is_valid().to_numpy()
    units = np.zeros((len(ids), rows.shape[1]), np.float32)
    units[index.drop_null().to_numpy()] = to_unit(rows[present].astype(np.float64))
    return center_normalize(units)


def _standardize(audio_rows: pa.Table, features: FeatureSet) -> F32:
    """Return audio features [N, D] with mean 0 and standard deviation 1, because they have different units."""
    rows = matrix(audio_rows, COLUMNS[features])
    scale = rows.std(0)
    # for a constant, rounding gives a deviation that is not 0
    return np.asarray((rows - rows.mean(0)) / np.where(scale > 1e-9, scale, 1), np.float32)


def _genres(probabilities: pa.ChunkedArray, artist: I64, terms: F32) -> F32:
    """Return P(g|track) and the terms of the track's artist side by side [T, G + K], each of length 1 if known."""
    lengths = pc.list_value_length(probabilities).to_numpy()
    matrix = np.zeros((len(lengths), int(lengths.max(initial=0))))
    if matrix.size:
        matrix[lengths > 0] = pc.list_flatten(probabilities).to_numpy().reshape(-1, matrix.shape[1])
    named = np.where((artist >= 0)[:, None], terms[artist], 0) if len(terms) else np.zeros((len(artist), 0))
    return to_unit(np.hstack([to_unit(matrix), to_unit(named)])).astype(np.float32)


def _terms(ctx: JobContext, artist_ids: pa.Array, limit: int) -> F32:
    """Return the artists' terms [A, K] among the `limit` commonest, weighted by ln(artists / artists with the term)."""
    every = ctx.read("artist_terms").select("artist_id", "term").distinct()
    common = every.groupBy("term").agg(F.count("*").alias("artists")).orderBy(F.desc("artists"), "term").limit(limit)
    return _idf_weights(every.join(F.broadcast(common), "term"), every.select("artist_id").distinct().count(), artist_ids)


def _idf_weights(used: DataFrame, artists: int, artist_ids: pa.Array) -> F32:
    rows = collect_arrow(used.select("artist_id", "term", "artists"), TERM_BYTES, "terms of artists")
    row = pc.index_in(rows["artist_id"].combine_chunks(), artist_ids)
    rows = rows.filter(row.is_valid())
    column, terms = encode(rows["term"])
    weights = np.zeros((len(artist_ids), len(terms)), np.float32)
    weights[row.drop_null().to_numpy(), column] = np.log(artists / rows["artists"].to_numpy())
    return weights
