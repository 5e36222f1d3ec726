"""Factors of unplayed tracks, predicted from content features (van den Oord, Dieleman, Schrauwen 2013, section 3).

    min over W, b of  sum over i of |y_i / |y_i| - W x_i - b|^2  +  alpha |W|^2

over the tracks i with factors y_i and standardized features x_i. Cross-validation chooses the alpha whose predictions
for left-out tracks have the largest mean cosine with their factors. Predictions have length 1, like the targets.
"""

from dataclasses import dataclass

import numpy as np

from models.types import F64

EPS = 1e-12


@dataclass(frozen=True)
class ContentFactorsConfig:
    """Hyper-parameters."""

    alphas: tuple[float, ...] = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
    """Ridge penalties to choose from."""
    folds: int = 5
    """Cross-validation folds."""
    seed: int = 7
    """Seed of the folds."""


@dataclass(frozen=True)
class ContentFactors:
    """A fitted ridge regression of D features to F factors."""

    mean: F64
    """[D]"""
    scale: F64
    """[D] standard deviations; 1 for constant features."""
    weight: F64
    """[D, F]"""
    bias: F64
    """[F]"""
    alpha: float
    """The chosen penalty."""
    cosine: float
    """Cross-validated mean cosine of predictions and factors; NaN: too few tracks."""
    baseline: float
    """The same for the mean factors of the training tracks as a constant prediction."""

    def predict(self, features: F64) -> F64:
        """Return factors [N, F] of length 1 for features [N, D]."""
        return to_unit(self.standardize(features) @ self.weight + self.bias)

    def standardize(self, features: F64) -> F64:
        """Return features [N, D] with the mean 0 and deviation 1 of the training tracks."""
        return np.asarray((features - self.mean) / self.scale)


def to_unit(rows: F64) -> F64:
    """Return the rows [N, F] normalized to length 1; zero rows stay zero."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), EPS))


def fit(features: F64, factors: F64, config: ContentFactorsConfig | None = None) -> ContentFactors:
    """Fit features [N, D] to factors [N, F] of the same tracks. Needs D x D memory for any N.

    Raises ValueError for mismatching shapes, no tracks, or numbers that are not finite.
    """
    config = config or ContentFactorsConfig()
    if not (features.ndim == factors.ndim == 2 and len(features) == len(factors) > 0):
        raise ValueError(
            f"features {features.shape} and factors {factors.shape} must have the same number of rows, above 0"
        )
    if not (np.isfinite(features).all() and np.isfinite(factors).all()):
        raise ValueError("features and factors must be finite")
    mean, scale = features.mean(0), features.std(0)
    scale = np.where(scale > EPS, scale, 1.0)
    x, y = (features - mean) / scale, to_unit(factors)
    alpha, cosine, baseline = _cross_validate(x, y, config)
    bias = y.mean(0)
    (weight,) = _solve_ridge(x.T @ x, x.T @ (y - bias), (alpha,))
    return ContentFactors(mean, scale, weight, bias, alpha, cosine, baseline)


def _solve_ridge(gram: F64, xty: F64, alphas: tuple[float, ...]) -> list[F64]:
    """Return (G + alpha I)^-1 X'Y for each alpha, with one eigendecomposition."""
    eigenvalues, eigenvectors = np.linalg.eigh(gram)
    rotated = eigenvectors.T @ xty
    return [eigenvectors @ (rotated / (np.maximum(eigenvalues, 0.0) + alpha)[:, None]) for alpha in alphas]


def _cross_validate(x: F64, y: F64, config: ContentFactorsConfig) -> tuple[float, float, float]:
    """Return the best alpha, its mean cosine over left-out tracks, and that of a constant prediction."""
    if len(x) < 2 * config.folds:
        return max(config.alphas), float("nan"), float("nan")
    fold = np.random.default_rng(config.seed).permutation(len(x)) % config.folds
    cosine, baseline = np.zeros(len(config.alphas)), 0.0
    gram, xty, y_sum = x.T @ x, x.T @ y, y.sum(0)
    for number in range(config.folds):
        in_fold = fold == number
        x_test, y_test = x[in_fold], y[in_fold]
        # subtract the fold from the sums over all tracks, then center what remains
        n_train = len(x) - len(x_test)
        x_mean, y_mean = -x_test.sum(0) / n_train, (y_sum - y_test.sum(0)) / n_train
        train_gram = gram - x_test.T @ x_test - n_train * np.outer(x_mean, x_mean)
        train_xty = xty - x_test.T @ y_test - n_train * np.outer(x_mean, y_mean)
        baseline += float((to_unit(y_mean[None]) @ y_test.T).sum())
        for index, weight in enumerate(_solve_ridge(train_gram, train_xty, config.alphas)):
            cosine[index] += float((to_unit((x_test - x_mean) @ weight + y_mean) * y_test).sum())
    best = int(cosine.argmax())
    return config.alphas[best], float(cosine[best] / len(x)), baseline / len(x)
