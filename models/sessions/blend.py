"""Session blend: a learned ranker over the lists of simple session models.

    P(i | query) = softmax over the candidates i of g(x_i)        g: a linear layer plus a network with one hidden layer

Candidates are the best items of every component, and the tracks of the session and of the user's past. x_i holds, for each
component, the reciprocal rank and the logarithm of the score relative to the list's best; how many plays ago the session has
played i, and how often; the user's own plays of i; plays of i in all and in the last days; and the length of the session.

Training needs no label but the next play: the components are fitted on the sessions before the last `train_days`, g on the
positions of the sessions after, with the cross-entropy of the next play among its candidates (list-wise, Cao et al. 2007). A
position whose next play is not among the candidates is left out of the training, and is a miss in every evaluation. Then the
components are fitted on all sessions. A day's features depend on nothing after it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from torch import Tensor, nn
from torch.utils.data import Dataset

from models.data.sessions import PADDING, RankedItems, SessionQueries, Sessions, cut_sessions, every_position
from models.protocol import SessionModel
from models.sessions import backoff, context_tree, interpolation, knn, rules, stan
from models.topk import top_k
from models.training.loop import TrainConfig
from models.training.loop import fit as fit_network
from models.types import F32, I64, Tensors

DAY = 86_400.0
GAPS = 6
"""Indicators of plays since the session's last play of the item: 0, 1-2, 3-6, 7-14, 15 and more; and never."""
BLOCK = 1_000
"""Queries whose candidates and features are in memory at a time: some 60 MB, more with very long sessions."""
MIN_DEVIATION = 1e-6
"""Smallest standard deviation of a feature that counts as varying."""
FLOOR = 1e-4
"""Smallest score relative to the list's best; its logarithm stands for an item that a component does not list."""


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

    train_days: float = 7.0
    """Days before the newest play whose positions train g: as many days as a week has kinds of days."""
    max_positions: int = 20_000
    """Positions that train g, the newest: their features take 0.8 GB or more, by the length of the longest session."""
    depth: int = 100
    """Items of each component's list; more add candidates that are almost never played next."""
    use_past: bool = True
    """Use the user's earlier sessions; False: the session alone, in training and in lists."""
    own_items: int = 30
    """Newest different tracks of the user's past that are candidates."""
    hidden: int = 32
    """Units of the hidden layer; 0: g is linear."""
    epochs: int = 12
    lr: float = 5e-3
    recent_days: float = 7.0
    """Days of the recent popularity."""


@dataclass(frozen=True)
class Candidates:
    """Candidates of Q queries with their features."""

    items: I64
    """[Q, C] PADDING at the end of a row."""
    features: F32
    """[Q, C, F] 0 at padding."""


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
        return build_candidates(queries, self.components, self.plays, self.recent_plays, self.config)

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


def build_candidates(
    queries: SessionQueries, components: dict[str, SessionModel], plays: I64, recent_plays: I64, config: BlendConfig
) -> Candidates:
    """Return candidates and features of Q queries; the features are those of `feature_names`."""
    queries = queries if config.use_past else queries.session_alone()
    lists = [model.recommend(queries, config.depth) for model in components.values()]
    listed = np.stack([_to_width(ranked.items, config.depth, PADDING) for ranked in lists], 1)  # [Q, M, K]
    scores = np.stack([_to_width(ranked.scores, config.depth, -np.inf) for ranked in lists], 1)
    n_lists, n_plays = len(lists), queries.ends - queries.starts
    width = n_lists * config.depth + int(n_plays.max(initial=0)) + config.own_items
    items = np.full((len(queries), width), PADDING, np.int64)
    features = np.zeros((len(queries), width, 2 * n_lists + GAPS + 6), np.float32)
    spans = queries.starts, queries.ends, queries.past_starts, queries.past_ends
    _fill(queries.items, *spans, listed, scores, plays.size, config.own_items, items, features)
    n_candidates = int((items != PADDING).sum(1).max(initial=1))
    items, features = items[:, :n_candidates], features[:, :n_candidates]
    known, column = np.maximum(items, 0), 2 * n_lists + GAPS + 3
    features[..., column] = np.log1p(plays[known])
    features[..., column + 1] = np.log1p(recent_plays[known])
    features[..., column + 2] = np.log1p(n_plays)[:, None]
    features[items == PADDING] = 0
    return Candidates(items, features)


def feature_names(components: dict[str, SessionModel]) -> list[str]:
    """Return the names of the features [F]."""
    of_lists = [f"{name}: {what}" for name in components for what in ("1 / rank", "log of the score by the best")]
    gaps = [f"played {gap} plays ago" for gap in ("0", "1-2", "3-6", "7-14", "15 or more")]
    own = ["plays in the session, log", "own earlier plays, log", "1 / earlier plays since the newest own one"]
    return [*of_lists, *gaps, "not played in the session", *own, "plays, log", "recent plays, log", "session length, log"]


def _to_width(array: Any, width: int, value: float) -> Any:
    return np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=value)


class _Row(NamedTuple):
    """Candidates of one query while they are collected."""

    items: I64
    """[C]"""
    features: F32
    """[C, F]"""
    slots: I64
    """[I] slot of an item, or -1."""
    size: I64
    """[1] number of candidates."""
    n_lists: int


@njit(nogil=True, cache=True)
def _fill(
    plays: I64,
    starts: I64,
    ends: I64,
    past_starts: I64,
    past_ends: I64,
    listed: I64,
    scores: F32,
    n_items: int,
    own_items: int,
    items: I64,
    features: F32,
) -> None:
    """Write the distinct candidates of each query, and the features that depend on the query."""
    slots, size = np.full(n_items, -1, np.int64), np.zeros(1, np.int64)
    for query in range(starts.size):
        row = _Row(items[query], features[query], slots, size, listed.shape[1])
        _add_lists(row, listed[query], scores[query])
        _add_session(row, plays[starts[query] : ends[query]])
        _add_past(row, plays[past_starts[query] : past_ends[query]], own_items)
        column = 2 * row.n_lists + GAPS
        for slot in range(size[0]):
            values = row.features[slot]
            values[column - 1] = 1.0 if values[column] == 0.0 else 0.0
            values[column] = np.log1p(values[column])
            values[column + 1] = np.log1p(values[column + 1])
            slots[row.items[slot]] = -1
        size[0] = 0


@njit(nogil=True, cache=True)
def _slot(row: _Row, item: int) -> int:
    """Return the slot of an item, a new one if it is no candidate yet."""
    if row.slots[item] < 0:
        row.slots[item] = row.size[0]
        row.items[row.size[0]] = item
        for model in range(row.n_lists):
            row.features[row.size[0], 2 * model + 1] = np.log(FLOOR)
        row.size[0] += 1
    return int(row.slots[item])


@njit(nogil=True, cache=True)
def _add_lists(row: _Row, listed: I64, scores: F32) -> None:
    """Add the components' lists [M, K]."""
    for model in range(row.n_lists):
        for rank in range(listed.shape[1]):
            if listed[model, rank] == PADDING:
                break
            slot = _slot(row, listed[model, rank])
            row.features[slot, 2 * model] = 1.0 / (rank + 1)
            row.features[slot, 2 * model + 1] = np.log(max(FLOOR, scores[model, rank] / scores[model, 0]))


@njit(nogil=True, cache=True)
def _add_session(row: _Row, plays: I64) -> None:
    """Add the plays of the session, oldest first."""
    column = 2 * row.n_lists + GAPS
    for play in range(plays.size - 1, -1, -1):
        if plays[play] != PADDING:
            slot = _slot(row, plays[play])
            if row.features[slot, column] == 0.0:  # the newest play of the item
                bucket = int(np.log2(plays.size - play))
                row.features[slot, column - GAPS + min(bucket, GAPS - 2)] = 1.0
            row.features[slot, column] += 1.0


@njit(nogil=True, cache=True)
def _add_past(row: _Row, plays: I64, own_items: int) -> None:
    """Add up to `own_items` of the newest items of the past that are no candidates; count all plays of candidates."""
    column, n_own = 2 * row.n_lists + GAPS + 1, 0
    for play in range(plays.size - 1, -1, -1):
        item = plays[play]
        if item == PADDING or (row.slots[item] < 0 and n_own == own_items):
            continue
        n_own += row.slots[item] < 0
        slot = _slot(row, item)
        if row.features[slot, column] == 0.0:
            row.features[slot, column + 1] = 1.0 / (plays.size - play)
        row.features[slot, column] += 1.0


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
    """Fit the components and g.

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
    scorer = _train(*data, config, seed)
    models = {name: part.fit(sessions, part.config) for name, part in components.items()}
    return SessionBlend(models, scorer, *_count_plays(sessions, config), config)


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
        _Positions(build_candidates(queries[rows], models, *counts, config), targets[rows])
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
