"""Bootstrap confidence intervals and paired comparisons.

The bootstrap resamples users with all their queries, or sessions with all their positions.
"""

from dataclasses import dataclass

import numpy as np

from models.types import F64

N_BOOTSTRAP = 1_000
LEVEL = 0.95
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
SEED = 7


@dataclass(frozen=True)
class Interval:
    """A mean with its percentile interval at LEVEL."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """The paired difference of a model from a baseline, with its interval."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided p-value: twice the smaller share of resamples on either side of 0, at least 2 / N_BOOTSTRAP."""
    significant: bool
    """True if the interval excludes 0."""


def bootstrap_means(per_user: F64, n_bootstrap: int = N_BOOTSTRAP, seed: int = SEED, sizes: F64 | None = None) -> F64:
    """Return the means [n_bootstrap, M] of `per_user` [U, M] over U users drawn with replacement.

    `sizes` [U]: `per_user` has sums over so many queries, and the means are over queries; None: each user has one value.
    The resamples depend on U and the seed alone, so that all models are compared on the same resamples.
    """
    n_users = len(per_user)
    rng = np.random.default_rng(seed)
    means = np.empty((n_bootstrap, per_user.shape[1]))
    for resample in range(n_bootstrap):
        counts = np.bincount(rng.integers(0, n_users, n_users), minlength=n_users)
        means[resample] = counts @ per_user / (n_users if sizes is None else counts @ sizes)
    return means


def intervals(
    per_user: F64, n_bootstrap: int = N_BOOTSTRAP, seed: int = SEED, sizes: F64 | None = None
) -> list[Interval]:
    """Return an interval for each column of `per_user` [U, M]. Raises ValueError if there are no users.

    `sizes`: see `bootstrap_means`.
    """
    if not len(per_user):
        raise ValueError("The bootstrap needs at least one user.")
    low, high = np.quantile(bootstrap_means(per_user, n_bootstrap, seed, sizes), TAILS, axis=0)
    means = per_user.sum(axis=0) / (len(per_user) if sizes is None else sizes.sum())
    return [Interval(float(m), float(a), float(b)) for m, a, b in zip(means, low, high, strict=True)]


def paired_difference(
    model: F64, baseline: F64, n_bootstrap: int = N_BOOTSTRAP, seed: int = SEED, sizes: F64 | None = None
) -> Difference:
    """Return the difference `model` - `baseline`; row i of both [U] is the same user. `sizes`: see `bootstrap_means`."""
    if model.shape != baseline.shape:
        raise ValueError(f"Paired values must belong to the same users: {model.shape} and {baseline.shape} differ.")
    deltas = (model - baseline)[:, None]
    means = bootstrap_means(deltas, n_bootstrap, seed, sizes)[:, 0]
    mean = deltas.sum() / (len(deltas) if sizes is None else sizes.sum())
    low, high = (float(end) for end in np.quantile(means, TAILS))
    tail = min(float(np.mean(means <= 0)), float(np.mean(means >= 0)))
    return Difference(float(mean), low, high, min(1.0, max(2 * tail, 2 / n_bootstrap)), low > 0 or high < 0)
