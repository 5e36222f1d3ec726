"""Item-kNN: a track is recommended by the tracks of one's history that the same listeners play (Sarwar et al. 2001).

    score(u, j) = sum over i in U_M of u, i among the k nearest of j, of sim(i, j)

sim is the shrunken cosine of models/neighbours.py.
"""

from dataclasses import dataclass

from scipy.sparse import csr_array

from models.item_weights import ItemWeights
from models.neighbours import Audience, nearest
from models.top_n import liked
from models.workers import workers


@dataclass(frozen=True)
class ItemKNNConfig:
    """Neighbours and shrinkage."""

    min_rating: float = 1.0
    """T_R: ratings from here on enter the history."""
    neighbours: int = 200
    """k: most similar tracks kept for each track."""
    shrinkage: float = 10.0
    """Listeners by which a similarity is held back: two tracks of three common listeners are not "the same"."""


def fit(ratings: csr_array, config: ItemKNNConfig, threads: int = 0) -> ItemWeights:
    """Similarities of all pairs that have a common listener. `ratings` [U, I]; `threads`: 0: as many as there are cores."""
    with workers(threads) as pool:
        near = nearest(Audience(liked(ratings, config.min_rating)), config.neighbours, config.shrinkage, pool)
    return ItemWeights(csr_array(near.T.tocsr()), config.min_rating)
