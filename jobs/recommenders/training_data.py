"""Ratings as a numbered sparse matrix on the driver, behind a byte limit: the input of the models."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from jobs.lake.collect import collect_arrow
from models.blend import ComponentCache
from models.queries import Queries, Sequences
from models.types import F32

ROW_BYTES = 120
"""Size of a rating with its two ids on the driver."""


@dataclass(frozen=True)
class TrainingData:
    """Training data of models; columns are the tracks with a rating, in the order of their ids."""

    train: DataFrame
    """`user_id`, `track_id`, `rating`."""
    tracks: tuple[str, ...]
    ratings: csr_array
    """[U, I]."""
    recent: csr_array
    """[U', I], of the last days; `ratings` itself if there are no timestamps."""
    genres: F32
    """P(g|track) [I, G + 1]; the last is "unknown"."""
    blend_components: ComponentCache = field(default_factory=ComponentCache, compare=False, repr=False)
    """Components of the last blend that was fitted on `ratings`."""

    def queries(self, rows: DataFrame, sequence: DataFrame | None = None) -> tuple[list[str], Queries]:
        """Return the ids of the queries, ascending, and the queries; tracks without a training rating are dropped.

        `rows`: `query_id`, `track_id`, `rating`. `sequence`: `query_id`, `position`, `track_id`, the plays behind them;
        None if their order is unknown.
        """
        ratings = collect_arrow(rows.select("query_id", "track_id", "rating"), ROW_BYTES, "the ratings of the queries")
        ids = sorted(set(ratings["query_id"].to_pylist()))
        user_items = _matrix(ratings, "query_id", ids, self.tracks)
        if sequence is None:
            return ids, Queries(user_items)
        plays = collect_arrow(sequence.select("query_id", "position", "track_id"), ROW_BYTES, "the plays of the queries")
        return ids, Queries(user_items, _sequences(plays, ids, self.tracks))


def _sequences(plays: pa.Table, ids: list[str], tracks: tuple[str, ...]) -> Sequences:
    """Return the plays of each query in the order of their positions."""
    plays = plays.sort_by([("query_id", "ascending"), ("position", "ascending")])
    row = pc.fill_null(pc.index_in(plays["query_id"], pa.array(ids, pa.string())), -1).to_numpy().astype(np.int64)
    item = pc.fill_null(pc.index_in(plays["track_id"], pa.array(tracks, pa.string())), -1).to_numpy().astype(np.int64)
    rated = (row >= 0) & (item >= 0)
    counts = np.bincount(row[rated], minlength=len(ids))
    return Sequences(np.append(0, np.cumsum(counts)), item[rated])


def collect_training_data(
    train: DataFrame, recent: DataFrame | None, genres: DataFrame | None, names: tuple[str, ...]
) -> TrainingData:
    """Collect ratings on the driver. Raises MemoryLimitError if they exceed its limit.

    `recent`: ratings of the last days; None: `train`. `genres`: table `track_genres`; `names`: the genre set's names.
    """
    rows = collect_arrow(train, ROW_BYTES, "the training ratings")
    tracks = tuple(sorted(set(rows["track_id"].to_pylist())))
    ratings = _matrix(rows, "user_id", sorted(set(rows["user_id"].to_pylist())), tracks)
    late = ratings
    if recent is not None:
        some = collect_arrow(recent, ROW_BYTES, "the recent ratings")
        late = _matrix(some, "user_id", sorted(set(some["user_id"].to_pylist())), tracks)
    return TrainingData(train, tracks, ratings, late, genre_shares(genres, names, tracks))


def _matrix(rows: pa.Table, row_key: str, row_ids: list[str], tracks: tuple[str, ...]) -> csr_array:
    row = pa.compute.index_in(rows[row_key], pa.array(row_ids, pa.string())).to_numpy()
    item = pa.compute.index_in(rows["track_id"], pa.array(tracks, pa.string())).to_pandas().to_numpy(dtype=np.float64)
    known = ~np.isnan(item)
    values = rows["rating"].to_numpy().astype(np.float32)
    pairs = (row[known].astype(np.int64), item[known].astype(np.int64))
    matrix = csr_array((values[known], pairs), shape=(len(row_ids), len(tracks)))
    matrix.sort_indices()
    return matrix


ROUNDED = 0.01
"""Largest deviation of a single-genre distribution's sum from 1: probabilities are stored with four digits."""


def genre_shares(genres: DataFrame | None, names: tuple[str, ...], tracks: tuple[str, ...]) -> F32:
    """Return P(g|track) [I, G + 1] of `tracks` in their order; the last column is "unknown".

    `genres`: table `track_genres`; `names`: its genre set. Probabilities of a multi-label model are divided by their
    sum, so that a track with more genres weighs no more.
    """
    shares_ = np.zeros((len(tracks), len(names) + 1), dtype=np.float32)
    shares_[:, -1] = 1.0
    if genres is None:
        return shares_
    ours = F.broadcast(genres.sparkSession.createDataFrame(pa.table({"track_id": pa.array(tracks, pa.string())})))
    classified = genres.where(F.size("probabilities") > 0).select("track_id", "probabilities").join(ours, "track_id")
    rows = collect_arrow(classified, 60 + 8 * len(names), "the tracks' genres")
    index = {track: row for row, track in enumerate(tracks)}
    for track, shares in zip(rows["track_id"].to_pylist(), rows["probabilities"].to_pylist(), strict=True):
        shares_[index[track]] = [*shares, 0.0]
    total = shares_.sum(1)
    shares_[total <= 0, -1] = 1.0
    several = (abs(total - 1) > ROUNDED) & (total > 0)
    shares_[several] /= total[several, None]
    return shares_
