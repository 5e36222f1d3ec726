"""Context tree with fixed weights (Mi & Faltings 2018, BVMM), as session-rec's published figures have it.

    p_d(i) = (1 + c_d(i)) / (2 + n_d),    q_0 = p_0,    q_d = w_d p_d + (1 - w_d) q_{d-1},    w_d = 2^-d

c_d(i): plays of i after the session's last d plays; n_d: sum of c_d. d runs over the contexts that training has. The
score leaves out the constants 1 / (2 + n_d), which are the same for all items: an item that no training session has
gets none. With d = 0 every item with plays is listed.

The paper learns w_d. session-rec (algorithms/ct) writes learned weights to `node.weight`, and its predictions read
`node.expert.weight`, which stays 2^-d. It uses orders up to 50; those from 6 on rarely match, and weigh 2^-6 and less.
models/sessions/backoff.py learns weights.
"""

from dataclasses import dataclass

import numpy as np

from models.data.sessions import RankedItems, SessionQueries, Sessions
from models.sessions.neighbors import query_arrays
from models.sessions.ngrams import Interpolation, count_ngrams, interpolation, rank_interpolated
from models.sessions.ranking import rank_in_blocks
from models.types import F32, I64, Tensors


@dataclass(frozen=True)
class ContextTreeConfig:
    """Hyper-parameters."""

    depth: int = 5
    """Largest order; session-rec has 50. Orders above 5 cost memory and change few lists."""


@dataclass(frozen=True)
class InterpolatedNGrams:
    """A fitted mixture of n-grams."""

    mixture: Interpolation
    depth: int
    threads: int = 0
    """Threads that rank; 0: one per core. Lists do not depend on it."""

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best items of each query; queries without a known context get the root's list."""

        def kernel(first: int, last: int, items: I64, scores: F32) -> None:
            rank_interpolated(query_arrays(queries, first, last), self.mixture, self.depth, items, scores)

        return rank_in_blocks(len(queries), k, kernel, self.threads)

    def tensors(self) -> Tensors:
        """Return the arrays of the mixture, and `depth` [1]."""
        return {**self.mixture._asdict(), "depth": np.array([self.depth])}

    @classmethod
    def from_tensors(cls, tensors: Tensors, threads: int = 0) -> "InterpolatedNGrams":
        """Return the model of `tensors()`."""
        mixture = Interpolation(*(tensors[name] for name in Interpolation._fields))
        return cls(mixture, int(tensors["depth"][0]), threads)


def fit(sessions: Sessions, config: ContextTreeConfig, threads: int = 0) -> InterpolatedNGrams:
    """Count the contexts of `sessions`."""
    ngrams = count_ngrams(sessions, config.depth)
    w = np.exp2(-ngrams.order.astype(np.float64))
    n = ngrams.sum_by_node(ngrams.counts)
    weights = ngrams.counts * (w / (2.0 + n))[ngrams.entry_nodes()]
    return InterpolatedNGrams(interpolation(ngrams, weights, 1.0 - w), config.depth, threads)
