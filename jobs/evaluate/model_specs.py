"""The recommenders that `pmrs evaluate` compares: hyper-parameter grid, seeds and supported tasks of each."""

from dataclasses import dataclass
from typing import Any

from jobs.recommenders import mllib_als
from jobs.recommenders.methods import METHODS, POPULARITY, POPULARITY_WINDOW, Method
from models import blend, ease, item_knn, popularity, sparse_ease
from models.bpr import BPRConfig
from models.ials import IALSConfig
from models.protocol import CandidateFilter

SEEDS = (7, 8, 9)
"""Seeds of models with a random initialisation."""


@dataclass(frozen=True)
class ModelSpec:
    """One recommender of the comparison."""

    name: str
    """Name of its method."""
    grid: tuple[Any, ...]
    """Hyper-parameter settings. If there are several, tuning picks one by NDCG@20 on the inner split."""
    seeds: tuple[int, ...] = (0,)
    supported_filters: tuple[CandidateFilter, ...] = ("exclude_seen", "only_seen", "all")
    """Candidate filters of the tasks that the model can answer."""
    needs_timestamps: bool = False
    """True: the model is skipped on a split without timestamps."""
    in_default_set: bool = True
    """False: the model is evaluated only if it is named."""

    @property
    def method(self) -> Method:
        """The method that fits the model."""
        return METHODS[self.name]


MLLIB_BLOCKS = 2
"""Number of blocks of MLlib's ALS; more are slower on one machine and change only the last bits."""
# the first setting of each grid is used without tuning
ALS_GRID = tuple(
    IALSConfig(regularization=r, unobserved_weight=a, rank=f)
    for r, a, f in (
        (0.001, 0.1, 64), (0.003, 0.1, 64), (0.01, 0.1, 64), (0.001, 1.0, 64), (0.003, 1.0, 64), (0.1, 0.01, 64), (0.1, 0.01, 128),
    )
)  # fmt: skip
MLLIB_GRID = tuple(
    mllib_als.MLlibALSConfig(regularization=r, alpha=a, blocks=MLLIB_BLOCKS)
    for r, a in ((0.05, 10.0), (0.01, 10.0), (0.1, 10.0), (0.05, 1.0))
)
POPULARITY_GRID = (popularity.PopularityConfig(),)
KNN_GRID = tuple(item_knn.ItemKNNConfig(neighbors=k, shrinkage=s) for k in (200, 50) for s in (10.0, 0.0, 50.0))
EASE_GRID = tuple(
    ease.EASEConfig(regularization=r, dropout=p)
    for r, p in ((100.0, 0.0), (10.0, 0.0), (30.0, 0.0), (300.0, 0.0), (30.0, 0.5), (100.0, 0.5), (300.0, 0.5))
)
BLEND_GRID = (
    blend.BlendConfig(), blend.BlendConfig(popularity_weight=0.1), blend.BlendConfig(als_share=0.3), blend.BlendConfig(rank=128),
    # for long histories
    *(
        blend.BlendConfig(
            als_share=0.3, popularity_weight=p, ease_regularization=300.0, unobserved_weight=0.1, als_regularization=0.003,
        )
        for p in (0.0, 0.1)
    ),
)  # fmt: skip
SPARSE_EASE_GRID = tuple(
    sparse_ease.SparseEASEConfig(neighbors=k, regularization=r) for k in (100, 200) for r in (100.0, 30.0, 300.0)
)
BPR_GRID = tuple(
    BPRConfig(rank=f, regularization=r) for f, r in ((64, 0.01), (64, 0.003), (64, 0.03), (128, 0.01), (128, 0.02))
)
MODEL_SPECS = (
    ModelSpec(POPULARITY, POPULARITY_GRID),
    ModelSpec(POPULARITY_WINDOW, POPULARITY_GRID, needs_timestamps=True),
    ModelSpec("item_knn", KNN_GRID),
    ModelSpec("ease", EASE_GRID),
    ModelSpec("sparse_ease", SPARSE_EASE_GRID),
    ModelSpec("bpr", BPR_GRID, SEEDS, in_default_set=False),
    ModelSpec("als", ALS_GRID, SEEDS),
    ModelSpec("blend", BLEND_GRID, SEEDS),
    ModelSpec("als_mllib", MLLIB_GRID, SEEDS, in_default_set=False),
    ModelSpec("pmrs_cf", (IALSConfig(),), SEEDS, ("exclude_seen",)),
)


def select_models(names: list[str]) -> list[ModelSpec]:
    """Return the specs of these names in the order of MODEL_SPECS; without names, those of the default set.

    Raises ValueError that lists the available models for an unknown name.
    """
    available = [spec.name for spec in MODEL_SPECS]
    if unknown := sorted(set(names) - set(available)):
        raise ValueError(f"there is no model {unknown[0]!r}; available are {', '.join(available)}")
    return [spec for spec in MODEL_SPECS if (spec.name in names if names else spec.in_default_set)]
