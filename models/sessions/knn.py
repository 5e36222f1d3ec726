"""Session-based k nearest neighbors: SKNN and VSKNN (Jannach & Ludewig 2017; Ludewig & Jannach 2018).

    v(i)     = weight of position i of the session's L known plays; a repeated item has its last position
    vec      = (sum over common items of v) / (number of different items of the session)
    cosine   = (sum over common items of v) / (sqrt(sum of v^2) sqrt(|n|))
    jaccard  = |common items| / |items of either|
    score(j) = sum over neighbors n with j of sim(n) u(step) (1 + idf_weight idf(j))

|n|: different items of the neighbor. step = 1 + number of plays after the newest common item. With `time_decay`, sim is
multiplied by (7/8)^days, days from the neighbor's end to the session's newest play, rounded, at least 0. idf(j) = log(sessions /
plays of j); it is negative for an item with more plays than there are sessions.

Source: session-rec (algorithms/knn/{sknn,vsknn}.py). Differences from that code:
its cosine of SKNN multiplies by sqrt(|n|) instead of dividing; its linear weights are negative, or 0 after the tenth play,
here they are max(0, 1 - 0.1 (L - i)); its time is that of the play to be predicted.
"""

import math
from dataclasses import dataclass
from typing import Literal

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
from models.sessions.rules import WEIGHTINGS, Weighting
from models.types import F32, F64, I64, Tensors

DAY = 86_400.0
Similarity = Literal["vec", "cosine", "jaccard"]
SIMILARITIES: tuple[Similarity, ...] = ("vec", "cosine", "jaccard")
POSITION_WEIGHTINGS: tuple[Weighting, ...] = ("same", "div", "linear", "log", "quadratic")
"""Order of the codes of `_position_weight`."""


@dataclass(frozen=True)
class KNNConfig:
    """Hyper-parameters; the defaults are session-rec's best VSKNN for 30Music."""

    neighbors: int = 100
    """k: sessions whose items are scored; the tuned value."""
    sample_size: int = 10_000
    """Newest candidates that are compared; the tuned value. It bounds the time of a query."""
    similarity: Similarity = "vec"
    """VSKNN's default."""
    weighting: Weighting = "quadratic"
    """v(i): same 1, div i/L, linear 1 - 0.1 (L - i), log 1/log10(L - i + 1.7), quadratic (i/L)^2; the tuned value.

    Jaccard does not use it.
    """
    score_weighting: Weighting = "quadratic"
    """u(step), as the weights of rules by distance; the tuned value, 1/step^2."""
    idf_weight: float = 0.0
    """Weight of idf in the score; 0 as tuned. Larger values favor rare items."""
    time_decay: bool = False
    """Multiply similarities by (7/8)^days; session-rec's `weighting_time`, off as tuned."""


VSKNN = KNNConfig()
SKNN = KNNConfig(100, 500, "cosine", "same", "same")
"""Tuned for 30Music."""


@dataclass(frozen=True)
class KNN:
    """A fitted model: the training sessions."""

    index: SessionIndex
    item_factors: F64
    """[I] 1 + idf_weight idf."""
    config: KNNConfig
    threads: int = 0
    """Threads that rank; 0: one per core. Lists do not depend on it."""

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best items of each query."""
        config = self.config
        longest = int((queries.ends - queries.starts).max(initial=1))
        step_weights = WEIGHTINGS[config.score_weighting](np.arange(1.0, longest + 1))
        codes = (SIMILARITIES.index(config.similarity), POSITION_WEIGHTINGS.index(config.weighting))

        def kernel(first: int, last: int, items: I64, scores: F32) -> None:
            settings = (config.neighbors, config.sample_size, *codes, config.time_decay)
            arrays = query_arrays(queries, first, last)
            _rank(arrays, self.index, self.item_factors, step_weights, *settings, items, scores)

        return rank_in_blocks(len(queries), k, kernel, self.threads)

    def tensors(self) -> Tensors:
        """Return the arrays of the index, and `item_factors` [I]."""
        return {**self.index._asdict(), "item_factors": self.item_factors}

    @classmethod
    def from_tensors(cls, tensors: Tensors, config: KNNConfig, threads: int = 0) -> "KNN":
        """Return the model of `tensors()`."""
        index = SessionIndex(*(tensors[name] for name in SessionIndex._fields))
        return cls(index, tensors["item_factors"], config, threads)


def fit(sessions: Sessions, config: KNNConfig, threads: int = 0) -> KNN:
    """Build the index of `sessions`."""
    return KNN(build_index(sessions), 1.0 + config.idf_weight * idf(sessions), config, threads)


@njit(nogil=True, cache=True)
def _position_weight(weighting: int, gap: int, n_plays: int) -> float:
    """Return v(i) of the play `gap` places before the newest; `weighting`: code of POSITION_WEIGHTINGS."""
    if weighting == 1:
        return (n_plays - gap) / n_plays
    if weighting == 2:
        return max(0.0, 1.0 - 0.1 * gap)
    if weighting == 3:
        return 1.0 / math.log10(gap + 1.7)
    if weighting == 4:
        share: float = (n_plays - gap) / n_plays
        return share * share
    return 1.0


@njit(nogil=True, cache=True)
def _normalize(
    count: int, n_distinct: int, similarity: int, time_decay: bool, now: float, index: SessionIndex, buffers: Buffers
) -> None:
    """Turn the candidates' sums of weights into similarities."""
    norm = np.sqrt((buffers.weights[:n_distinct] ** 2).sum())
    for j in range(count):
        session = buffers.candidates[j]
        length = index.indptr[session + 1] - index.indptr[session]
        value = buffers.similarity[session]
        if similarity == 0:
            value /= n_distinct
        elif similarity == 1:
            value /= norm * np.sqrt(length)
        else:
            value /= n_distinct + length - value
        if time_decay:
            value *= (7.0 / 8.0) ** round(max(0.0, now - index.ends[session]) / DAY)
        buffers.similarity[session] = value


@njit(nogil=True, cache=True)
def _score(n_neighbors: int, step_weights: F64, item_factors: F64, index: SessionIndex, buffers: Buffers) -> int:
    """Write the scores of the neighbors' items; return the number of items."""
    count = 0
    for j in range(n_neighbors):
        session = buffers.candidates[j]
        weight = buffers.similarity[session] * step_weights[buffers.newest_gap[session]]
        if weight == 0.0:
            continue
        for entry in range(index.indptr[session], index.indptr[session + 1]):
            item = index.items[entry]
            if buffers.scores[item] == 0.0:
                buffers.touched[count] = item
                count += 1
            buffers.scores[item] += weight
    for j in range(count):
        buffers.scores[buffers.touched[j]] *= item_factors[buffers.touched[j]]
    return count


@njit(nogil=True, cache=True)
def _rank(
    queries: QueryArrays,
    index: SessionIndex,
    item_factors: F64,
    step_weights: F64,
    k: int,
    sample_size: int,
    similarity: int,
    weighting: int,
    time_decay: bool,
    list_items: I64,
    list_scores: F32,
) -> None:
    """Write the lists of the queries of a block."""
    buffers = make_buffers(queries, index, 0)
    for query in range(queries.starts.size):
        n_distinct, n_plays, _ = load_session(queries, query, 0, buffers)
        for j in range(n_distinct):
            buffers.weights[j] = 1.0 if similarity == 2 else _position_weight(weighting, buffers.gaps[j], n_plays)
        count = find_candidates(query, n_distinct, sample_size, index, buffers)
        _normalize(count, n_distinct, similarity, time_decay, queries.times[queries.ends[query] - 1], index, buffers)
        n_neighbors = find_neighbors(count, k, buffers)
        n_touched = _score(n_neighbors, step_weights, item_factors, index, buffers)
        select_top(buffers.touched, n_touched, buffers.scores, list_items[query], list_scores[query])
        clear(n_distinct, n_touched, buffers)
