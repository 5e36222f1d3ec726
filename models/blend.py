"""A blend: what EASE, implicit ALS and popularity say of a track, added up (Burke 2002, "Hybrid Recommender Systems": weighted).

    score(u, j) = (1 - f) e(u, j) / |e|  +  f a(u, j) / |a|  +  p l(j) / |l|

e: EASE's score, a: that of the ALS factors with u folded in, l: the share of users who like j; |.|: the root mean square of a
part's scores over users it has learned from and all tracks, so that f and p mean the same on any data.

A part is divided by one number and not, row by row, by the size of its scores there: l is as large for everybody while e and a
grow with what the history holds, so that whoever has played little is offered what most play, and whoever has played much is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models import ease, ials, popularity
from models.ials import IALSConfig
from models.implicit_factors import ImplicitFactors
from models.top_n import Floats, Ints, Recommender, Tensors

SIZED_BY = 2_000
"""Users, at most, whose scores tell how large a part's are; every n-th of all."""
BLOCK = 500


@dataclass(frozen=True)
class BlendConfig:
    """The parts' settings, and how much each has to say."""

    min_rating: float = 1.0
    """T_R: ratings from here on are likes, for all parts."""
    factors: float = 0.5
    """f: share of ALS in what is told from the history, 0 to 1; the rest is EASE's."""
    popularity: float = 0.2
    """p: weight of popularity, beside the 1 of both others together."""
    regularisation: float = 30.0
    """EASE's lambda, in listeners."""
    rank: int = 64
    """Number of ALS's factors."""
    unobserved: float = 0.01
    """ALS's a: weight of a pair of which nothing is known."""
    factor_regularisation: float = 0.1
    """ALS's lambda."""
    seed: int = 7
    """Of ALS's first item factors."""

    @property
    def als(self) -> IALSConfig:
        """Settings of the factors."""
        return IALSConfig(
            self.min_rating,
            self.rank,
            unobserved=self.unobserved,
            regularisation=self.factor_regularisation,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Part:
    """One model of the blend."""

    name: str
    model: Recommender
    weight: float
    """By which its scores are multiplied: its share by their size."""


@dataclass(frozen=True)
class Blend:
    """A weighted sum of models."""

    personal: tuple[Part, ...]
    """Those that go by the history."""
    prior: Part
    """The one that does not."""

    def score(self, asked: csr_array) -> Floats:
        """[Q, I]; 0 where the personal parts know nothing: the prior alone makes no recommendation personal."""
        found = np.zeros(asked.shape, dtype=np.float32)
        for part in self.personal:
            found += np.float32(part.weight) * part.model.score(asked)
        known = found != 0
        found += np.float32(self.prior.weight) * self.prior.model.score(asked)
        found[~known] = 0.0
        return found

    def carried(self, asked: csr_array, picked: Sequence[Ints]) -> list[Floats]:
        """What each rating adds by all personal parts, weighed as their scores are; the prior goes by no rating."""
        found = [
            np.zeros((items.size, size), np.float32) for items, size in zip(picked, np.diff(asked.indptr), strict=True)
        ]
        for part in self.personal:
            for row, shares in enumerate(part.model.carried(asked, picked)):
                found[row] += np.float32(part.weight) * shares
        return found

    def tensors(self) -> Tensors:
        """Each part's arrays as `PART.ARRAY`, and `PART.weight` [1]."""
        parts = (*self.personal, self.prior)
        arrays = {f"{part.name}.{name}": array for part in parts for name, array in part.model.tensors().items()}
        return arrays | {f"{part.name}.weight": np.array([part.weight]) for part in parts}


def fit(ratings: csr_array, config: BlendConfig) -> Blend:
    """Each part on all `ratings` [U, I], then the sizes of their scores. Raises TooLarge where EASE does."""
    linear = ease.fit(ratings, ease.EASEConfig(config.min_rating, config.regularisation))
    factors = ImplicitFactors(ials.fit(ratings, config.als), config.als.objective, config.min_rating)
    popular = popularity.fit(ratings, popularity.PopularityConfig(config.min_rating))
    personal = (
        _part("ease", linear, 1.0 - config.factors, ratings),
        _part("als", factors, config.factors, ratings),
    )
    return Blend(personal, _part("popularity", popular, config.popularity, ratings))


def _part(name: str, model: Recommender, share: float, ratings: csr_array) -> Part:
    size = size_of(model, ratings)
    return Part(name, model, share / size if size else 0.0)


def size_of(model: Recommender, ratings: csr_array) -> float:
    """Root mean square of the scores of at most SIZED_BY users of `ratings` [U, I] and all tracks; 0 where there are none."""
    rows = ratings[:: max(1, -(-ratings.shape[0] // SIZED_BY))]
    starts = range(0, rows.shape[0], BLOCK)
    squares = sum(float(np.square(model.score(rows[n : n + BLOCK]), dtype=np.float64).sum()) for n in starts)
    return float(np.sqrt(squares / max(1, rows.shape[0] * rows.shape[1])))
