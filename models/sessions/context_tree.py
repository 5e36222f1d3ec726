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

from models.data.sessions import Sessions
from models.sessions.interpolation import InterpolatedNGrams, interpolation
from models.sessions.ngrams import count_ngrams


@dataclass(frozen=True)
class ContextTreeConfig:
    """Hyper-parameters."""

    depth: int = 5
    """Largest order; session-rec has 50. Orders above 5 cost memory and change few lists."""


def fit(sessions: Sessions, config: ContextTreeConfig, threads: int = 0) -> InterpolatedNGrams:
    """Count the contexts of `sessions`."""
    ngrams = count_ngrams(sessions, config.depth)
    w = np.exp2(-ngrams.order.astype(np.float64))
    n = ngrams.sum_by_node(ngrams.counts)
    weights = ngrams.counts * (w / (2.0 + n))[ngrams.entry_nodes()]
    return InterpolatedNGrams(interpolation(ngrams, weights, 1.0 - w), config.depth, threads)
