"""Popularity as session models: plays of all users, and plays of the query's own user.

    all users:  score(i) = number of plays of i, of all time or of the last days of the training data
    own plays:  B_u(i, t) = log of the sum over the user's plays k of i of max(t - t_k, min_age)^-d

B_u is the base-level activation of ACT-R (Anderson & Lebiere 1998), as in PISA (Tran et al. 2024). d = 0 gives the log
of the user's own play count. The user's plays are those of the session and of the past before it; t is the time of the
session's newest play. The time of the play to be predicted is not read. session-rec's evaluation reads it.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from models.data.sessions import PADDING, RankedItems, SessionQueries, Sessions
from models.sessions.ranking import rank_in_blocks, select_top
from models.types import F32, F64, I64, Tensors

DAY = 86_400.0


@dataclass(frozen=True)
class PopularityConfig:
    """Hyper-parameters."""

    days: float = 7.0
    """Length of the counted period in days, which ends with the newest training play; 0 for all time.

    A week follows new releases and averages over week days; "popular of the last 7 days" beats a plain transformer in
    2 of 3 data sets of the eSASRec study (2025).
    """


@dataclass(frozen=True)
class Popularity:
    """A fitted popularity model: one list for all queries."""

    n_plays: I64
    """[I]"""

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k items with the largest number of plays, ties by item id, for every query."""
        order = np.lexsort((np.arange(self.n_plays.size), -self.n_plays))[:k]
        order = order[self.n_plays[order] > 0]
        items = np.full(k, PADDING, np.int64)
        scores = np.full(k, -np.inf, np.float32)
        items[: order.size], scores[: order.size] = order, self.n_plays[order]
        return RankedItems(np.tile(items, (len(queries), 1)), np.tile(scores, (len(queries), 1)))

    def tensors(self) -> Tensors:
        """Return `n_plays` [I]."""
        return {"n_plays": self.n_plays}

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> "Popularity":
        """Return the model of `tensors()`."""
        return cls(tensors["n_plays"])


def fit(sessions: Sessions, config: PopularityConfig) -> Popularity:
    """Count the plays of each item."""
    first = sessions.times.max(initial=0.0) - config.days * DAY if config.days else -np.inf
    return Popularity(np.bincount(sessions.items[sessions.times >= first], minlength=sessions.n_items))


@dataclass(frozen=True)
class OwnPlaysConfig:
    """Hyper-parameters."""

    decay: float = 0.5
    """d; 0.5 is ACT-R's default and PISA's value, 0 counts plays."""
    min_age: float = 1.0
    """Smallest age of a play in seconds; the newest play has age 0, for which the power law is infinite."""


@dataclass(frozen=True)
class OwnPlays:
    """A model that ranks the user's own tracks; it learns nothing from other users."""

    n_items: int
    config: OwnPlaysConfig
    threads: int = 0
    """Threads that rank; 0: one per core. Lists do not depend on it."""

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k items with the highest B_u of each query; items that the user has not played are not listed."""

        def kernel(first: int, last: int, items: I64, scores: F32) -> None:
            rows = slice(first, last)
            past = (queries.past_starts[rows], queries.past_ends[rows])
            plays = (queries.items, queries.times, queries.starts[rows], queries.ends[rows], *past)
            _rank(*plays, self.n_items, self.config.decay, self.config.min_age, items, scores)

        return rank_in_blocks(len(queries), k, kernel, self.threads)

    def tensors(self) -> Tensors:
        """Return no arrays: nothing is fitted."""
        return {}


def fit_own_plays(sessions: Sessions, config: OwnPlaysConfig, threads: int = 0) -> OwnPlays:
    """Return the model for items 0 to `sessions.n_items` - 1."""
    return OwnPlays(sessions.n_items, config, threads)


@njit(nogil=True, cache=True)
def _rank(
    items: I64,
    times: F64,
    starts: I64,
    ends: I64,
    past_starts: I64,
    past_ends: I64,
    n_items: int,
    decay: float,
    min_age: float,
    list_items: I64,
    list_scores: F32,
) -> None:
    """Write the lists of the queries of a block."""
    sums, touched = np.zeros(n_items), np.empty(n_items, np.int64)
    for query in range(starts.size):
        now, count = times[ends[query] - 1], 0
        for first, last in ((past_starts[query], past_ends[query]), (starts[query], ends[query])):
            for play in range(first, last):
                item = items[play]
                if item == PADDING:
                    continue
                if sums[item] == 0.0:
                    touched[count] = item
                    count += 1
                sums[item] += max(now - times[play], min_age) ** -decay
        select_top(touched, count, sums, list_items[query], list_scores[query])
        for index in range(count):
            sums[touched[index]] = 0.0
        for slot in range(min(count, list_scores.shape[1])):
            list_scores[query, slot] = np.log(list_scores[query, slot])
