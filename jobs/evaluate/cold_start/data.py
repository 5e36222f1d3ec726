"""Data of the cold-start evaluation: what is known about tracks without their plays, and the users' ratings."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from jobs.context import JobContext
from jobs.errors import EvaluationError
from jobs.evaluate.interactions import read_interactions, select_ratings
from jobs.lake.adapters import texts
from jobs.lake.adapters.audio_features import COLUMNS, ROW_BYTES
from jobs.lake.adapters.descriptors import matrix
from jobs.lake.adapters.mels import MEL_BYTES, build_clips, to_mels
from jobs.lake.collect import collect_arrow
from jobs.lake.feature_sets import FeatureSet
from jobs.lake.partitions import Partitions
from jobs.recommenders.training_data import collect_training_data
from jobs.training.audio_features import read_features
from models.types import F16, F32, F64, I64, Mask

TRACK_BYTES = 200
UNKNOWN = -1


@dataclass(frozen=True)
class Clips:
    """C log-mel clips of tracks."""

    mels: F16
    """[C, 599, 128]"""
    track: I64
    """[C] indices of their tracks, ascending."""


@dataclass(frozen=True)
class ColdStartData:
    """I rated tracks, and U users."""

    ratings: csr_array
    """[U, I]"""
    artist: I64
    """[I] number of the artist, or UNKNOWN."""
    genre: I64
    """[I] index in the genre set, by label or the artist's terms, or UNKNOWN."""
    descriptors: F64
    """[I, D] audio descriptors; NaN for a track without audio. D may be 0."""
    embeddings: F64 = field(default_factory=lambda: np.empty((0, 0)))
    """[I, E] embeddings of the pretrained network; NaN for a track without. E = 0: there is no network."""
    text: F64 = field(default_factory=lambda: np.empty((0, 0)))
    """[I, E] text embeddings of the job text_vectors; zeros for a track without text. E = 0: there is no encoder."""
    clips: Clips | None = None
    """Clips of the tracks for the network; None: no network is evaluated."""


def read(ctx: JobContext, preset: str = "") -> ColdStartData:
    """Read the night's data, with clips of this preset if one is named.

    Raises LakeError if nothing was ingested, or if the data is larger than the driver's limit.
    """
    history = read_interactions(ctx).history
    training_data = collect_training_data(select_ratings(history).where("rating > 0"), None, None, ())
    rated = F.broadcast(history.select("track_id").distinct())
    columns = F.coalesce("artist_id", "artist").alias("artist"), F.coalesce("label_genre", "terms_genre").alias("genre")
    metadata = ctx.read_required("tracks").select("track_id", *columns)
    rows = collect_arrow(metadata.join(rated, "track_id"), TRACK_BYTES, "the rated tracks")
    row_of = dict(zip(rows["track_id"].to_pylist(), range(rows.num_rows), strict=True))
    tracks = training_data.tracks
    if missing := [track for track in tracks if track not in row_of]:
        raise EvaluationError(f"Track {missing[0]} is rated and not in the catalogue; run `pmrs run prepare` again.")
    rows = rows.take([row_of[track] for track in tracks])
    artists = pc.fill_null(rows["artist"].combine_chunks().dictionary_encode().indices, UNKNOWN).to_numpy()
    genre_set = ctx.genres.genres
    genres = [UNKNOWN if genre is None else genre_set.index(genre) for genre in rows["genre"].to_pylist()]
    return ColdStartData(
        training_data.ratings,
        artists.astype(np.int64),
        np.array(genres, np.int64),
        _read_audio(ctx, tracks, "descriptors"),
        _read_audio(ctx, tracks, "embeddings"),
        _read_text(ctx, tracks),
        _read_clips(ctx, preset, tracks) if preset else None,
    )


def _read_audio(ctx: JobContext, tracks: tuple[str, ...], features: FeatureSet) -> F64:
    rows = collect_arrow(read_features(ctx, features), ROW_BYTES, f"tracks with {features}")
    return _align(rows, tracks, matrix(rows, COLUMNS[features]), np.nan) if rows.num_rows else np.empty((len(tracks), 0))


def _read_text(ctx: JobContext, tracks: tuple[str, ...]) -> F64:
    vectors = texts.build_track_vectors(ctx.read("track_texts"), ctx.read("text_vectors", Partitions.CACHE))
    rows = collect_arrow(vectors, texts.ROW_BYTES, "tracks with text embeddings")
    return _align(rows, tracks, texts.vectors_in(rows), 0.0) if rows.num_rows else np.empty((len(tracks), 0))


def _align(rows: pa.Table, tracks: tuple[str, ...], values: F32 | F64, fill: float) -> F64:
    """Return the values [N, D] of `rows` in the order of `tracks` [I, D]; `fill` for a track without a row.

    Returns [I, 0] if no track has a row.
    """
    index_of = {track: index for index, track in enumerate(tracks)}
    pairs = [(index_of[track], row) for row, track in enumerate(rows["track_id"].to_pylist()) if track in index_of]
    if not pairs:
        return np.empty((len(tracks), 0))
    aligned = np.full((len(tracks), values.shape[1]), fill)
    index, row = np.array(pairs).T
    aligned[index] = values[row]
    return aligned


def _read_clips(ctx: JobContext, preset: str, tracks: tuple[str, ...]) -> Clips:
    table = pa.table({"track_id": pa.array(tracks), "index": pa.array(range(len(tracks)))})
    indices = F.broadcast(ctx.spark.createDataFrame(table))
    clips = build_clips(ctx.read("mel", Partitions.CACHE), ctx.read("track_clips"), preset).join(indices, "track_id")
    ordered = clips.select("index", "clip", "mel").orderBy("index", "clip")
    rows = collect_arrow(ordered, MEL_BYTES, "clips of rated tracks")
    return Clips(to_mels(rows["mel"]), rows["index"].to_numpy().astype(np.int64))


@dataclass(frozen=True)
class ColdStartSplit:
    """H new tracks without training data, and Q test users who like some of them."""

    is_new: Mask
    """[I]"""
    test_inputs: csr_array
    """[Q, I - H] the test users' ratings of the other tracks."""
    train: csr_array
    """[U, I - H] all ratings of the other tracks."""
    truth: csr_array
    """[Q, H] likes of new tracks; every row has at least one."""


def hold_out(data: ColdStartData, share: float, min_rating: float, seed: int) -> ColdStartSplit:
    """Hold out a random share of the tracks with all their ratings.

    If there is audio, only tracks with audio are held out, because an audio model cannot score the others. Raises
    EvaluationError if no user likes both a new track and another one.
    """
    n_tracks = data.ratings.shape[1]
    eligible = ~np.isnan(data.descriptors).any(1) if data.descriptors.shape[1] else np.ones(n_tracks, bool)
    n_new = round(share * int(eligible.sum()))
    is_new = np.zeros(n_tracks, bool)
    is_new[np.random.default_rng(seed).permutation(np.flatnonzero(eligible))[:n_new]] = True
    likes = data.ratings.copy()
    likes.data = (likes.data >= min_rating).astype(np.float32)
    likes.eliminate_zeros()
    truth, train = csr_array(likes[:, is_new]), csr_array(data.ratings[:, ~is_new])
    is_test_user = (np.diff(truth.indptr) > 0) & (np.diff(csr_array(likes[:, ~is_new]).indptr) > 0)
    if not is_test_user.any():
        raise EvaluationError(
            f"No user likes both one of the {int(is_new.sum())} held-out tracks and another track; use more data."
        )
    return ColdStartSplit(is_new, csr_array(train[is_test_user]), train, csr_array(truth[is_test_user]))


def to_dense(rows: csr_array) -> F32:
    """Return a block of rows as a dense matrix."""
    return np.asarray(rows.todense(), np.float32)
