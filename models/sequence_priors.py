"""Prior features of session networks: what simple methods know about the next play.

A network learns one weight per feature, by the same loss as its own weights. So it contains these methods as special
cases. All features are 0 for items without evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models.data.sequences import PriorCandidates, PriorFeatures
from models.data.sessions import PADDING, SessionQueries, Sessions
from models.data.spans import expand_spans
from models.topk import rank_in_row
from models.types import F32, F64, I64

BASE_LEVEL_DECAY = 0.5
"""Exponent d of the base level (Anderson 1991)."""
MIN_AGE = 1.0
"""Seconds; plays of the same second as the query have this age."""


@dataclass(frozen=True)
class SessionRepeats:
    """The last plays of the session: one feature per lag, 1 for the newest play, and one for all older plays."""

    lags: int = 10
    longest: int = 50
    """Older plays are left out."""

    @property
    def n_features(self) -> int:
        """The number of lags, and one."""
        return self.lags + 1

    def candidates(self, queries: SessionQueries, session_ends: I64 | None = None) -> PriorCandidates:
        """Return the session's plays, newest first."""
        del session_ends
        longest = min(self.longest, int((queries.ends - queries.starts).max(initial=0)))
        index = queries.ends[:, None] - 1 - np.arange(longest)
        valid = index >= queries.starts[:, None]
        items = np.where(valid, queries.items[np.where(valid, index, 0)], PADDING)
        lag = np.minimum(np.arange(longest), self.lags)
        one_hot = np.eye(self.n_features, dtype=np.float32)[lag]
        return PriorCandidates(items, one_hot * (items != PADDING)[:, :, None])


@dataclass(frozen=True)
class UserPast:
    """The user's plays before the session: log(1 + c_u) and log(1 + sum_k age_k^-d), ACT-R's base level.

    Source: Anderson and Schooler 1991. Ages are in days before the newest play of the query, which is of the past if its
    session is empty. The target's time is not read.
    """

    plays: int = 200
    """Newest plays that are read."""
    n_features = 2

    def candidates(self, queries: SessionQueries, session_ends: I64 | None = None) -> PriorCandidates:
        """Return the items of the user's past, once each."""
        del session_ends
        n = np.minimum(queries.past_ends - queries.past_starts, self.plays)
        row, index = expand_spans(queries.past_ends - n, n)
        newest = np.where(queries.ends > queries.starts, queries.ends, queries.past_ends) - 1
        age = np.maximum(queries.times[newest[row]] - queries.times[index], MIN_AGE) / 86_400
        known = queries.items[index] != PADDING
        return _grouped(len(queries), row[known], queries.items[index][known], age[known] ** -BASE_LEVEL_DECAY)


def _grouped(n_queries: int, row: I64, item: I64, base: F64) -> PriorCandidates:
    """Return each (row, item) once, with log(1 + count) and log(1 + sum of `base`)."""
    order = np.lexsort((item, row))
    row, item, base = row[order], item[order], base[order]
    first = np.flatnonzero((np.diff(row, prepend=-1) != 0) | (np.diff(item, prepend=-1) != 0))
    counts = np.diff(np.append(first, row.size))
    sums = np.add.reduceat(base, first) if first.size else np.empty(0)
    features = np.log1p(np.stack([counts, sums], axis=1))
    return _padded(n_queries, row[first], item[first], features)


def _padded(n_queries: int, row: I64, item: I64, features: F64) -> PriorCandidates:
    """Return candidates, given row by row, as padded arrays."""
    counts = np.bincount(row, minlength=n_queries)
    _, column = expand_spans(np.zeros_like(counts), counts)
    shape = (n_queries, int(counts.max(initial=0)))
    items, padded = np.full(shape, PADDING), np.zeros((*shape, features.shape[1]), np.float32)
    items[row, column], padded[row, column] = item, features
    return PriorCandidates(items, padded)


@dataclass(frozen=True)
class Transitions:
    """Sequential rules (Ludewig, Jannach 2018): log(1 + r) and log(1 + share / floor) of the last play's successors.

    r(a, b) = sum of 1 / distance^2 over plays of b after a in one session, distance <= `steps`. In training the pairs of
    the query's own session are subtracted, so that a target does not predict itself.
    """

    rules: csr_array
    """[I, I] r(a, b)."""
    totals: F64
    """[I] sum of r(a, b) over b."""
    steps: int
    floor: float = 1e-3
    limit: int = 100
    """Strongest successors that are candidates."""
    n_features = 2

    @classmethod
    def fit(cls, sessions: Sessions, steps: int = 10) -> "Transitions":
        """Count the rules of sessions."""
        first, second, weight = _pairs(sessions.items, sessions.session_of_play, steps)
        rules = csr_array((weight, (first, second)), shape=(sessions.n_items, sessions.n_items))
        rules.sum_duplicates()
        return cls(rules, np.asarray(rules.sum(axis=1)).ravel(), steps)

    def candidates(self, queries: SessionQueries, session_ends: I64 | None = None) -> PriorCandidates:
        """Return the successors of the last play of each query."""
        last = queries.items[np.maximum(queries.ends - 1, 0)]
        n_rules = np.where(queries.ends > queries.starts, np.diff(self.rules.indptr)[last], 0)
        row, index = expand_spans(self.rules.indptr.astype(np.int64)[last], n_rules)
        item, value = self.rules.indices[index].astype(np.int64), self.rules.data[index].astype(np.float64)
        total = self.totals[last]
        if session_ends is not None:
            own = self._own(queries, session_ends, last)
            value = value - _lookup(own, row, item)
            total = total - np.asarray(own.sum(axis=1)).ravel()
        strongest = _strongest(row, value, self.limit)
        row, item, value = row[strongest], item[strongest], value[strongest]
        share = value / np.maximum(total[row], 1e-6)
        return _padded(len(queries), row, item, np.stack([np.log1p(value), np.log1p(share / self.floor)], axis=1))

    def _own(self, queries: SessionQueries, session_ends: I64, last: I64) -> csr_array:
        """Return r(last, b) [Q, I] of each query's own session alone."""
        sessions, number = np.unique(queries.starts, return_inverse=True)
        ends = np.zeros(sessions.size, np.int64)
        ends[number] = session_ends
        session, plays = expand_spans(sessions, ends - sessions)
        n_items = self.rules.shape[0]
        first, second, weight = _pairs(queries.items[plays], session, self.steps, session * n_items)
        keys, key_row = np.unique(number * n_items + last, return_inverse=True)
        match = np.minimum(np.searchsorted(keys, first), keys.size - 1)
        chosen = keys[match] == first
        by_key = csr_array((weight[chosen], (match[chosen], second[chosen])), shape=(keys.size, n_items))
        by_key.sum_duplicates()
        return csr_array(by_key[key_row])


def _pairs(items: I64, session: I64, steps: int, offset: I64 | None = None) -> tuple[I64, I64, F64]:
    """Return (first item, second item, weight) of all pairs within `steps`; `offset` [N] is added to the first item."""
    first_item = items if offset is None else items + offset
    parts = []
    for distance in range(1, steps + 1):
        same = np.flatnonzero(session[:-distance] == session[distance:])
        parts.append((first_item[same], items[same + distance], np.full(same.size, distance**-2.0)))
    first, second, weight = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return first, second, weight


def _strongest(row: I64, value: F64, limit: int) -> I64:
    """Return the positions of the `limit` largest positive values of each row; rows ascend."""
    order = np.lexsort((-value, row))
    order = order[value[order] > 1e-6]
    return order[rank_in_row(row[order]) < limit]


def _lookup(matrix: csr_array, row: I64, item: I64) -> F64:
    """Return matrix[row, item] of each pair."""
    matrix.sort_indices()
    keys = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * matrix.shape[1] + matrix.indices
    pairs = row * matrix.shape[1] + item
    position = np.minimum(np.searchsorted(keys, pairs), max(0, keys.size - 1))
    if not keys.size:
        return np.zeros(row.size)
    return np.where(keys[position] == pairs, matrix.data[position], 0.0)


@dataclass(frozen=True)
class CombinedPriors:
    """The features of several sources, side by side."""

    sources: Sequence[PriorFeatures]

    @property
    def n_features(self) -> int:
        """The sum over the sources."""
        return sum(source.n_features for source in self.sources)

    def candidates(self, queries: SessionQueries, session_ends: I64 | None = None) -> PriorCandidates:
        """Return the candidates of all sources; an item of several sources occurs several times."""
        parts = [source.candidates(queries, session_ends) for source in self.sources]
        items = np.concatenate([part.items for part in parts], axis=1)
        features: F32 = np.zeros((*items.shape, self.n_features), np.float32)
        column = number = 0
        for part in parts:
            _, n, n_features = part.features.shape
            features[:, column : column + n, number : number + n_features] = part.features
            column, number = column + n, number + n_features
        return PriorCandidates(items, features)
