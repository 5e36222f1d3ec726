"""STAN, VSTAN and a directed variant: neighbors with decays of position and time.

    v(g)     = exp(-g / spw)                                   g: plays after the newest play of the item (gap)
    sim(n)   = (sum over common items of v) / (sqrt(sum of v^2) sqrt(|n|)) exp(-(t - t_n) / snh) (1 + b [same user])
    w(n, j)  = f(p_j - p*) exp(-g* / ipw) (1 + idf_weight idf(j))
    score(j) = r(j) sum over the k neighbors n with j of sim(n) w(n, j)

t: time of the session's newest play; t_n: end of the neighbor; an age below 0 counts as 0. p_j: position of the last
play of j in the neighbor. p*: largest such position of a common item, or with `anchor="newest"` that of the common item
with the smallest gap. g*: smallest gap of a common item. |n|: different items of n.

STAN (Garg et al. 2019): f(p) = exp(-|p| / inh), no ipw, no idf. VSTAN (Ludewig et al. 2021): with both. Their scores do
not distinguish items before the matched item from those after it, and keep the tracks that have just been played at the
top of the list: high hit rates, low reciprocal ranks. The directed variant changes that:

    f(p) = exp(-p / inh) for p >= 0,  backward_weight exp(p / inh_backward) for p < 0
    r(j) = played_factors[floor(log2(g_j + 1))] if the session itself has j, with gap g_j; the last factor beyond

Source of the published forms: session-rec (algorithms/knn/{stan,vstan}.py). VSTAN's parameter
`similarity` is not read there: it is always the cosine. Its time is that of the play to be predicted.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numba import njit

from models.data.sessions import RankedItems, SessionQueries, Sessions
from models.sessions.neighbors import (
    Buffers,
    QueryArrays,
    SessionIndex,
    build_index,
    clear,
    find_candidates,
    find_neighbors,
    idf,
    load_session,
    make_buffers,
    query_arrays,
)
from models.sessions.ranking import rank_in_blocks, select_top
from models.types import F32, F64, I64, Tensors

DAY = 86_400.0


@dataclass(frozen=True)
class StanConfig:
    """Hyper-parameters; the defaults are session-rec's best VSTAN for 30Music by hit rate."""

    neighbors: int = 1_000
    """k: sessions whose items are scored; the tuned value."""
    sample_size: int = 5_000
    """Newest candidates that are compared; the tuned value. It bounds the time of a query."""
    lambda_spw: float = 33.6
    """Decay of a play's weight in the similarity, in plays; the tuned value. 1e-5: only the newest track counts."""
    lambda_snh: float = 100.0
    """Decay of a neighbor's age in days; the tuned value, the largest of the grid."""
    lambda_inh: float = 8.4
    """Decay of the distance from the matched item in the neighbor, in plays; the tuned value."""
    lambda_ipw: float = 1e-5
    """Decay by the gap of the newest common item, in plays; 0: none.

    1e-5, the tuned value, ignores all neighbors without the newest track.
    """
    idf_weight: float = 5.0
    """Weight of idf in the score; the tuned value. Larger values favor rare items."""
    anchor: Literal["last", "newest"] = "last"
    """p*: the common item that comes last in the neighbor, as in the papers, or the one played last in the session."""
    backward_weight: float = 1.0
    """Factor of items before the matched item; 1 as in the papers, less prefers what followed it."""
    lambda_inh_backward: float = 0.0
    """Decay of the distance before the matched item, in plays; 0: as after it, as in the papers."""
    played_factors: tuple[float, ...] = ()
    """Factors of tracks that the session has played 0, 1-2, 3-6, 7-14 ... plays ago; empty: 1, as in the papers."""
    own_session_boost: float = 0.0
    """b: a neighbor of the query's user has 1 + b times the similarity; 0 without users. Tuned for Last.fm: 2.5 to 3.7."""
    extend_to: int = 0
    """Known plays up to which the user's newest earlier plays extend a shorter session; 0: none. Tuned: 7 to 19."""


VSTAN_HR = StanConfig()
"""Tuned for 30Music by hit rate."""
VSTAN_MRR = StanConfig(2_000, 1_000, 8.4, 40.0, 4.2, 1e-5, 1.0)
"""Tuned for 30Music by reciprocal rank."""
STAN_HR = StanConfig(500, 10_000, 2.1, 100.0, 16.8, 0.0, 0.0)
"""Tuned for 30Music by hit rate."""
STAN_MRR = StanConfig(1_000, 10_000, 1e-5, 100.0, 4.2, 0.0, 0.0)
"""Tuned for 30Music by reciprocal rank."""
DIRECTED = StanConfig(300, 5_000, 33.6, 800.0, 3.0, 1.5, 1.0, "newest", 0.5, 8.4, (0.05, 0.2, 0.5, 1.0))
"""Tuned on the 14 days before the test days of the 30Music sample, by the sum of hit rate and reciprocal rank."""
DIRECTED_WITH_USER = replace(DIRECTED, own_session_boost=8.0)
"""As DIRECTED, with the user; `extend_to` lowered the reciprocal rank there at every length."""


class _Tables(NamedTuple):
    """Weights by whole numbers, which spare exponentials."""

    position: F64
    """[L] v by gap."""
    match: F64
    """[L] exp(-g* / ipw) by gap."""
    forward: F64
    """[P] f by distance p >= 0."""
    backward: F64
    """[P] f by distance -p > 0."""
    played: F64
    """[L] r by gap."""


@dataclass(frozen=True)
class Stan:
    """A fitted model: the training sessions."""

    index: SessionIndex
    item_factors: F64
    """[I] 1 + idf_weight idf."""
    config: StanConfig
    threads: int = 0
    """Threads that rank; 0: one per core. Lists do not depend on it."""

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best items of each query."""
        config = self.config
        longest = int((queries.ends - queries.starts).max(initial=1))
        tables = _tables(config, max(longest, config.extend_to), int(self.index.last_positions.max(initial=0)))
        settings = (config.neighbors, config.sample_size, config.lambda_snh * DAY, config.anchor == "newest")
        user_settings = (config.own_session_boost, config.extend_to)

        def kernel(first: int, last: int, items: I64, scores: F32) -> None:
            arrays = query_arrays(queries, first, last)
            _rank(arrays, self.index, self.item_factors, tables, *settings, *user_settings, items, scores)

        return rank_in_blocks(len(queries), k, kernel, self.threads)

    def tensors(self) -> Tensors:
        """Return the arrays of the index, and `item_factors` [I]."""
        return {**self.index._asdict(), "item_factors": self.item_factors}

    @classmethod
    def from_tensors(cls, tensors: Tensors, config: StanConfig, threads: int = 0) -> "Stan":
        """Return the model of `tensors()`."""
        index = SessionIndex(*(tensors[name] for name in SessionIndex._fields))
        return cls(index, tensors["item_factors"], config, threads)


def fit(sessions: Sessions, config: StanConfig, threads: int = 0) -> Stan:
    """Build the index of `sessions`."""
    return Stan(build_index(sessions), 1.0 + config.idf_weight * idf(sessions), config, threads)


def _tables(config: StanConfig, longest_query: int, longest_session: int) -> _Tables:
    gap, distance = np.arange(longest_query, dtype=np.float64), np.arange(longest_session + 1, dtype=np.float64)
    factors = np.array(config.played_factors or (1.0,))
    bins = np.minimum(np.log2(gap + 1).astype(np.int64), factors.size - 1)
    return _Tables(
        np.exp(-gap / config.lambda_spw),
        np.exp(-gap / config.lambda_ipw) if config.lambda_ipw else np.ones_like(gap),
        np.exp(-distance / config.lambda_inh),
        config.backward_weight * np.exp(-distance / (config.lambda_inh_backward or config.lambda_inh)),
        factors[bins],
    )


@njit(nogil=True, cache=True)
def _weigh_neighbors(
    count: int, norm: float, now: float, snh: float, user: int, boost: float, index: SessionIndex, buffers: Buffers
) -> None:
    """Turn the candidates' sums of weights into similarities. `snh` in seconds."""
    for j in range(count):
        session = buffers.candidates[j]
        length = index.indptr[session + 1] - index.indptr[session]
        value = buffers.similarity[session] / (norm * np.sqrt(length))
        value *= np.exp(-max(0.0, now - index.ends[session]) / snh)
        if user >= 0 and index.users[session] == user:
            value *= 1.0 + boost
        buffers.similarity[session] = value


@njit(nogil=True, cache=True)
def _anchor(session: int, newest: bool, index: SessionIndex, buffers: Buffers) -> int:
    """Return p*."""
    for entry in range(index.indptr[session + 1] - 1, index.indptr[session] - 1, -1):
        gap = buffers.gap_of[index.items[entry]] - 1
        if gap >= 0 and (not newest or gap == buffers.newest_gap[session]):
            position: int = index.last_positions[entry]
            return position
    return 0


@njit(nogil=True, cache=True)
def _score(n_neighbors: int, newest: bool, tables: _Tables, index: SessionIndex, buffers: Buffers) -> int:
    """Write the scores of the neighbors' items, without factors of the items; return the number of items."""
    count = 0
    for j in range(n_neighbors):
        session = buffers.candidates[j]
        weight = buffers.similarity[session] * tables.match[buffers.newest_gap[session]]
        if weight == 0.0:
            continue
        anchor = _anchor(session, newest, index, buffers)
        for entry in range(index.indptr[session], index.indptr[session + 1]):
            item, distance = index.items[entry], index.last_positions[entry] - anchor
            value = weight * (tables.forward[distance] if distance >= 0 else tables.backward[-distance])
            if value == 0.0:
                continue
            if buffers.scores[item] == 0.0:
                buffers.touched[count] = item
                count += 1
            buffers.scores[item] += value
    return count


@njit(nogil=True, cache=True)
def _rank(
    queries: QueryArrays,
    index: SessionIndex,
    item_factors: F64,
    tables: _Tables,
    k: int,
    sample_size: int,
    snh: float,
    newest: bool,
    boost: float,
    extend_to: int,
    list_items: I64,
    list_scores: F32,
) -> None:
    """Write the lists of the queries of a block."""
    buffers = make_buffers(queries, index, extend_to)
    for query in range(queries.starts.size):
        n_distinct, _, n_session = load_session(queries, query, extend_to, buffers)
        for j in range(n_distinct):
            buffers.weights[j] = tables.position[buffers.gaps[j]]
        norm = np.sqrt((buffers.weights[:n_distinct] ** 2).sum())
        count = find_candidates(query, n_distinct, sample_size, index, buffers)
        now = queries.times[queries.ends[query] - 1]
        _weigh_neighbors(count, norm, now, snh, queries.users[query], boost, index, buffers)
        n_touched = _score(find_neighbors(count, k, buffers), newest, tables, index, buffers)
        for j in range(n_touched):
            item = buffers.touched[j]
            buffers.scores[item] *= item_factors[item]
            if 0 < buffers.gap_of[item] <= n_session:
                buffers.scores[item] *= tables.played[buffers.gap_of[item] - 1]
        select_top(buffers.touched, n_touched, buffers.scores, list_items[query], list_scores[query])
        clear(n_distinct, n_touched, buffers)
