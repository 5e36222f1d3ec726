"""The models that are compared: how each is fitted, over which settings it is tuned, and by how many seeds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from jobs.collaborative import als
from jobs.evaluate.splits import Split, Task
from jobs.lake.collect import bounded
from models import ease, item_knn, pmrs_cf, popularity
from models.implicit_factors import ImplicitFactors
from models.top_n import Floats, Offered, Recommender

ROW_BYTES = 120
"""Of a rating with its two ids on the driver."""
SEEDS = (7, 8, 9)
"""Of whatever is trained from a random start."""


@dataclass(frozen=True)
class Learned:
    """A split's training part, numbered: columns are the tracks that somebody in it has rated, in the order of their ids."""

    train: DataFrame
    tracks: tuple[str, ...]
    ratings: csr_array
    """[U, I]."""
    recent: csr_array
    """[U', I], of the last days."""
    genres: Floats
    """P(g|track) [I, G + 1]; the last is "unknown"."""

    def asked(self, task: Task) -> tuple[list[str], csr_array]:
        """Ids of the queries, upwards, and what each has rated [Q, I]; tracks that nobody in training rated are not known."""
        rows = bounded(task.asked.select("query_id", "track_id", "rating"), ROW_BYTES, "what is told of whoever asks")
        queries = sorted(set(rows["query_id"].to_pylist()))
        return queries, _matrix(rows, "query_id", queries, self.tracks)


def learn(split: Split, genres: DataFrame | None, names: tuple[str, ...]) -> Learned:
    """Bring a split's training part to the driver. `genres`: table `track_genres`; `names`: the genre set's."""
    rows = bounded(split.train, ROW_BYTES, "the training ratings")
    tracks = tuple(sorted(set(rows["track_id"].to_pylist())))
    users = sorted(set(rows["user_id"].to_pylist()))
    late = rows if split.recent is split.train else bounded(split.recent, ROW_BYTES, "the recent ratings")
    recent = _matrix(late, "user_id", sorted(set(late["user_id"].to_pylist())), tracks)
    return Learned(split.train, tracks, _matrix(rows, "user_id", users, tracks), recent, _genres(genres, names, tracks))


def _matrix(rows: pa.Table, row_key: str, row_ids: list[str], tracks: tuple[str, ...]) -> csr_array:
    place = pa.compute.index_in(rows[row_key], pa.array(row_ids, pa.string())).to_numpy()
    item = pa.compute.index_in(rows["track_id"], pa.array(tracks, pa.string())).to_pandas().to_numpy(dtype=np.float64)
    known = ~np.isnan(item)
    values = rows["rating"].to_numpy().astype(np.float32)
    pairs = (place[known].astype(np.int64), item[known].astype(np.int64))
    found = csr_array((values[known], pairs), shape=(len(row_ids), len(tracks)))
    found.sort_indices()
    return found


def _genres(genres: DataFrame | None, names: tuple[str, ...], tracks: tuple[str, ...]) -> Floats:
    found = np.zeros((len(tracks), len(names) + 1), dtype=np.float32)
    found[:, -1] = 1.0
    if genres is None:
        return found
    wanted = genres.where(F.size("probabilities") > 0).select("track_id", "probabilities")
    rows = bounded(wanted, 60 + 8 * len(names), "the tracks' genres")
    places = {track: place for place, track in enumerate(tracks)}
    for track, shares in zip(rows["track_id"].to_pylist(), rows["probabilities"].to_pylist(), strict=True):
        if (place := places.get(track)) is not None:
            found[place] = [*shares, 0.0]
    return found


Fit = Callable[[Learned, Any, int], Recommender]


@dataclass(frozen=True)
class Contender:
    """One model in the comparison."""

    name: str
    title: str
    grid: tuple[Any, ...]
    """Its settings; more than one are tried on the inner split, by NDCG@20."""
    fit: Fit
    seeds: tuple[int, ...] = (0,)
    answers: tuple[Offered, ...] = ("unheard", "heard", "all")
    """Kinds of task that it can be asked."""
    wants_times: bool = False
    """Not asked where a split has none."""


def _factors(learned: Learned, config: als.Config, seed: int) -> ImplicitFactors:
    strengths = als.build_strengths(learned.train, config.min_rating)
    users, items = (
        als.numbered(strengths, "user_id", "user").cache(),
        als.numbered(strengths, "track_id", "item").cache(),
    )
    found, _ = als.fit(strengths, users, items, replace(config, seed=seed))
    rows = bounded(found.join(items, "item").select("track_id", "factors"), 60 + 4 * config.rank, "the item factors")
    for numbers in (users, items):
        numbers.unpersist()
    factors = np.zeros((len(learned.tracks), config.rank), dtype=np.float32)
    places = pa.compute.index_in(rows["track_id"], pa.array(learned.tracks)).to_numpy()
    factors[places] = np.array(rows["factors"].to_pylist(), dtype=np.float32)
    return ImplicitFactors(factors, config.regularisation, config.alpha, config.min_rating)


@dataclass(frozen=True)
class _PmrsCf:
    """The product's own ranking of the overall list, asked like the others."""

    factors: ImplicitFactors
    catalogue: pmrs_cf.Catalogue

    def score(self, asked: csr_array) -> Floats:
        listeners = [self._listener(asked, row, factors) for row, factors in enumerate(self.factors.fold_in(asked))]
        share = pmrs_cf.percentiles(listeners, self.catalogue)
        taste = np.stack([pmrs_cf.genre_profile(one, self.catalogue) for one in listeners])
        # equal scores, such as the zeros of genres that the asker never plays, stand in the order of their percentile
        return np.asarray(taste @ self.catalogue.genre_probabilities.T * share + 1e-6 * share)

    def _listener(self, asked: csr_array, row: int, factors: Floats) -> pmrs_cf.Listener:
        span = slice(asked.indptr[row], asked.indptr[row + 1])
        heard, ratings = asked.indices[span].astype(np.int64), asked.data[span]
        liked = ratings >= self.factors.min_rating
        return pmrs_cf.Listener(factors, heard, heard[liked], ratings[liked])


def _pmrs_cf(learned: Learned, config: als.Config, seed: int) -> _PmrsCf:
    best = np.argmax(learned.genres, axis=1).astype(np.int64)
    factors = _factors(learned, config, seed)
    return _PmrsCf(factors, pmrs_cf.Catalogue(factors.factors, learned.genres, best))


BLOCKS = 2
"""MLlib cuts its work into so many parts; more of them cost more on one machine and change nothing but the last bits."""
# the first of each grid are the settings that stand where nothing is tuned
ALS_GRID = tuple(
    als.Config(regularisation=r, alpha=a, blocks=BLOCKS)
    for r, a in ((0.05, 10.0), (0.01, 10.0), (0.1, 10.0), (0.05, 1.0))
)
PLAIN = (popularity.PopularityConfig(),)
KNN_GRID = tuple(item_knn.ItemKNNConfig(neighbours=k, shrinkage=s) for k in (200, 50) for s in (10.0, 0.0, 50.0))
EASE_GRID = tuple(ease.EASEConfig(regularisation=r) for r in (100.0, 10.0, 30.0, 300.0))
CONTENDERS = (
    Contender("popularity", "popularity, all time", PLAIN, lambda d, c, _: popularity.fit(d.ratings, c)),
    Contender(
        "popularity_window",
        "popularity, last days",
        PLAIN,
        lambda d, c, _: popularity.fit(d.recent, c),
        wants_times=True,
    ),
    Contender("item_knn", "item-kNN", KNN_GRID, lambda d, c, _: item_knn.fit(d.ratings, c)),
    Contender("ease", "EASE", EASE_GRID, lambda d, c, _: ease.fit(d.ratings, c)),
    Contender("als", "implicit ALS, MLlib", ALS_GRID, _factors, SEEDS),
    Contender("pmrs_cf", "PMRS CF, the live ranking", (als.Config(blocks=BLOCKS),), _pmrs_cf, SEEDS, ("unheard",)),
)


def named(names: list[str]) -> list[Contender]:
    """Those of these names, in the order of CONTENDERS; all where none is given. Raises ValueError naming what there is."""
    known = [one.name for one in CONTENDERS]
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"there is no model {unknown[0]!r}; there are {', '.join(known)}")
    return [one for one in CONTENDERS if not names or one.name in names]
