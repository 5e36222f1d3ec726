"""Session blend: a learned ranker over the lists of simple session models.

    P(i | query) = softmax over the candidates i of g(x_i)        g: a linear layer plus a network with one hidden layer

Candidates and their features x_i are those of models/sessions/blend_candidates.py.

Training needs no label but the next play: the components are fitted on the sessions before the last `train_days`, g on the
positions of the sessions after, with the cross-entropy of the next play among its candidates (list-wise, Cao et al. 2007). A
position whose next play is not among the candidates is left out of the training, and is a miss in every evaluation. Then the
components are fitted on all sessions. A day's features depend on nothing after it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from models.data.sessions import PADDING, RankedItems, SessionQueries, Sessions, cut_sessions, every_position
from models.protocol import SessionModel
from models.sessions import backoff, context_tree, interpolation, knn, rules, stan
from models.sessions.blend_candidates import Candidates, CandidatesConfig, build_candidates
from models.topk import top_k
from models.training.loop import TrainConfig
from models.training.loop import fit as fit_network
from models.types import I64, Tensors

DAY = 86_400.0
BLOCK = 1_000
"""Queries whose candidates and features are in memory at a time: at most 70 MB."""
MIN_DEVIATION = 1e-6
"""Smallest standard deviation of a feature that counts as varying."""


class Component(NamedTuple):
    """A model whose lists the blend ranks."""

    fit: Callable[..., SessionModel]
    """(sessions, config) -> model."""
    config: Any
    from_tensors: Callable[[Tensors], SessionModel]


SEQUENTIAL = rules.RulesConfig(rules_per_item=100, last_in_session=3)
ASSOCIATION = rules.RulesConfig(kind="association", rules_per_item=100, last_in_session=4)
COMPONENTS = {
    "sr": Component(rules.fit, SEQUENTIAL, rules.Rules.from_tensors),
    "association": Component(rules.fit, ASSOCIATION, rules.Rules.from_tensors),
    "vsknn": Component(knn.fit, knn.VSKNN, partial(knn.KNN.from_tensors, config=knn.VSKNN)),
    "stan": Component(
        stan.fit, stan.DIRECTED_WITH_USER, partial(stan.Stan.from_tensors, config=stan.DIRECTED_WITH_USER)
    ),
    "context_tree": Component(
        context_tree.fit, context_tree.ContextTreeConfig(), interpolation.InterpolatedNGrams.from_tensors
    ),
    "backoff": Component(backoff.fit, backoff.BackoffConfig(), interpolation.InterpolatedNGrams.from_tensors),
}
"""Components by name."""


@dataclass(frozen=True)
class BlendConfig:
    """Training of the blend."""

    candidates: CandidatesConfig = field(default_factory=CandidatesConfig)
    train_days: float = 7.0
    """Days before the newest play whose positions train g: as many days as a week has kinds of days."""
    max_positions: int = 20_000
    """Positions that train g, the newest: their features take at most 1.4 GB."""
    hidden: int = 32
    """Units of the hidden layer; 0: g is linear."""
    epochs: int = 12
    lr: float = 5e-3
    recent_days: float = 7.0
    """Days of the recent popularity."""


class Scorer(nn.Module):
    """g: scores of candidates from their features."""

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.linear = nn.Linear(n_features, 1)
        self.network = nn.Sequential(nn.Linear(n_features, hidden), nn.GELU(), nn.Linear(hidden, 1)) if hidden else None

    def forward(self, features: Tensor) -> Tensor:
        """Return scores [Q, C] of features [Q, C, F]."""
        x = (features - self.mean) / self.scale
        scores: Tensor = self.linear(x)
        return (scores if self.network is None else scores + self.network(x)).squeeze(-1)


@dataclass(frozen=True)
class SessionBlend:
    """A fitted blend."""

    components: dict[str, SessionModel]
    scorer: Scorer
    plays: I64
    """[I] plays in the training data."""
    recent_plays: I64
    """[I] plays in its last days."""
    config: BlendConfig = field(default_factory=BlendConfig)

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best candidates of each query, ties by item id."""
        items = np.full((len(queries), k), PADDING, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for start in range(0, len(queries), BLOCK):
            candidates = self.candidates(queries[slice(start, start + BLOCK)])
            sizes = (candidates.items != PADDING).sum(1)
            for row, size in enumerate(sizes):
                ids = candidates.items[row, :size]
                # one query at a time: no bit depends on the queries beside it
                with torch.no_grad():
                    values = self.scorer(torch.from_numpy(candidates.features[row, :size])).numpy()
                best = top_k(values, ids, k)
                items[start + row, : best.size], scores[start + row, : best.size] = ids[best], values[best]
        return RankedItems(items, scores)

    def candidates(self, queries: SessionQueries) -> Candidates:
        """Return candidates and features of the queries."""
        return build_candidates(queries, self.components, self.plays, self.recent_plays, self.config.candidates)

    def tensors(self) -> Tensors:
        """Return the arrays of the scorer and of the components, with their names as prefixes."""
        arrays: Tensors = {f"scorer.{name}": value.numpy() for name, value in self.scorer.state_dict().items()}
        for name, model in self.components.items():
            arrays |= {f"{name}.{key}": value for key, value in model.tensors().items()}
        return arrays | {"plays": self.plays, "recent_plays": self.recent_plays}

    @classmethod
    def from_tensors(
        cls, tensors: Tensors, config: BlendConfig, components: Mapping[str, Component] = COMPONENTS
    ) -> "SessionBlend":
        """Return the blend of `tensors()`."""

        def with_prefix(prefix: str) -> Tensors:
            return {n.removeprefix(prefix): value for n, value in tensors.items() if n.startswith(prefix)}

        models = {name: part.from_tensors(with_prefix(f"{name}.")) for name, part in components.items()}
        state = {name: torch.from_numpy(np.array(value)) for name, value in with_prefix("scorer.").items()}
        scorer = Scorer(len(state["mean"]), config.hidden)
        scorer.load_state_dict(state)
        return cls(models, scorer.eval(), tensors["plays"], tensors["recent_plays"], config)


@dataclass(frozen=True)
class _Batch:
    features: Tensor
    """[B, C, F]"""
    valid: Tensor
    """[B, C]"""
    target: Tensor
    """[B] column of the next play."""


class _Positions(Dataset[_Batch]):
    """Candidates of training positions whose next play is among them."""

    def __init__(self, candidates: Candidates, targets: I64) -> None:
        hit = candidates.items == targets[:, None]
        rows = hit.any(1)
        self.features, self.valid = candidates.features[rows], candidates.items[rows] != PADDING
        self.target = hit[rows].argmax(1)

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, index: int) -> _Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> _Batch:
        arrays = (self.features[indices], self.valid[indices], self.target[indices])
        return _Batch(*(torch.from_numpy(array) for array in arrays))


class _ListWise:
    """Objective: cross-entropy of the next play among its candidates."""

    def __init__(self, valid: _Positions | None) -> None:
        self._valid = valid

    def loss(self, model: nn.Module, batch: _Batch) -> tuple[Tensor, Tensor]:
        scores = model(batch.features).masked_fill(~batch.valid, -torch.inf)
        return nn.functional.cross_entropy(scores, batch.target, reduction="sum"), torch.tensor(float(len(scores)))

    def validate(self, model: nn.Module) -> dict[str, float]:
        if self._valid is None:
            return {}
        with torch.no_grad():
            parts = [self._valid.__getitems__(rows) for rows in _blocks(len(self._valid))]
            total = sum(float(self.loss(model, part)[0]) for part in parts)
        return {"loss": total / max(1, len(self._valid))}


def _blocks(n: int) -> Iterator[list[int]]:
    return (list(range(start, min(start + BLOCK, n))) for start in range(0, n, BLOCK))


def fit(
    sessions: Sessions, config: BlendConfig, seed: int = 7, components: Mapping[str, Component] = COMPONENTS
) -> SessionBlend:
    """Fit the components and g. Raises ValueError as `fit_seeds`."""
    return fit_seeds(sessions, config, (seed,), components)[0]


def fit_seeds(
    sessions: Sessions, config: BlendConfig, seeds: Sequence[int], components: Mapping[str, Component] = COMPONENTS
) -> list[SessionBlend]:
    """Fit the components once, and a g for each seed.

    Raises ValueError if all sessions are of the last days, or if no position of them has its next play among candidates.
    """
    cutoff = float(sessions.times.max(initial=0.0)) - config.train_days * DAY
    starts = sessions.times[sessions.indptr[:-1]]
    earlier, later = cut_sessions(sessions, cutoff), sessions.select(starts >= cutoff)
    if not len(earlier):
        raise ValueError(f"all plays are of the last {config.train_days:g} days; the components need plays before them")
    queries, _ = every_position(later, earlier)
    queries = queries[np.sort(np.argsort(queries.times[queries.ends], kind="stable")[-config.max_positions :])]
    early_models = {name: part.fit(earlier, part.config) for name, part in components.items()}
    data = _training_positions(queries, early_models, earlier, config)
    scorers = [_train(*data, config, seed) for seed in seeds]
    models = {name: part.fit(sessions, part.config) for name, part in components.items()}
    return [SessionBlend(models, scorer, *_count_plays(sessions, config), config) for scorer in scorers]


def _count_plays(sessions: Sessions, config: BlendConfig) -> tuple[I64, I64]:
    """Return plays [I] of all days, and of the last."""
    recent = sessions.times >= sessions.times.max(initial=0.0) - config.recent_days * DAY
    return tuple(np.bincount(items, minlength=sessions.n_items) for items in (sessions.items, sessions.items[recent]))  # type: ignore[return-value]


def _training_positions(
    queries: SessionQueries, models: dict[str, SessionModel], sessions: Sessions, config: BlendConfig
) -> tuple[_Positions, _Positions]:
    """Return the positions that train g, and the newest tenth, on which the epoch is chosen."""
    counts = _count_plays(sessions, config)
    targets = queries.items[queries.ends]
    order = np.argsort(queries.times[queries.ends], kind="stable")
    n_valid = max(1, order.size // 10)
    return tuple(  # type: ignore[return-value]
        _Positions(build_candidates(queries[rows], models, *counts, config.candidates), targets[rows])
        for rows in (order[:-n_valid], order[-n_valid:])
    )


def _train(train: _Positions, valid: _Positions, config: BlendConfig, seed: int) -> Scorer:
    if not len(train):
        raise ValueError("no play of the last days is among the candidates of the plays before it")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        scorer = Scorer(train.features.shape[2], config.hidden)
    rows = train.features[train.valid]
    scorer.mean.copy_(torch.from_numpy(rows.mean(0, dtype=np.float64)))
    deviation = rows.std(0, dtype=np.float64)
    # a feature that is constant in training teaches nothing: it becomes 0 everywhere
    scorer.scale.copy_(torch.from_numpy(np.where(deviation > MIN_DEVIATION, deviation, np.inf)))
    cfg = TrainConfig(config.epochs, 256, config.lr, weight_decay=0.0, threads=1, seed=seed)
    fit_network(scorer, _ListWise(valid if len(valid) else None), train, cfg)
    return scorer.eval()
