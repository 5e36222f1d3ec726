"""Factors of tracks that nobody has played, from their content (van den Oord, Dieleman, Schrauwen 2013, section 3).

    min over W, b of  sum over i of |y_i / |y_i| - W x_i - b|^2  +  lambda |W|^2

over the tracks i that have factors y_i, with x_i their content's features, standardised. lambda is the one whose predictions of
tracks that it had not seen are nearest (mean cosine over folds). A prediction is of length 1, like what it learned from.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
TINY = 1e-12


@dataclass(frozen=True)
class ContentFactorsConfig:
    """How it is fitted."""

    strengths: tuple[float, ...] = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
    """lambdas to choose from, for features of deviation 1."""
    folds: int = 5
    """By which it is chosen."""
    seed: int = 7
    """Of the folds."""


@dataclass(frozen=True)
class ContentFactors:
    """What was learned: D features to F factors."""

    mean: Reals
    """[D]"""
    scale: Reals
    """[D] deviations; 1 where a feature never changes."""
    weight: Reals
    """[D, F]"""
    bias: Reals
    """[F]"""
    strength: float
    """lambda."""
    likeness: float
    """Mean cosine between prediction and factors of tracks that were not learned from; NaN: there were too few to tell."""
    baseline: float
    """The same of one prediction for all, the mean of what was learned from."""

    def predict(self, features: Reals) -> Reals:
        """Factors [N, F] of length 1 of features [N, D]."""
        return to_unit(self.standardised(features) @ self.weight + self.bias)

    def standardised(self, features: Reals) -> Reals:
        """[N, D] of mean 0 and deviation 1 over what was learned from."""
        return np.asarray((features - self.mean) / self.scale)


def to_unit(rows: Reals) -> Reals:
    """Each row [N, F] made 1 long; zeros stay."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY))


def fit(features: Reals, factors: Reals, config: ContentFactorsConfig | None = None) -> ContentFactors:
    """Fit on features [N, D] and factors [N, F] of the same tracks. One Gram matrix and its parts: D x D, whatever N is.

    Raises ValueError for shapes that do not go together, nothing to learn from, and numbers that are not finite.
    """
    config = config or ContentFactorsConfig()
    if not (features.ndim == factors.ndim == 2 and len(features) == len(factors) > 0):
        raise ValueError(f"features {features.shape} and factors {factors.shape} are not of the same tracks")
    if not (np.isfinite(features).all() and np.isfinite(factors).all()):
        raise ValueError("features and factors must be finite numbers")
    mean, scale = features.mean(0), features.std(0)
    scale = np.where(scale > TINY, scale, 1.0)
    x, y = (features - mean) / scale, to_unit(factors)
    strength, likeness, baseline = _chosen(x, y, config)
    centre = y.mean(0)
    (weight,) = _solved(x.T @ x, x.T @ (y - centre), (strength,))
    return ContentFactors(mean, scale, weight, centre, strength, likeness, baseline)


def _solved(gram: Reals, product: Reals, strengths: tuple[float, ...]) -> list[Reals]:
    """(G + lambda I)^-1 P for each lambda, by one eigendecomposition."""
    values, vectors = np.linalg.eigh(gram)
    turned = vectors.T @ product
    return [vectors @ (turned / (np.maximum(values, 0.0) + strength)[:, None]) for strength in strengths]


def _chosen(x: Reals, y: Reals, config: ContentFactorsConfig) -> tuple[float, float, float]:
    """(lambda, its mean cosine over tracks that were not learned from, that of one prediction for all)."""
    if len(x) < 2 * config.folds:
        return max(config.strengths), float("nan"), float("nan")
    fold = np.random.default_rng(config.seed).permutation(len(x)) % config.folds
    likeness, baseline = np.zeros(len(config.strengths)), 0.0
    gram, product, total = x.T @ x, x.T @ y, y.sum(0)
    for number in range(config.folds):
        held = fold == number
        mine, theirs = x[held], y[held]
        # the fold's part taken out of the sums of all: means of what is left are taken out as well
        left = len(x) - len(mine)
        shift, centre = -mine.sum(0) / left, (total - theirs.sum(0)) / left
        inner = gram - mine.T @ mine - left * np.outer(shift, shift)
        outer = product - mine.T @ theirs - left * np.outer(shift, centre)
        baseline += float((to_unit(centre[None]) @ theirs.T).sum())
        for place, weight in enumerate(_solved(inner, outer, config.strengths)):
            likeness[place] += float((to_unit((mine - shift) @ weight + centre) * theirs).sum())
    best = int(likeness.argmax())
    return config.strengths[best], float(likeness[best] / len(x)), baseline / len(x)
