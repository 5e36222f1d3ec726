"""Item-kNN: recommend the nearest neighbors of the tracks in a user's history (Sarwar et al. 2001).

    score(u, j) = sum over liked items i of u that are among the k nearest neighbors of j of sim(i, j)

sim is the shrunken cosine of models/cooccurrence.py.
"""

from dataclasses import dataclass

from scipy.sparse import csr_array

from models.cooccurrence import CooccurrenceMatrix, nearest_neighbors
from models.interactions import binarize
from models.item_item import ItemItemModel
from models.threads import thread_pool


@dataclass(frozen=True)
class ItemKNNConfig:
    """Hyper-parameters."""

    min_rating: float = 1.0
    """T_R: ratings from here on form the history."""
    neighbors: int = 200
    """k: nearest neighbors of each track."""
    shrinkage: float = 10.0
    """Added to the cosine's denominator, in users: damps similarities that rest on few common users."""


def fit(ratings: csr_array, config: ItemKNNConfig, threads: int = 0) -> ItemItemModel:
    """Compute the nearest neighbors of every track of `ratings` [U, I]. `threads` 0: one per core."""
    with thread_pool(threads) as pool:
        cooccurrence = CooccurrenceMatrix(binarize(ratings, config.min_rating))
        similarities = nearest_neighbors(cooccurrence, config.neighbors, config.shrinkage, pool)
    return ItemItemModel(csr_array(similarities.T.tocsr()), config.min_rating)
