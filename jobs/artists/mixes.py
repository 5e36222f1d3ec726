"""A user's mixes: the liked tracks fall into clusters, and each is led on to what is near it and not heard yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.artists.config import Config
from jobs.artists.known import Known, coded
from jobs.artists.words import WAYS
from jobs.lake.user_items import user_blocks
from jobs.recommenders import reasons
from models.modality_space import spherical_kmeans
from models.types import F32, I64

FOUND = (
    "user_id string, list string, mix int, anchor_artist string, rank int, track_id string, score double, seen boolean, "
    "reason_track_id string, top_modality string"
)
FAVOURITE = "one of your favourites"


@dataclass(frozen=True)
class Mixing:
    """T tracks, with what is near each of them."""

    track_ids: pa.Array
    vectors: F32
    """[T, V] of models/modality_space.py."""
    near: NDArray[np.int32]
    """[T, N] the nearest tracks, best first; -1: there are no more."""
    score: F32
    """[T, N] how near they are."""
    carried: NDArray[np.int8]
    """[T, N] by which of WAYS."""
    genre: I64
    """[T] place in `genres`; -1: not known."""
    genres: pa.Array
    artist: I64
    """[T] place in `artists`; -1: not known."""
    artists: pa.Array
    """Names, as the tracks spell them: so a wish to forget all tracks of a name is a wish to forget the name."""


@dataclass(frozen=True)
class Mix:
    """One mix: favourites and new tracks, taking turns."""

    theme: str
    anchor_artist: str | None
    track: I64
    """[n] in the order of the mix."""
    score: NDArray[np.float64]
    because: I64
    """[n] liked track that is nearest; -1: it is a liked one itself."""
    carried: I64
    """[n] by which of WAYS; -1."""


def mixing_of(known: Known, similar: pa.Table, most: int) -> Mixing:
    """From rows of table `similar_tracks`, with at most so many of each track."""
    ids = known.ids
    row, near = (pc.index_in(similar[name].combine_chunks(), ids).to_numpy() for name in ("track_id", "similar_id"))
    place, by = similar["rank"].to_numpy() - 1, pc.index_in(similar["top_modality"].combine_chunks(), pa.array(WAYS)).to_numpy()
    found, score = np.full((len(ids), most), -1, np.int32), np.zeros((len(ids), most), np.float32)
    carried = np.zeros(found.shape, np.int8)
    found[row, place], score[row, place], carried[row, place] = near, similar["score"].to_numpy(), by
    return Mixing(ids, known.tracks.vectors, found, score, carried, *coded(known.facts["genre"]), *coded(known.facts["artist"]))


def mixes_of(items: I64, ratings: F32, mixing: Mixing, config: Config) -> list[Mix]:
    """Return the mixes of a user with rated `items` [n], in ascending order; the mix with most liked tracks first."""
    liked = items[(ratings >= config.min_rating) & mixing.vectors[items].any(axis=1)]
    rated = ratings[np.searchsorted(items, liked)]
    best = np.lexsort((liked, -rated))[: config.max_likes]
    liked, rated = liked[best], rated[best]
    if liked.size < config.min_likes_per_mix:
        return []
    label, centres = spherical_kmeans(mixing.vectors[liked], min(config.mixes, liked.size // config.min_likes_per_mix), config.seed)
    fresh = _fresh(liked, label, centres, items, mixing)
    made: list[Mix] = []
    for cluster in np.argsort(-np.bincount(label, minlength=len(centres)), kind="stable"):
        mine, new = label == cluster, fresh.cluster == cluster
        if not new.any():
            continue
        score = mixing.vectors[liked[mine]] @ centres[cluster]
        order = np.lexsort((liked[mine], -score.round(6), -rated[mine]))[: config.known_per_mix]
        theme, anchor_artist = _theme(liked[mine], mixing, made)
        new_tracks = np.flatnonzero(new)[: config.new_per_mix]
        made.append(_in_turn(theme, anchor_artist, liked[mine][order], score[order], fresh, new_tracks))
    return made


@dataclass(frozen=True)
class _Fresh:
    """Tracks that a user has not heard, each once: best first."""

    track: I64
    cluster: I64
    score: NDArray[np.float64]
    because: I64
    carried: I64


def _fresh(liked: I64, label: I64, centres: NDArray[np.float64], heard: I64, mixing: Mixing) -> _Fresh:
    """Return unseen tracks similar to a liked track, each in the cluster whose centre is nearest."""
    owner, place = np.nonzero(mixing.near[liked] >= 0)
    track = mixing.near[liked[owner], place].astype(np.int64)
    new = ~np.isin(track, heard)
    owner, place, track = owner[new], place[new], track[new]
    score = (mixing.vectors[track] * centres[label[owner]]).sum(1).round(6)
    edge = mixing.score[liked[owner], place]
    order = np.lexsort((liked[owner], -edge, -score, track))
    first = order[np.flatnonzero(np.diff(track[order], prepend=-1))]
    first = first[score[first] > 0]
    kept = first[np.lexsort((track[first], -score[first]))]
    carried = mixing.carried[liked[owner[kept]], place[kept]].astype(np.int64)
    return _Fresh(track[kept], label[owner[kept]], score[kept], liked[owner[kept]], carried)


def _theme(liked: I64, mixing: Mixing, made: list[Mix]) -> tuple[str, str | None]:
    """(theme, artist after whom it is named): the genre of most of the tracks, else the artist of several, else a number.

    No two mixes of a user have the same one: the first takes it.
    """
    taken = {mix.theme for mix in made}
    genre, tracks = _most(mixing.genre[liked])
    if 2 * tracks > liked.size and (name := mixing.genres[genre].as_py()) not in taken:
        return name, None
    artist, tracks = _most(mixing.artist[liked])
    if tracks > 1 and (name := mixing.artists[artist].as_py()) not in taken:
        return name, name
    # an artist may be called so
    return next(name for number in count(len(made) + 1) if (name := f"Mix {number}") not in taken), None


def _most(values: I64) -> tuple[int, int]:
    """Return (the commonest non-negative value, the smallest of several; its count)."""
    counts = np.bincount(values[values >= 0], minlength=1)
    return int(counts.argmax()), int(counts.max())


def _in_turn(theme: str, anchor_artist: str | None, old: I64, old_score: F32, fresh: _Fresh, new: I64) -> Mix:
    """Alternate liked and new tracks; the rest of the longer list follows."""
    turn = np.argsort(np.append(2 * np.arange(old.size), 2 * np.arange(new.size) + 1), kind="stable")
    nobody = np.full(old.size, -1, np.int64)
    return Mix(
        theme,
        anchor_artist,
        np.append(old, fresh.track[new])[turn],
        np.clip(np.append(old_score, fresh.score[new]), 0, 1).round(6)[turn],
        np.append(nobody, fresh.because[new])[turn],
        np.append(nobody, fresh.carried[new])[turn],
    )


def build_mixes(listeners: DataFrame, mixing: Mixing, config: Config, names: DataFrame) -> DataFrame:
    """Table `daily_mixes` of rows of `jobs.lake.user_items.build_listeners`; `names`: `track_id`, `name`."""
    everywhere = listeners.sparkSession.sparkContext.broadcast(mixing)

    def mix(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        mixing = everywhere.value
        for batch in filter(len, batches):
            for user_ids, asked in user_blocks(iter([batch]), batch.num_rows, len(mixing.track_ids)):
                spans = zip(asked.indptr[:-1], asked.indptr[1:], strict=True)
                made = [mixes_of(asked.indices[a:b], asked.data[a:b], mixing, config) for a, b in spans]
                yield rows_of(user_ids, made, mixing)

    rows = listeners.mapInArrow(mix, FOUND)
    told = reasons.with_reason_name(rows, names)
    return told.withColumn("why", F.when(F.col("seen"), FAVOURITE).otherwise(reasons.similar())).drop("reason_name")


def rows_of(user_ids: pa.Array, made: list[list[Mix]], mixing: Mixing) -> pa.RecordBatch:
    """Return the mixes of a block of users as rows of table `daily_mixes` without their reasons."""
    flat = [(user, number, mix) for user, own in enumerate(made) for number, mix in enumerate(own, 1)]
    lengths = [mix.track.size for _, _, mix in flat]

    def each(values: list[object], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind).take(pa.array(np.repeat(np.arange(len(flat)), lengths)))

    empty = np.empty(0, np.int64)
    track, because, carried = (
        np.concatenate([empty, *[getattr(mix, name) for _, _, mix in flat]]) for name in ("track", "because", "carried")
    )
    columns = {
        "user_id": user_ids.take(each([user for user, _, _ in flat], pa.int64())),
        "list": each([mix.theme for _, _, mix in flat], pa.string()),
        "mix": each([number for _, number, _ in flat], pa.int32()),
        "anchor_artist": each([mix.anchor_artist for _, _, mix in flat], pa.string()),
        "rank": pa.array(np.concatenate([empty, *[np.arange(length) + 1 for length in lengths]]), pa.int32()),
        "track_id": mixing.track_ids.take(pa.array(track)),
        "score": pa.array(np.concatenate([np.empty(0), *[mix.score for _, _, mix in flat]])),
        "seen": pa.array(because < 0),
        "reason_track_id": mixing.track_ids.take(pa.array(because, mask=because < 0)),
        "top_modality": pa.array(WAYS).take(pa.array(carried, mask=carried < 0)),
    }
    return pa.record_batch(columns)
