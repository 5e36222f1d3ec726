"""Rules between two items: association rules, Markov chains and sequential rules (Ludewig & Jannach 2018).

    sequential:  R[a, b] = sum over the plays of a, and the plays of b d >= 1 places later in the session, of w(d)
    Markov:      sequential with d = 1
    association: R[a, b] = number of pairs of a play of a and another play of b in a session
    score(b)   = R[x_L, b] + sum over n = 2 .. last_in_session + 1 of v(n) R[x_{L - n + 1}, b]

x_1 .. x_L: the session's known plays. d runs up to `steps`; a = b is allowed. w, v: weightings of WEIGHTINGS. Each row
of R has its `rules_per_item` largest entries, ties by item id.

Source: session-rec (rn5l/session-rec, algorithms/baselines/{ar,markov,sr}.py). There the linear weight is negative from
d = 11 on; here it is 0, and the rule has no evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from scipy.sparse import csr_array

from models.data.sessions import PADDING, RankedItems, SessionQueries, Sessions
from models.sessions.ranking import rank_in_blocks, select_top
from models.types import F32, F64, I64, Tensors

Weighting = Literal["same", "div", "linear", "log", "quadratic"]
"""Names of session-rec."""
WEIGHTINGS: dict[Weighting, Callable[[F64], F64]] = {
    "same": np.ones_like,
    "div": lambda d: 1.0 / d,
    "linear": lambda d: np.maximum(0.0, 1.0 - 0.1 * d),
    "log": lambda d: 1.0 / np.log10(d + 1.7),
    "quadratic": lambda d: 1.0 / (d * d),
}
"""Weight by distance d >= 1 [n]."""


@dataclass(frozen=True)
class RulesConfig:
    """Hyper-parameters; the defaults are session-rec's best for 30Music."""

    kind: Literal["association", "sequential"] = "sequential"
    """Pairs in any order and at any distance with weight 1, or pairs in play order."""
    steps: int = 30
    """Largest distance of a sequential pair, in plays; 30 is the tuned value for 30Music, 1 gives a Markov chain."""
    weighting: Weighting = "quadratic"
    """w of sequential pairs; the tuned value for 30Music."""
    rules_per_item: int = 20
    """Entries of a row of R, at most; session-rec's default. It bounds the length of a list if last_in_session is 0."""
    last_in_session: int = 0
    """Number of plays before the newest whose rules count too; 0 as in the tuned settings."""
    session_weighting: Weighting = "div"
    """v, the weight of the rules of the n-th newest play; session-rec's default."""


ASSOCIATION = RulesConfig(kind="association")
MARKOV = RulesConfig(steps=1, weighting="same")


@dataclass(frozen=True)
class Rules:
    """Fitted rules: the rows of R as CSR."""

    indptr: I64
    """[I + 1]"""
    consequents: I64
    """[E] items b of each row, strongest first."""
    strengths: F32
    """[E] R[a, b], above 0."""
    play_weights: F64
    """[last_in_session + 1] weight of the rules of the newest play, 1, then v(2), v(3), ..."""
    threads: int = 0
    """Threads that rank; 0: one per core. Lists do not depend on it."""

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best items of each query; a list is empty if no rule applies."""

        def kernel(first: int, last: int, items: I64, scores: F32) -> None:
            rows = slice(first, last)
            sessions = (queries.items, queries.starts[rows], queries.ends[rows])
            _rank(*sessions, self.indptr, self.consequents, self.strengths, self.play_weights, items, scores)

        return rank_in_blocks(len(queries), k, kernel, self.threads)

    def tensors(self) -> Tensors:
        """Return all fields but `threads` by name."""
        names = ("indptr", "consequents", "strengths", "play_weights")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_tensors(cls, tensors: Tensors, threads: int = 0) -> "Rules":
        """Return the model of `tensors()`."""
        rows = (tensors["indptr"], tensors["consequents"], tensors["strengths"])
        return cls(*rows, tensors["play_weights"], threads)


def fit(sessions: Sessions, config: RulesConfig, threads: int = 0) -> Rules:
    """Count the rules of `sessions`.

    Memory: 12 bytes per different pair of items within `steps` (association: within a session), two to three times.
    """
    distance_weights = WEIGHTINGS[config.weighting](np.arange(1.0, config.steps + 1))
    pairs = _association(sessions) if config.kind == "association" else count_pairs(sessions, distance_weights)
    distance = np.arange(2.0, config.last_in_session + 2)
    play_weights = np.append(1.0, WEIGHTINGS[config.session_weighting](distance))
    return Rules(*strongest(pairs, config.rules_per_item), play_weights, threads)


def count_pairs(sessions: Sessions, distance_weights: F64, play_weights: F64 | None = None) -> csr_array:
    """Return sums [I, I] of the weights of pairs of plays, the earlier in the row.

    `distance_weights` [D]: weight of pairs 1 to D places apart. `play_weights` [N]: factor of the later play; None: 1.
    """
    shape, n_plays = (sessions.n_items, sessions.n_items), sessions.items.size
    session = sessions.session_of_play
    weights = np.ones(n_plays) if play_weights is None else play_weights
    pairs = csr_array(shape)
    for distance in range(1, min(distance_weights.size, int(sessions.lengths.max(initial=0)) - 1) + 1):
        earlier = np.flatnonzero(session[distance:] == session[: n_plays - distance])
        cells = (sessions.items[earlier], sessions.items[earlier + distance])
        values = distance_weights[distance - 1] * weights[earlier + distance]
        pairs = pairs + csr_array((values, cells), shape)
    return csr_array(pairs)


def _association(sessions: Sessions) -> csr_array:
    """Return R [I, I] before pruning: X'X without the pairs of a play with itself. X [S, I]: plays per session."""
    ones = np.ones(sessions.items.size)
    shape = (len(sessions), sessions.n_items)
    plays = csr_array((ones, sessions.items, sessions.indptr), shape, copy=True)  # sum_duplicates works in place
    plays.sum_duplicates()
    counts = np.bincount(sessions.items, minlength=sessions.n_items).astype(np.float64)
    diagonal = np.arange(sessions.n_items)
    return csr_array(plays.T @ plays - csr_array((counts, (diagonal, diagonal)), (sessions.n_items, sessions.n_items)))


def strongest(pairs: csr_array, rules_per_item: int) -> tuple[I64, I64, F32]:
    """Return indptr, columns and values of the largest entries above 0 of each row, ties by column."""
    strengths = pairs.data.astype(np.float32)
    rows = np.repeat(np.arange(pairs.shape[0]), np.diff(pairs.indptr))
    order = np.lexsort((pairs.indices, -strengths, rows))
    rank = np.arange(rows.size) - pairs.indptr[rows]
    order = order[(rank < rules_per_item) & (strengths[order] > 0)]
    indptr = np.append(0, np.cumsum(np.bincount(rows[order], minlength=pairs.shape[0])))
    return indptr, pairs.indices[order].astype(np.int64), strengths[order]


@njit(nogil=True, cache=True)
def _rank(
    items: I64,
    starts: I64,
    ends: I64,
    indptr: I64,
    consequents: I64,
    strengths: F32,
    play_weights: F64,
    list_items: I64,
    list_scores: F32,
) -> None:
    """Write the lists of the queries of a block."""
    scores = np.zeros(indptr.size - 1)
    touched = np.empty(indptr.size - 1, np.int64)
    for query in range(starts.size):
        count, n_plays, play = 0, 0, ends[query] - 1
        while play >= starts[query] and n_plays < play_weights.size:
            item = items[play]
            play -= 1
            if item == PADDING:
                continue
            weight = play_weights[n_plays]
            n_plays += 1
            for rule in range(indptr[item], indptr[item + 1] if weight > 0.0 else indptr[item]):
                consequent = consequents[rule]
                if scores[consequent] == 0.0:
                    touched[count] = consequent
                    count += 1
                scores[consequent] += weight * strengths[rule]
        select_top(touched, count, scores, list_items[query], list_scores[query])
        for index in range(count):
            scores[touched[index]] = 0.0
