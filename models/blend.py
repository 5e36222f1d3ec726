"""A weighted hybrid of EASE, implicit ALS and popularity (Burke 2002, "Hybrid Recommender Systems").

    score(u, j) = (1 - f) e(u, j) / |e|  +  f a(u, j) / |a|  +  p l(j) / |l|

e: EASE's score; a: the ALS score of the folded-in query; l: the share of users who like j; |.|: the root mean square of
a component's scores over training users and all tracks, so that f and p mean the same on any data.

Each component is divided by one number rather than by the size of each row. l is the same for every query, while e and
a grow with the length of the history. So queries with short histories get popular tracks, and queries with long ones do
not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from models import ease, ials, popularity
from models.ials import ALSModel, IALSConfig
from models.protocol import Recommender
from models.queries import Queries
from models.types import F32, I64, Tensors

MAX_SCALE_USERS = 2_000
"""Users whose scores estimate |.|: at most so many, at equal intervals."""
BATCH_SIZE = 500


@dataclass(frozen=True)
class BlendConfig:
    """Hyper-parameters of the components, and their weights."""

    min_rating: float = 1.0
    """T_R: ratings from here on are interactions, for all components."""
    als_share: float = 0.5
    """f: share of ALS in the personal score, 0 to 1; the rest is EASE's."""
    popularity_weight: float = 0.2
    """p: weight of popularity; the personal components have 1 together."""
    ease_regularization: float = 30.0
    """EASE's lambda, in users."""
    rank: int = 64
    """Number of ALS factors."""
    unobserved_weight: float = 0.01
    """ALS's a: weight of an unobserved pair."""
    als_regularization: float = 0.1
    """ALS's lambda."""
    seed: int = 7
    """Seed of ALS's initial item factors."""

    @property
    def als(self) -> IALSConfig:
        """The hyper-parameters of ALS."""
        return IALSConfig(
            self.min_rating,
            self.rank,
            unobserved_weight=self.unobserved_weight,
            regularization=self.als_regularization,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Component:
    """One model of the blend."""

    name: str
    model: Recommender
    weight: float
    """Factor of its scores: its share divided by their root mean square."""


@dataclass(frozen=True)
class Blend:
    """A weighted sum of models."""

    personal: tuple[Component, ...]
    """Models that depend on the history."""
    prior: Component
    """The model that does not."""

    def score(self, queries: Queries) -> F32:
        """Return scores [Q, I]; 0 where the personal components have no evidence, independent of the prior."""
        scores = np.zeros(queries.user_items.shape, dtype=np.float32)
        for component in self.personal:
            scores += np.float32(component.weight) * component.model.score(queries)
        has_evidence = scores != 0
        scores += np.float32(self.prior.weight) * self.prior.model.score(queries)
        scores[~has_evidence] = 0.0
        return scores

    def contributions(self, user_items: csr_array, item_ids: Sequence[I64]) -> list[F32]:
        """Return the weighted contributions of the personal components; the prior depends on no history item."""
        lengths = np.diff(user_items.indptr)
        shares = [np.zeros((items.size, length), np.float32) for items, length in zip(item_ids, lengths, strict=True)]
        for component in self.personal:
            for row, component_shares in enumerate(component.model.contributions(user_items, item_ids)):
                shares[row] += np.float32(component.weight) * component_shares
        return shares

    def tensors(self) -> Tensors:
        """Return each component's arrays as `COMPONENT.ARRAY`, and `COMPONENT.weight` [1]."""
        components = (*self.personal, self.prior)
        arrays = {f"{c.name}.{name}": array for c in components for name, array in c.model.tensors().items()}
        return arrays | {f"{c.name}.weight": np.array([c.weight]) for c in components}


class ComponentCache:
    """The last fitted components of blends of the same ratings: settings and seeds that share one do not fit it again."""

    def __init__(self) -> None:
        self._components: dict[str, tuple[object, csr_array, Recommender, float]] = {}

    def get(
        self, name: str, config: object, ratings: csr_array, fit_model: Callable[[], Recommender]
    ) -> tuple[Recommender, float]:
        """Return a component and the root mean square of its scores; fit it unless the last one has the same settings."""
        cached = self._components.get(name)
        if cached is None or cached[0] != config or cached[1] is not ratings:
            self._components.pop(name, None)  # frees the memory before the next fit
            model = fit_model()
            cached = self._components[name] = config, ratings, model, rms_score(model, ratings)
        return cached[2], cached[3]


def fit(ratings: csr_array, config: BlendConfig, cache: ComponentCache | None = None) -> Blend:
    """Fit each component on `ratings` [U, I], then scale their scores. Raises CatalogTooLargeError if EASE does."""
    components = cache or ComponentCache()
    linear = ease.EASEConfig(config.min_rating, config.ease_regularization)
    popular = popularity.PopularityConfig(config.min_rating)

    def component(name: str, settings: object, share: float, fit_model: Callable[[], Recommender]) -> Component:
        model, scale = components.get(name, settings, ratings, fit_model)
        return Component(name, model, share / scale if scale else 0.0)

    def fit_als() -> ALSModel:
        return ALSModel(ials.fit(ratings, config.als), config.als.objective, config.min_rating)

    personal = (
        component("ease", linear, 1.0 - config.als_share, lambda: ease.fit(ratings, linear)),
        component("als", config.als, config.als_share, fit_als),
    )
    prior = component("popularity", popular, config.popularity_weight, lambda: popularity.fit(ratings, popular))
    return Blend(personal, prior)


def rms_score(model: Recommender, ratings: csr_array) -> float:
    """Return the root mean square of the scores of at most MAX_SCALE_USERS users of `ratings` [U, I]."""
    rows = ratings[:: max(1, -(-ratings.shape[0] // MAX_SCALE_USERS))]
    starts = range(0, rows.shape[0], BATCH_SIZE)
    squares = sum(
        float(np.square(model.score(Queries(rows[n : n + BATCH_SIZE])), dtype=np.float64).sum()) for n in starts
    )
    return float(np.sqrt(squares / max(1, rows.shape[0] * rows.shape[1])))
