"""Candidates of the session blend, and their features.

Candidates of a query are the best items of every component, the newest items of the session, and the newest items of the
user's past. Features of a candidate are, for each component, the reciprocal rank and the logarithm of the score relative to
the list's best; how many plays ago the session has played the item, and how often; the user's earlier plays of it; its plays
in all and in the last days; and the length of the session.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from models.data.sessions import PADDING, SessionQueries
from models.protocol import SessionModel
from models.types import F32, I64

GAPS = 6
"""Indicators of plays since the session's last play of the item: 0, 1-2, 3-6, 7-14, 15 and more; and never."""
FLOOR = 1e-4
"""Smallest score relative to the list's best; its logarithm stands for an item that a component does not list."""


@dataclass(frozen=True)
class CandidatesConfig:
    """Which items are candidates."""

    depth: int = 100
    """Items of each component's list; more add candidates that are almost never played next."""
    session_items: int = 100
    """Newest different tracks of the session: almost all sessions have fewer, and the longest does not set the memory."""
    own_items: int = 30
    """Newest different tracks of the user's past."""
    use_past: bool = True
    """Use the user's earlier sessions; False: the session alone, in training and in lists."""


@dataclass(frozen=True)
class Candidates:
    """Candidates of Q queries with their features."""

    items: I64
    """[Q, C] PADDING at the end of a row."""
    features: F32
    """[Q, C, F] 0 at padding."""


def build_candidates(
    queries: SessionQueries,
    components: Mapping[str, SessionModel],
    plays: I64,
    recent_plays: I64,
    config: CandidatesConfig,
) -> Candidates:
    """Return candidates and features of Q queries; the features are those of `feature_names`."""
    queries = queries if config.use_past else queries.session_alone()
    lists = [model.recommend(queries, config.depth) for model in components.values()]
    listed = np.stack([_to_width(ranked.items, config.depth, PADDING) for ranked in lists], 1)  # [Q, M, K]
    scores = np.stack([_to_width(ranked.scores, config.depth, -np.inf) for ranked in lists], 1)
    n_lists, n_plays = len(lists), queries.ends - queries.starts
    width = n_lists * config.depth + min(int(n_plays.max(initial=0)), config.session_items) + config.own_items
    items = np.full((len(queries), width), PADDING, np.int64)
    features = np.zeros((len(queries), width, 2 * n_lists + GAPS + 6), np.float32)
    spans = queries.starts, queries.ends, queries.past_starts, queries.past_ends
    limits = config.session_items, config.own_items
    _fill(queries.items, *spans, listed, scores, plays.size, *limits, items, features)
    n_candidates = int((items != PADDING).sum(1).max(initial=1))
    # copies, so that the wide arrays are freed
    items, features = items[:, :n_candidates].copy(), features[:, :n_candidates].copy()
    known, column = np.maximum(items, 0), 2 * n_lists + GAPS + 3
    features[..., column] = np.log1p(plays[known])
    features[..., column + 1] = np.log1p(recent_plays[known])
    features[..., column + 2] = np.log1p(n_plays)[:, None]
    features[items == PADDING] = 0
    return Candidates(items, features)


def feature_names(components: Iterable[str]) -> list[str]:
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
    session_items: int,
    own_items: int,
    items: I64,
    features: F32,
) -> None:
    """Write the distinct candidates of each query, and the features that depend on the query."""
    slots, size = np.full(n_items, -1, np.int64), np.zeros(1, np.int64)
    for query in range(starts.size):
        row = _Row(items[query], features[query], slots, size, listed.shape[1])
        _add_lists(row, listed[query], scores[query])
        _add_session(row, plays[starts[query] : ends[query]], session_items)
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
def _add_session(row: _Row, plays: I64, session_items: int) -> None:
    """Add up to `session_items` of the newest items of the session that are no candidates; count all plays of candidates."""
    column, n_added = 2 * row.n_lists + GAPS, 0
    for play in range(plays.size - 1, -1, -1):
        item = plays[play]
        if item == PADDING or (row.slots[item] < 0 and n_added == session_items):
            continue
        n_added += row.slots[item] < 0
        slot = _slot(row, item)
        if row.features[slot, column] == 0.0:  # the newest play of the item
            bucket = int(np.log2(plays.size - play))
            row.features[slot, column - GAPS + min(bucket, GAPS - 2)] = 1.0
        row.features[slot, column] += 1.0


@njit(nogil=True, cache=True)
def _add_past(row: _Row, plays: I64, own_items: int) -> None:
    """Add up to `own_items` of the newest items of the past that are no candidates; count all plays of candidates."""
    column, n_added = 2 * row.n_lists + GAPS + 1, 0
    for play in range(plays.size - 1, -1, -1):
        item = plays[play]
        if item == PADDING or (row.slots[item] < 0 and n_added == own_items):
            continue
        n_added += row.slots[item] < 0
        slot = _slot(row, item)
        if row.features[slot, column] == 0.0:
            row.features[slot, column + 1] = 1.0 / (plays.size - play)
        row.features[slot, column] += 1.0
