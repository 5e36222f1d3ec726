"""The models that are compared: over which settings each is tuned, by how many seeds, and what it can be asked."""

from dataclasses import dataclass
from typing import Any

from jobs.recommenders import mllib_als
from jobs.recommenders.methods import METHODS, POPULARITY, POPULARITY_WINDOW, Method
from models import blend, ease, item_knn, popularity, sparse_ease
from models.bpr import BPRConfig
from models.ials import IALSConfig
from models.top_n import Offered

SEEDS = (7, 8, 9)
"""Of whatever is trained from a random start."""


@dataclass(frozen=True)
class Contender:
    """One model in the comparison."""

    name: str
    """That of its method."""
    grid: tuple[Any, ...]
    """Its settings; more than one are tried on the inner split, by NDCG@20."""
    seeds: tuple[int, ...] = (0,)
    answers: tuple[Offered, ...] = ("unheard", "heard", "all")
    """Kinds of task that it can be asked."""
    wants_times: bool = False
    """Not asked where a split has none."""
    unasked: bool = True
    """Compared where nobody names the models; else only by its name."""

    @property
    def method(self) -> Method:
        """How it is fitted."""
        return METHODS[self.name]


BLOCKS = 2
"""MLlib cuts its work into so many parts; more of them cost more on one machine and change nothing but the last bits."""
# the first of each grid are the settings that stand where nothing is tuned
ALS_GRID = tuple(
    IALSConfig(regularisation=r, unobserved=a, rank=f)
    for r, a, f in (
        (0.001, 0.1, 64), (0.003, 0.1, 64), (0.01, 0.1, 64), (0.001, 1.0, 64), (0.003, 1.0, 64), (0.1, 0.01, 64), (0.1, 0.01, 128),
    )
)  # fmt: skip
MLLIB_GRID = tuple(
    mllib_als.Config(regularisation=r, alpha=a, blocks=BLOCKS)
    for r, a in ((0.05, 10.0), (0.01, 10.0), (0.1, 10.0), (0.05, 1.0))
)
PLAIN = (popularity.PopularityConfig(),)
KNN_GRID = tuple(item_knn.ItemKNNConfig(neighbours=k, shrinkage=s) for k in (200, 50) for s in (10.0, 0.0, 50.0))
EASE_GRID = tuple(
    ease.EASEConfig(regularisation=r, dropout=p)
    for r, p in ((100.0, 0.0), (10.0, 0.0), (30.0, 0.0), (300.0, 0.0), (30.0, 0.5), (100.0, 0.5), (300.0, 0.5))
)
BLEND_GRID = (
    blend.BlendConfig(), blend.BlendConfig(popularity=0.1), blend.BlendConfig(factors=0.3), blend.BlendConfig(rank=128),
    # where histories are long
    *(
        blend.BlendConfig(factors=0.3, popularity=p, regularisation=300.0, unobserved=0.1, factor_regularisation=0.003)
        for p in (0.0, 0.1)
    ),
)  # fmt: skip
SPARSE_EASE_GRID = tuple(
    sparse_ease.SparseEASEConfig(neighbours=k, regularisation=r) for k in (100, 200) for r in (100.0, 30.0, 300.0)
)
BPR_GRID = tuple(
    BPRConfig(rank=f, regularisation=r) for f, r in ((64, 0.01), (64, 0.003), (64, 0.03), (128, 0.01), (128, 0.02))
)
CONTENDERS = (
    Contender(POPULARITY, PLAIN),
    Contender(POPULARITY_WINDOW, PLAIN, wants_times=True),
    Contender("item_knn", KNN_GRID),
    Contender("ease", EASE_GRID),
    Contender("sparse_ease", SPARSE_EASE_GRID),
    Contender("bpr", BPR_GRID, SEEDS, unasked=False),
    Contender("als", ALS_GRID, SEEDS),
    Contender("blend", BLEND_GRID, SEEDS),
    Contender("als_mllib", MLLIB_GRID, SEEDS, unasked=False),
    Contender("pmrs_cf", (IALSConfig(),), SEEDS, ("unheard",)),
)


def named(names: list[str]) -> list[Contender]:
    """Those of these names, in the order of CONTENDERS; where none is given, those that are compared unasked.

    Raises ValueError naming what there is.
    """
    known = [one.name for one in CONTENDERS]
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"there is no model {unknown[0]!r}; there are {', '.join(known)}")
    return [one for one in CONTENDERS if (one.name in names if names else one.unasked)]
