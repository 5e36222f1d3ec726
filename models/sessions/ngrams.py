"""Counts of the item after each context of up to `depth` plays, as a trie.

A context of order d is the last d known plays of a session. Node 0 is the empty context. Its children add the newest
play; theirs add the play before that, and so on. The key of a node is (parent * I + item), and nodes are numbered by
ascending key: a binary search finds a child, without hashes and so without collisions.
"""

from typing import NamedTuple

import numpy as np

from models.data.sessions import Sessions
from models.types import F64, I64


class NGrams(NamedTuple):
    """Weighted counts of contexts with at least one following item. Memory: 32 bytes per entry, 16 per node."""

    keys: I64
    """[C - 1] keys of nodes 1 to C - 1, ascending."""
    indptr: I64
    """[C + 1]"""
    items: I64
    """[E] items that followed each context, ascending."""
    counts: F64
    """[E] c: sum of the weights of the plays of the item after the context."""
    n_plays: I64
    """[E] number of those plays."""
    order: I64
    """[C] d of each node, ascending."""
    n_items: int

    def entry_nodes(self) -> I64:
        """Return the node of each entry [E]."""
        return np.repeat(np.arange(self.order.size), np.diff(self.indptr))

    def sum_by_node(self, values: F64) -> F64:
        """Return the sums [C] of values of the entries [E]."""
        return np.asarray(np.bincount(self.entry_nodes(), values, self.order.size), np.float64)


def count_ngrams(sessions: Sessions, depth: int, play_weights: F64 | None = None) -> NGrams:
    """Count contexts of order 0 to `depth`. `play_weights` [N]: weight of each play as the following item; None: 1."""
    weights = np.ones(sessions.items.size) if play_weights is None else play_weights
    position = np.arange(sessions.items.size) - np.repeat(sessions.indptr[:-1], sessions.lengths)
    play, node, n_nodes = np.arange(sessions.items.size), np.zeros(sessions.items.size, np.int64), 1
    keys, entries, counts, n_plays, order = [np.empty(0, np.int64)], [], [], [], [np.zeros(1, np.int64)]
    for d in range(depth + 1):
        if d:
            deep = position[play] >= d
            play, node = play[deep], node[deep]
            level_keys, node = np.unique(node * sessions.n_items + sessions.items[play - d], return_inverse=True)
            node = node + n_nodes
            n_nodes += level_keys.size
            keys.append(level_keys)
            order.append(np.full(level_keys.size, d))
        entry, row = np.unique(node * sessions.n_items + sessions.items[play], return_inverse=True)
        entries.append(entry)
        counts.append(np.bincount(row, weights[play], entry.size).astype(np.float64))
        n_plays.append(np.bincount(row, minlength=entry.size))
    entry = np.concatenate(entries)
    indptr = np.append(0, np.cumsum(np.bincount(entry // max(1, sessions.n_items), minlength=n_nodes)))
    return NGrams(
        np.concatenate(keys),
        indptr,
        entry % max(1, sessions.n_items),
        np.concatenate(counts),
        np.concatenate(n_plays),
        np.concatenate(order),
        sessions.n_items,
    )
