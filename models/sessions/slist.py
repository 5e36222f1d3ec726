"""SLIST: session-aware linear item-item models in closed form (Choi et al. 2021).

    B = (X'WX + reg E)^-1 X'WY
    X = [sqrt(alpha) X_1; sqrt(1 - alpha) X_2],  Y likewise;  W = diag of exp(-age of the session / session_weight)
    X_1 = Y_1: one row per session, 1 for its items (SLIS)
    X_2, Y_2: one row per play t but the last of a session (SLIT); the item of t, or with direction "part" the items of
        plays s <= t, each with exp(-(t - s) / train_weight); and the items of plays s > t with exp(-(s - t - 1) /
        train_weight)
    score(j) = sum over the session's known plays x_i of exp(-(L - i) / predict_weight) B[x_i, j]

E: the unit matrix. Rows of X_1, X_2, Y_1 and Y_2 sum to 1; with `normalize_targets` off, those of Y_1 and Y_2 do not. The
paper's code (jin530/SLIST) normalizes X alone.

B is dense float32. The fit takes 2 x 4 I^2 bytes, and some for sparse products: 0.8 GB for 10,000 items, 3.2 GB for
20,000; the model half of that. Weights below e^-18, a quarter of float32's precision relative to the newest play, are
left out. The last digits of B depend on the number of BLAS threads.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, diags_array

from models.data.sessions import PADDING, RankedItems, SessionQueries, Sessions
from models.protocol import CatalogTooLargeError
from models.sessions.ranking import rank_in_blocks, select_top
from models.types import F32, F64, I64, Mask, Tensors

MAX_ITEMS = 20_000
"""Larger catalogues need a sparse model."""
DAY = 86_400.0
MAX_EXPONENT = 18.0
"""exp(-18) = 1.5e-8."""


@dataclass(frozen=True)
class SlistConfig:
    """Hyper-parameters; the defaults are the authors' for nowplaying, the nearest data with published settings."""

    alpha: float = 0.8
    """Share of SLIS, which models sessions as sets, against SLIT, which models what follows."""
    direction: Literal["sr", "part"] = "sr"
    """Input of SLIT: the play t alone, or all plays up to t."""
    regularization: float = 10.0
    """reg: weight of B's squared length; larger values shrink rare items more."""
    train_weight: float = 1.0
    """Decay of SLIT's plays by distance, in plays."""
    predict_weight: float = 1.0
    """Decay of the session's plays in the score, in plays."""
    session_weight: float = 128.0
    """Decay of a training session by its age before the newest, in days; 0: none."""
    normalize_targets: bool = True
    """Rows of Y sum to 1, so that long sessions weigh as much as short ones."""


@dataclass(frozen=True)
class Slist:
    """A fitted model."""

    weights: F32
    """B [I, I]."""
    play_weights: F64
    """[G] weight of the play with each gap in the score."""
    threads: int = 0
    """Threads that rank; 0: one per core. Lists do not depend on it."""

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best items of each query, of those with scores above 0."""

        def kernel(first: int, last: int, items: I64, scores: F32) -> None:
            rows = slice(first, last)
            sessions = (queries.items, queries.starts[rows], queries.ends[rows])
            _rank(*sessions, self.weights, self.play_weights, items, scores)

        return rank_in_blocks(len(queries), k, kernel, self.threads)

    def tensors(self) -> Tensors:
        """Return `weights` [I, I] and `play_weights` [G]."""
        return {"weights": self.weights, "play_weights": self.play_weights}

    @classmethod
    def from_tensors(cls, tensors: Tensors, threads: int = 0) -> "Slist":
        """Return the model of `tensors()`."""
        return cls(tensors["weights"], tensors["play_weights"], threads)


def fit(sessions: Sessions, config: SlistConfig, threads: int = 0) -> Slist:
    """Compute B of `sessions`. Raises CatalogTooLargeError for more than MAX_ITEMS items."""
    if sessions.n_items > MAX_ITEMS:
        raise CatalogTooLargeError(
            f"SLIST supports at most {MAX_ITEMS:,} items; this catalogue has {sessions.n_items:,}."
        )
    gram, cross = _products(sessions, config)
    matrix = gram.astype(np.float32).toarray(order="F")
    matrix[np.diag_indices_from(matrix)] += np.float32(config.regularization)
    factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    right = cross.astype(np.float32).toarray(order="F")
    weights = cho_solve(factor, right, overwrite_b=True, check_finite=False) if matrix.size else right
    return Slist(np.ascontiguousarray(weights), _decay(config.predict_weight), threads)


def _decay(scale: float) -> F64:
    """Return exp(-distance / scale) of distances from 0, down to e^-MAX_EXPONENT."""
    return np.exp(-np.arange(int(MAX_EXPONENT * scale) + 1) / scale)


def _products(sessions: Sessions, config: SlistConfig) -> tuple[csr_array, csr_array]:
    """Return X'WX and X'WY [I, I] as sparse arrays."""
    age = sessions.ends.max(initial=0.0) - sessions.ends
    weights = np.exp(-age / (config.session_weight * DAY)) if config.session_weight else np.ones(len(sessions))
    sets = csr_array((np.ones(sessions.items.size), sessions.items, sessions.indptr), copy=True)
    sets.resize(len(sessions), sessions.n_items)
    sets.sum_duplicates()
    sets.data[:] = 1.0
    slis = (_normalized(sets), _normalized(sets) if config.normalize_targets else sets, config.alpha * weights)
    inputs, targets, has_next = _split_points(sessions, config)
    targets = _normalized(targets) if config.normalize_targets else targets
    slit = (_normalized(inputs), targets, (1.0 - config.alpha) * np.repeat(weights, sessions.lengths) * has_next)
    gram, cross = (
        sum((x.T @ diags_array(w) @ y for x, y, w in pairs), csr_array((sessions.n_items, sessions.n_items)))
        for pairs in (((x, x, w) for x, _, w in (slis, slit)), (slis, slit))
    )
    return csr_array(gram), csr_array(cross)


def _split_points(sessions: Sessions, config: SlistConfig) -> tuple[csr_array, csr_array, Mask]:
    """Return X_2, Y_2 [N, I] with a row per play, and whether the session goes on after it [N]; others' rows are 0."""
    session, n_plays = sessions.session_of_play, sessions.items.size
    has_next = np.append(session[1:] == session[:-1], np.zeros(min(1, n_plays), bool))
    rows: tuple[list[I64], list[I64]] = ([np.flatnonzero(has_next)], [])
    columns: tuple[list[I64], list[I64]] = ([sessions.items[has_next]], [])
    values: tuple[list[F64], list[F64]] = ([np.ones(int(has_next.sum()))], [])
    decay = _decay(config.train_weight)
    for distance in range(1, min(decay.size, int(sessions.lengths.max(initial=0)) - 1) + 1):
        earlier = np.flatnonzero(session[distance:] == session[: n_plays - distance])
        later = earlier + distance
        inputs = later[has_next[later]] if config.direction == "part" and distance < decay.size else later[:0]
        for side, row, column, weight in (
            (0, inputs, sessions.items[inputs - distance], decay[min(distance, decay.size - 1)]),
            (1, earlier, sessions.items[later], decay[distance - 1]),
        ):
            rows[side].append(row)
            columns[side].append(column)
            values[side].append(np.full(row.size, weight))
    shape = (n_plays, sessions.n_items)
    matrices = [
        csr_array((np.concatenate([np.empty(0), *v]), (_join(r), _join(c))), shape)
        for v, r, c in zip(values, rows, columns, strict=True)
    ]
    return matrices[0], matrices[1], has_next


def _join(parts: list[I64]) -> I64:
    return np.concatenate([np.empty(0, np.int64), *parts])


def _normalized(matrix: csr_array) -> csr_array:
    """Return the matrix with rows that sum to 1, or are empty."""
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    return csr_array(diags_array(1.0 / np.where(sums > 0, sums, 1.0)) @ matrix)


@njit(nogil=True, cache=True)
def _rank(
    items: I64, starts: I64, ends: I64, weights: F32, play_weights: F64, list_items: I64, list_scores: F32
) -> None:
    """Write the lists of the queries of a block."""
    n_items = weights.shape[0]
    scores, all_items = np.zeros(n_items), np.arange(n_items)
    for query in range(starts.size):
        scores[:] = 0.0
        gap, play = 0, ends[query] - 1
        while play >= starts[query] and gap < play_weights.size:
            item = items[play]
            play -= 1
            if item == PADDING:
                continue
            weight = play_weights[gap]
            gap += 1
            for other in range(n_items):
                scores[other] += weight * weights[item, other]
        select_top(all_items, n_items, scores, list_items[query], list_scores[query])
