"""Item-kNN: a track is recommended by the tracks of one's history that the same listeners play (Sarwar et al. 2001).

    sim(i, j) = |U_i and U_j| / (sqrt(|U_i| |U_j|) + shrinkage)        cosine of who likes i and who likes j, shrunken
    score(u, j) = sum over i in U_M of u, i among the k nearest of j, of sim(i, j)

Deshpande and Karypis 2004 keep the k nearest of each *target* track, as here; shrinkage is that of Bell and Koren 2007.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array

from models.top_n import Floats, Ints, Tensors, TooLarge, by_weights, liked

MOST_PAIRS = 300_000_000
"""Pairs of tracks of one history, summed over users: each may take some 50 bytes while similarities are sorted."""


@dataclass(frozen=True)
class ItemKNNConfig:
    """Neighbours and shrinkage."""

    min_rating: float = 1.0
    """T_R: ratings from here on enter the history."""
    neighbours: int = 200
    """k: most similar tracks kept for each track."""
    shrinkage: float = 10.0
    """Listeners by which a similarity is held back: two tracks of three common listeners are not "the same"."""


@dataclass(frozen=True)
class ItemKNN:
    """The kept similarities."""

    similar: csr_array
    """[I, I] from history track (row) to recommended track (column); the diagonal is empty."""
    min_rating: float

    def score(self, asked: csr_array) -> Floats:
        """[Q, I]: sums of similarities, 0 where nothing is near."""
        found = liked(asked, self.min_rating) @ self.similar
        return np.asarray(found.toarray(), dtype=np.float32)

    def carried(self, asked: csr_array, picked: Sequence[Ints]) -> list[Floats]:
        """The similarities that the score sums."""
        return by_weights(
            asked, picked, lambda history, items: self.similar[history][:, items].toarray(), self.min_rating
        )

    def tensors(self) -> Tensors:
        """The sparse matrix: `values`, `columns`, `row_ends`."""
        return {"values": self.similar.data, "columns": self.similar.indices, "row_ends": self.similar.indptr}


def fit(ratings: csr_array, config: ItemKNNConfig) -> ItemKNN:
    """Similarities of all pairs that have a common listener. `ratings` [U, I]. Raises TooLarge above MOST_PAIRS."""
    likes = liked(ratings, config.min_rating)
    pairs = min(int((np.diff(likes.indptr).astype(np.int64) ** 2).sum()), likes.shape[1] ** 2)
    if pairs > MOST_PAIRS:
        raise TooLarge(
            f"item-kNN takes up to {MOST_PAIRS:,} pairs of tracks with a common listener; here may be {pairs:,}."
        )
    common = csc_array(likes.T @ likes).astype(np.float64)
    listeners = common.diagonal()
    column = np.repeat(np.arange(common.shape[1]), np.diff(common.indptr))
    length = np.sqrt(listeners[common.indices] * listeners[column])
    common.data /= length + config.shrinkage
    common.setdiag(0.0)
    common.eliminate_zeros()
    return ItemKNN(csr_array(_nearest(common, config.neighbours)).astype(np.float32), config.min_rating)


def _nearest(similar: csc_array, most: int) -> csc_array:
    """The `most` largest of each column; of equal ones those that come first."""
    column = np.repeat(np.arange(similar.shape[1]), np.diff(similar.indptr))
    order = np.lexsort((similar.indices, -similar.data, column))
    place = np.arange(order.size) - similar.indptr[column[order]]
    kept = order[place < most]
    return csc_array((similar.data[kept], (similar.indices[kept], column[kept])), shape=similar.shape)
