"""Intervals and comparisons by bootstrap: users are drawn, with all their queries, and every model by the same draws."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 1_000
LEVEL = 0.95
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
SEED = 7
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean with its percentile interval of LEVEL."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Ours less theirs, with its interval."""

    mean: float
    low: float
    high: float
    p: float
    """Two-sided: twice the smaller share of draws that lie on either side of 0, at least 2 / DRAWS."""
    significant: bool
    """0 lies outside the interval."""


def means_of_draws(per_user: Floats, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """[draws, M]: means of `per_user` [U, M] over U users drawn with replacement; equal U and seed, equal draws."""
    users = len(per_user)
    random = np.random.default_rng(seed)
    found = np.empty((draws, per_user.shape[1]))
    for place in range(draws):
        times = np.bincount(random.integers(0, users, users), minlength=users)
        found[place] = times @ per_user / users
    return found


def intervals(per_user: Floats, draws: int = DRAWS, seed: int = SEED) -> list[Interval]:
    """Of each column of [U, M]. Raises ValueError where there is no user."""
    if not len(per_user):
        raise ValueError("There is nobody to draw from.")
    low, high = np.quantile(means_of_draws(per_user, draws, seed), TAILS, axis=0)
    return [Interval(float(m), float(a), float(b)) for m, a, b in zip(per_user.mean(axis=0), low, high, strict=True)]


def difference(ours: Floats, theirs: Floats, draws: int = DRAWS, seed: int = SEED) -> Difference:
    """Paired by user: row i of both [U] is the same user."""
    if ours.shape != theirs.shape:
        raise ValueError(f"Paired values are of the same users: {ours.shape} against {theirs.shape}.")
    gaps = (ours - theirs)[:, None]
    drawn = means_of_draws(gaps, draws, seed)[:, 0]
    low, high = (float(end) for end in np.quantile(drawn, TAILS))
    side = min(float(np.mean(drawn <= 0)), float(np.mean(drawn >= 0)))
    return Difference(float(gaps.mean()), low, high, min(1.0, max(2 * side, 2 / draws)), low > 0 or high < 0)
