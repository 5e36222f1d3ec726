"""Padded sequences of item ids: batches for training at every position, and blocks of queries.

Sequences are padded on the right. Under a causal mask a valid position then never attends to padding, and no row of the
mask is empty. Padding is known by lengths alone; its item ids are arbitrary (0 here) and must not change any output.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.data.sessions import PADDING, SessionQueries, Sessions, every_position
from models.data.spans import expand_spans
from models.types import F32, I64

DAY = 86_400.0


@dataclass(frozen=True)
class PriorCandidates:
    """Features of a few items for each of Q queries."""

    items: I64
    """[Q, C] PADDING where there is none. An item may occur twice in a row: its features add up."""
    features: F32
    """[Q, C, F] 0 at padding."""


class PriorFeatures(Protocol):
    """Evidence about the next play that simple methods have: n-grams, neighbours, the user's own plays.

    A network adds a learned linear combination of the features to the logits of the candidates.
    """

    @property
    def n_features(self) -> int:
        """Number of features F."""

    def candidates(self, queries: SessionQueries, session_ends: I64 | None = None) -> PriorCandidates:
        """Return the candidates of each query, from its plays and from fitted data.

        `session_ends` [Q]: given in training, the end of the session that the query is of. Fitted data must then be used
        without the plays of that session, `queries.items[starts : session_ends]`; otherwise they give away the target.
        """


@dataclass(frozen=True)
class SequenceBatch:
    """B padded sequences with P positions that are trained on."""

    items: Tensor
    """[B, L] item ids; arbitrary at padding."""
    lengths: Tensor
    """[B]"""
    positions: Tensor
    """[P] index into the flattened [B * L] positions."""
    targets: Tensor
    """[P] item of the next play."""
    weights: Tensor
    """[P]"""
    prior_items: Tensor
    """[P, C] 0 at padding."""
    prior_features: Tensor
    """[P, C, F] 0 at padding."""

    def to(self, device: torch.device) -> "SequenceBatch":
        """Return the batch on a device."""
        return SequenceBatch(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class SequenceConfig:
    """Form of the input sequences."""

    max_length: int = 50  # plays of the session that the network reads
    overlap: int = 25  # of a long session's windows: plays that the next window repeats as context, without targets
    past_plays: int = 0  # plays of the user before the session, which precede it with a separator
    half_life_days: float = 0.0  # weight of a session halves with this age at the newest session's end; 0: equal weights

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.max_length:
            raise ValueError(f"need 0 <= overlap < max_length: got {self.overlap} and {self.max_length}")


def pad(queries: SessionQueries, cfg: SequenceConfig, separator: int) -> tuple[I64, I64]:
    """Return the input of each query, item ids [Q, L] and lengths [Q], padded on the right with 0.

    An input consists of the last `max_length` plays of the session; with `past_plays` these follow the last plays of the
    user's past and the `separator`. All items must be known (`skip_unknown`).
    """
    n_past, n_before, n_session = _parts(queries, cfg)
    lengths = n_before + n_session
    column = np.arange(max(1, lengths.max(initial=0)))[None]
    of_past = (queries.past_ends - n_past)[:, None] + column
    of_session = (queries.ends - n_session - n_before)[:, None] + column
    index = np.where(column < n_past[:, None], of_past, of_session)
    valid = column < lengths[:, None]
    is_separator = valid & (column >= n_past[:, None]) & (column < n_before[:, None])
    padded = np.append(queries.items, 0)[np.where(valid & ~is_separator, index, -1)]
    return np.where(is_separator, separator, padded), lengths


def _parts(queries: SessionQueries, cfg: SequenceConfig) -> tuple[I64, I64, I64]:
    """Return how many plays of the past, of the past with the separator, and of the session an input has [Q]."""
    n_session: I64 = np.minimum(queries.ends - queries.starts, cfg.max_length)
    n_past: I64 = np.minimum(queries.past_ends - queries.past_starts, cfg.past_plays)
    return n_past, n_past + int(cfg.past_plays > 0), n_session


def skip_unknown(queries: SessionQueries) -> SessionQueries:
    """Return the queries without plays of unknown items."""
    known = queries.items != PADDING
    n_before = np.append(0, np.cumsum(known))
    bounds = {name: n_before[getattr(queries, name)] for name in ("starts", "ends", "past_starts", "past_ends")}
    return replace(queries, items=queries.items[known], times=queries.times[known], **bounds)


def blocks(queries: SessionQueries, size: int) -> Iterator[tuple[I64, SessionQueries]]:
    """Yield (numbers, queries) of blocks, in order of the number of plays, so that a block needs little padding."""
    order = np.argsort(queries.ends - queries.starts, kind="stable")
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield rows, queries[rows]


class SequenceDataset(Dataset[SequenceBatch]):
    """Windows of sessions of at least two plays. Every play but a session's first is the target of one window."""

    def __init__(
        self, sessions: Sessions, cfg: SequenceConfig, separator: int = 0, prior: PriorFeatures | None = None
    ) -> None:
        """`separator`: item id between the user's past and the session."""
        self._cfg, self._separator, self._prior = cfg, separator, prior
        nothing = sessions.select(np.zeros(len(sessions), bool))
        queries, _ = every_position(sessions, nothing)
        last = np.flatnonzero(np.diff(queries.starts, append=-1))
        self._queries, self._starts, self._session_ends = _windows(queries[last], cfg)
        ends = self._queries.times[self._session_ends - 1]
        age = (ends.max(initial=-np.inf) - ends) / DAY
        self._weights = np.exp2(-age / cfg.half_life_days) if cfg.half_life_days else np.ones(len(age))
        _, n_before, n_session = _parts(self._queries, cfg)
        self.lengths = n_before + n_session
        """[N] input length of each window."""

    def __len__(self) -> int:
        return len(self._queries)

    @property
    def n_positions(self) -> int:
        """Number of positions of an epoch."""
        return int((self._queries.ends - self._starts).sum())

    def __getitem__(self, index: int) -> SequenceBatch:
        """Return a batch of one window."""
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> SequenceBatch:
        """Return a batch of windows."""
        rows = np.asarray(indices, np.int64)
        queries = self._queries[rows]
        items, lengths = pad(queries, self._cfg, self._separator)
        n_targets = queries.ends - self._starts[rows]
        row, column = expand_spans(lengths - n_targets, n_targets)
        ends = expand_spans(self._starts[rows], n_targets)[1] + 1  # end of the plays that a position has read
        prior = self._candidates(queries[row], ends, self._session_ends[rows][row])
        arrays = (
            items,
            lengths,
            row * items.shape[1] + column,
            queries.items[ends],
            self._weights[rows][row].astype(np.float32),
            np.maximum(prior.items, 0),
            prior.features,
        )
        return SequenceBatch(*map(torch.from_numpy, arrays))

    def _candidates(self, windows: SessionQueries, ends: I64, session_ends: I64) -> PriorCandidates:
        if self._prior is None:
            return PriorCandidates(np.zeros((len(ends), 0), np.int64), np.zeros((len(ends), 0, 0), np.float32))
        return self._prior.candidates(replace(windows, ends=ends), session_ends)


def _windows(sessions: SessionQueries, cfg: SequenceConfig) -> tuple[SessionQueries, I64, I64]:
    """Return windows of sessions, which are given as queries for their last play.

    Window w reads the last `max_length` plays from `starts`, the start of its session, to `ends`; `first` [W] is the
    first play whose successor is a target of the window, and `session_ends` [W] the end of its session, the last target
    included.
    """
    n_inputs, step = sessions.ends - sessions.starts, cfg.max_length - cfg.overlap
    n_windows = 1 + np.maximum(0, -(-(n_inputs - cfg.max_length) // step))
    row, number = expand_spans(np.zeros_like(n_windows), n_windows)
    windows = sessions[row]
    starts = windows.starts + number * step
    ends = np.minimum(starts + cfg.max_length, windows.ends)
    first = np.where(number > 0, starts + cfg.overlap, starts)
    return replace(windows, ends=ends), first, windows.ends + 1
