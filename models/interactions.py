"""From ratings to implicit-feedback interactions."""

import numpy as np
from scipy.sparse import csr_array


def binarize(ratings: csr_array, min_rating: float) -> csr_array:
    """Return a float32 matrix: 1 where a rating is at least `min_rating` (PMRS's T_R), else no entry."""
    interactions = ratings.copy()
    interactions.data = (interactions.data >= min_rating).astype(np.float32)
    interactions.eliminate_zeros()
    return interactions


def confidence_weights(ratings: csr_array, min_rating: float) -> csr_array:
    """Return s = 1 + log2 R where R >= `min_rating`, else no entry: 700 plays weigh about ten times one play.

    s plus the weight of an unobserved pair is the confidence of Hu, Koren, Volinsky 2008; their Eq. 6 has a logarithm,
    too.
    """
    weights = ratings.astype(np.float64)
    logs = 1.0 + np.log2(np.maximum(weights.data, min_rating))
    weights.data = np.where(weights.data >= min_rating, logs, 0.0).astype(np.float32)
    weights.eliminate_zeros()
    return weights
