"""Split sessions by time: training plays before a cutoff, test sessions that start after it, and their queries."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from jobs.evaluate.sessions.metrics import Truth
from models.data.sessions import PADDING, SessionQueries, Sessions, cut_sessions, every_position
from models.data.spans import expand_spans
from models.sessions.played import played_before
from models.types import I64, Mask

DAY = 86_400.0


@dataclass(frozen=True)
class SessionSplit:
    """Training sessions and test sessions around a cutoff; users keep their numbers."""

    train: Sessions
    """Plays before the cutoff; a session across it ends there."""
    test: Sessions
    """Sessions that start at the cutoff or later; those of one play have no query."""
    cutoff: float
    """Unix seconds."""


@dataclass(frozen=True)
class Positions:
    """Q queries at positions of test sessions, with what follows."""

    queries: SessionQueries
    truth: Truth
    session: I64
    """Test session of each query [Q], numbered from 0."""

    def __len__(self) -> int:
        return len(self.queries)


def split_sessions(sessions: Sessions, cutoff: float, days: float) -> SessionSplit:
    """Return the split at `cutoff` [Unix seconds], with sessions that start within `days` after it as the test sessions.

    Items with a training play are numbered anew, in their order; all others are PADDING in the test sessions.
    """
    starts = sessions.times[sessions.indptr[:-1]]
    is_test = (starts >= cutoff) & (starts < cutoff + days * DAY)
    train, test = cut_sessions(sessions, cutoff), sessions.select(is_test)
    known = np.unique(train.items)
    number = np.full(sessions.n_items, PADDING)
    number[known] = np.arange(known.size)
    train, test = (replace(part, items=number[part.items], n_items=known.size) for part in (train, test))
    return SessionSplit(train, test, cutoff)


def sample_sessions(sessions: Sessions, n: int, seed: int) -> Mask:
    """Return whether each session [S] is one of `n` with two plays or more, all of those if n is 0.

    They are chosen by a hash of the seed, the user's number and the first time.
    """
    rows = np.flatnonzero(sessions.lengths >= 2)
    chosen = np.zeros(len(sessions), np.bool_)
    chosen[rows] = True
    if 0 < n < rows.size:
        first = sessions.indptr[rows]
        keys = zip(sessions.users[rows].tolist(), sessions.times[first].tolist(), strict=True)
        hashes = [hashlib.sha256(f"{seed}|{user}|{time}".encode()).digest() for user, time in keys]
        chosen[:] = False
        chosen[rows[sorted(range(len(hashes)), key=hashes.__getitem__)[:n]]] = True
    return chosen


def build_positions(split: SessionSplit, max_sessions: int, seed: int, repeats: bool) -> Positions:
    """Return the queries of the split's test sessions.

    The user's past are the sessions of the training data and of the test period that ended before the session. Tracks
    without a training play cannot be ranked: they are skipped in queries, and their positions have no query.
    `repeats`: False leaves out positions, and relevant tracks, that the session has already played.
    """
    sampled = sample_sessions(split.test, max_sessions, seed)
    queries, session_ends = every_position(split.test, split.train, sampled)
    target = queries.items[queries.ends]
    rows = target != PADDING
    if not repeats:
        rows &= ~played_before(queries, target[:, None])[:, 0]
    queries, session_ends, target = queries[rows], session_ends[rows], target[rows]
    truth = Truth(target, *_rest_of_session(queries, session_ends, split.train.n_items, repeats))
    return Positions(queries, truth, np.unique(queries.starts, return_inverse=True)[1].astype(np.int64))


def _rest_of_session(queries: SessionQueries, session_ends: I64, n_items: int, repeats: bool) -> tuple[I64, I64]:
    """Return `indptr` [Q + 1] and the distinct known items from the next play on, ascending."""
    n_queries = len(queries)
    rest = _pairs(queries, queries.ends, session_ends, n_items)
    if not repeats:
        rest = np.setdiff1d(rest, _pairs(queries, queries.starts, queries.ends, n_items), assume_unique=True)
    counts = np.bincount(rest // n_items, minlength=n_queries)
    return np.append(0, np.cumsum(counts)), rest % n_items


def _pairs(queries: SessionQueries, starts: I64, ends: I64, n_items: int) -> I64:
    """Return `query * n_items + item` of the known plays of each query's span, distinct and ascending."""
    query, plays = expand_spans(starts, ends - starts)
    items = queries.items[plays]
    return np.unique((query * n_items + items)[items != PADDING])
