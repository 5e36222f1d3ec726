"""A user's daily mixes: clusters of liked tracks, each extended by similar tracks that the user has not played."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.artists.config import ArtistsConfig
from jobs.artists.features import TrackFeatures, encode
from jobs.artists.words import MODALITIES
from jobs.lake.user_items import user_blocks
from jobs.recommenders import reasons
from models.modality_space import spherical_kmeans
from models.types import F32, I64

SCHEMA = (
    "user_id string, list string, mix int, anchor_artist string, rank int, track_id string, score double, seen boolean, "
    "reason_track_id string, top_modality string"
)
FAVOURITE = "one of your favourites"


@dataclass(frozen=True)
class MixInputs:
    """T tracks with their neighbors."""

    track_ids: pa.Array
    vectors: F32
    """[T, V] of models/modality_space.py."""
    neighbors: NDArray[np.int32]
    """[T, N] nearest tracks, best first; -1: no further neighbor."""
    score: F32
    """[T, N] similarity of each neighbor."""
    modality: NDArray[np.int8]
    """[T, N] top modality, as an index into MODALITIES."""
    genre: I64
    """[T] index into `genres`; -1: unknown."""
    genres: pa.Array
    artist: I64
    """[T] index into `artists`; -1: unknown."""
    artists: pa.Array
    """Names as the tracks spell them: a request to erase all tracks of a name also erases the name."""


@dataclass(frozen=True)
class Mix:
    """One mix: liked and new tracks, alternating."""

    theme: str
    anchor_artist: str | None
    track: I64
    """[n] in the order of the mix."""
    score: NDArray[np.float64]
    reason: I64
    """[n] nearest liked track; -1 for a liked track itself."""
    modality: I64
    """[n] top modality, as an index into MODALITIES; -1 for a liked track."""


def mix_inputs(features: TrackFeatures, similar: pa.Table, limit: int) -> MixInputs:
    """Return the inputs from rows of table `similar_tracks`, with at most `limit` neighbors per track."""
    ids = features.ids
    row, neighbor = (pc.index_in(similar[name].combine_chunks(), ids).to_numpy() for name in ("track_id", "similar_id"))
    column, modality_index = (
        similar["rank"].to_numpy() - 1,
        pc.index_in(similar["top_modality"].combine_chunks(), pa.array(MODALITIES)).to_numpy(),
    )
    neighbors, score = np.full((len(ids), limit), -1, np.int32), np.zeros((len(ids), limit), np.float32)
    modality = np.zeros(neighbors.shape, np.int8)
    neighbors[row, column], score[row, column], modality[row, column] = (
        neighbor,
        similar["score"].to_numpy(),
        modality_index,
    )
    return MixInputs(
        ids,
        features.tracks.vectors,
        neighbors,
        score,
        modality,
        *encode(features.facts["genre"]),
        *encode(features.facts["artist"]),
    )


def mixes_of(items: I64, ratings: F32, inputs: MixInputs, config: ArtistsConfig) -> list[Mix]:
    """Return the mixes of a user with rated `items` [n], in ascending order; the mix with most liked tracks first."""
    liked = items[(ratings >= config.min_rating) & inputs.vectors[items].any(axis=1)]
    liked_ratings = ratings[np.searchsorted(items, liked)]
    best = np.lexsort((liked, -liked_ratings))[: config.max_likes]
    liked, liked_ratings = liked[best], liked_ratings[best]
    if liked.size < config.min_likes_per_mix:
        return []
    label, centres = spherical_kmeans(
        inputs.vectors[liked], min(config.mixes, liked.size // config.min_likes_per_mix), config.seed
    )
    fresh = _new_tracks(liked, label, centres, items, inputs)
    mixes: list[Mix] = []
    for cluster in np.argsort(-np.bincount(label, minlength=len(centres)), kind="stable"):
        in_cluster, new = label == cluster, fresh.cluster == cluster
        if not new.any():
            continue
        score = inputs.vectors[liked[in_cluster]] @ centres[cluster]
        order = np.lexsort((liked[in_cluster], -score.round(6), -liked_ratings[in_cluster]))[: config.known_per_mix]
        theme, anchor_artist = _theme(liked[in_cluster], inputs, mixes)
        new_tracks = np.flatnonzero(new)[: config.new_per_mix]
        mixes.append(_interleave(theme, anchor_artist, liked[in_cluster][order], score[order], fresh, new_tracks))
    return mixes


@dataclass(frozen=True)
class _NewTracks:
    """Tracks that a user has not played, each once, best first."""

    track: I64
    cluster: I64
    score: NDArray[np.float64]
    reason: I64
    modality: I64


def _new_tracks(liked: I64, label: I64, centres: NDArray[np.float64], seen: I64, inputs: MixInputs) -> _NewTracks:
    """Return unseen tracks similar to a liked track, each in the cluster whose centre is nearest."""
    owner, column = np.nonzero(inputs.neighbors[liked] >= 0)
    track = inputs.neighbors[liked[owner], column].astype(np.int64)
    new = ~np.isin(track, seen)
    owner, column, track = owner[new], column[new], track[new]
    score = (inputs.vectors[track] * centres[label[owner]]).sum(1).round(6)
    similarity = inputs.score[liked[owner], column]
    order = np.lexsort((liked[owner], -similarity, -score, track))
    first = order[np.flatnonzero(np.diff(track[order], prepend=-1))]
    first = first[score[first] > 0]
    best = first[np.lexsort((track[first], -score[first]))]
    modality = inputs.modality[liked[owner[best]], column[best]].astype(np.int64)
    return _NewTracks(track[best], label[owner[best]], score[best], liked[owner[best]], modality)


def _theme(liked: I64, inputs: MixInputs, mixes: list[Mix]) -> tuple[str, str | None]:
    """Return (theme, artist that it is named after).

    The theme is the genre of more than half of the tracks, else the commonest artist if it has several tracks, else a
    number. No two mixes of a user have the same theme: the first one gets it.
    """
    taken = {mix.theme for mix in mixes}
    genre, tracks = _mode(inputs.genre[liked])
    if 2 * tracks > liked.size and (name := inputs.genres[genre].as_py()) not in taken:
        return name, None
    artist, tracks = _mode(inputs.artist[liked])
    if tracks > 1 and (name := inputs.artists[artist].as_py()) not in taken:
        return name, name
    # an artist may have such a name
    return next(name for number in count(len(mixes) + 1) if (name := f"Mix {number}") not in taken), None


def _mode(values: I64) -> tuple[int, int]:
    """Return (the commonest non-negative value, the smallest of several; its count)."""
    counts = np.bincount(values[values >= 0], minlength=1)
    return int(counts.argmax()), int(counts.max())


def _interleave(
    theme: str, anchor_artist: str | None, old: I64, old_score: F32, new_tracks: _NewTracks, new: I64
) -> Mix:
    """Alternate liked and new tracks; the rest of the longer list follows."""
    turn = np.argsort(np.append(2 * np.arange(old.size), 2 * np.arange(new.size) + 1), kind="stable")
    missing = np.full(old.size, -1, np.int64)
    return Mix(
        theme,
        anchor_artist,
        np.append(old, new_tracks.track[new])[turn],
        np.clip(np.append(old_score, new_tracks.score[new]), 0, 1).round(6)[turn],
        np.append(missing, new_tracks.reason[new])[turn],
        np.append(missing, new_tracks.modality[new])[turn],
    )


def build_mixes(user_rows: DataFrame, inputs: MixInputs, config: ArtistsConfig, names: DataFrame) -> DataFrame:
    """Return table `daily_mixes` from rows of `jobs.lake.user_items.build_user_items`; `names`: `track_id`, `name`."""
    broadcast = user_rows.sparkSession.sparkContext.broadcast(inputs)

    def mix(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        inputs = broadcast.value
        for batch in filter(len, batches):
            for user_ids, user_items in user_blocks(iter([batch]), batch.num_rows, len(inputs.track_ids)):
                row_bounds = zip(user_items.indptr[:-1], user_items.indptr[1:], strict=True)
                mixes = [mixes_of(user_items.indices[a:b], user_items.data[a:b], inputs, config) for a, b in row_bounds]
                yield rows_of(user_ids, mixes, inputs)

    rows = user_rows.mapInArrow(mix, SCHEMA)
    named = reasons.with_reason_name(rows, names)
    return named.withColumn("why", F.when(F.col("seen"), FAVOURITE).otherwise(reasons.similar())).drop("reason_name")


def rows_of(user_ids: pa.Array, mixes: list[list[Mix]], inputs: MixInputs) -> pa.RecordBatch:
    """Return the mixes of a block of users as rows of table `daily_mixes` without their reasons."""
    flat = [(user, number, mix) for user, own in enumerate(mixes) for number, mix in enumerate(own, 1)]
    lengths = [mix.track.size for _, _, mix in flat]

    def each(values: list[object], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(flat)), lengths)))

    empty = np.empty(0, np.int64)
    track, reason, modality = (
        np.concatenate([empty, *[getattr(mix, name) for _, _, mix in flat]]) for name in ("track", "reason", "modality")
    )
    columns = {
        "user_id": user_ids.take(each([user for user, _, _ in flat], pa.int64())),
        "list": each([mix.theme for _, _, mix in flat], pa.string()),
        "mix": each([number for _, number, _ in flat], pa.int32()),
        "anchor_artist": each([mix.anchor_artist for _, _, mix in flat], pa.string()),
        "rank": pa.array(np.concatenate([empty, *[np.arange(length) + 1 for length in lengths]]), pa.int32()),
        "track_id": inputs.track_ids.take(pa.array(track)),
        "score": pa.array(np.concatenate([np.empty(0), *[mix.score for _, _, mix in flat]])),
        "seen": pa.array(reason < 0),
        "reason_track_id": inputs.track_ids.take(pa.array(reason, mask=reason < 0)),
        "top_modality": pa.array(MODALITIES).take(pa.array(modality, mask=modality < 0)),
    }
    return pa.record_batch(columns)
