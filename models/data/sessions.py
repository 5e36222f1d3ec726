"""Listening sessions in play order: training data and queries of session models.

Plays have a total order: by time, then by item id. Sessions are ordered by the time of their last play, then by key.
"""

from dataclasses import dataclass, replace

import numpy as np

from models.data.spans import expand_spans
from models.types import F32, F64, I64, Mask

PADDING = -1
"""Item id of an empty slot."""


@dataclass(frozen=True)
class Sessions:
    """S sessions of the training data, ascending by the time of their last play.

    Session s consists of the plays `items[indptr[s] : indptr[s + 1]]` in play order, with repeats. No session is empty.
    """

    indptr: I64
    """[S + 1]"""
    items: I64
    """[N] 0 to n_items - 1; PADDING for an item that the training data do not have, which they never contain."""
    times: F64
    """[N] Unix seconds, ascending within a session."""
    users: I64
    """[S] 0 to n_users - 1."""
    n_items: int
    n_users: int

    def __len__(self) -> int:
        return self.indptr.size - 1

    @property
    def lengths(self) -> I64:
        """Number of plays of each session [S]."""
        return np.diff(self.indptr)

    @property
    def session_of_play(self) -> I64:
        """Session of each play [N]."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def ends(self) -> F64:
        """Time of the last play of each session [S]."""
        return self.times[self.indptr[1:] - 1]

    def select(self, rows: Mask) -> "Sessions":
        """Return the sessions where `rows` [S] is True; ids stay."""
        plays = np.repeat(rows, self.lengths)
        indptr = np.append(0, np.cumsum(self.lengths[rows]))
        return replace(self, indptr=indptr, items=self.items[plays], times=self.times[plays], users=self.users[rows])


def build_sessions(session: I64, items: I64, times: F64, users: I64, n_items: int, n_users: int) -> Sessions:
    """Return the sessions of N plays in any order; `session` [N] is a key of each play, `users` [N] its user.

    Equal times are ordered by item id; the result does not depend on the order of the rows.
    """
    _, session = np.unique(session, return_inverse=True)
    n_sessions = int(session.max(initial=-1)) + 1
    ends = np.full(n_sessions, -np.inf)
    np.maximum.at(ends, session, times)
    rank = np.empty(n_sessions, np.int64)
    rank[np.lexsort((np.arange(n_sessions), ends))] = np.arange(n_sessions)
    order = np.lexsort((items, times, rank[session]))
    indptr = np.append(0, np.cumsum(np.bincount(rank[session], minlength=n_sessions)))
    return Sessions(indptr, items[order], times[order], users[order][indptr[:-1]], n_items, n_users)


def cut_sessions(sessions: Sessions, cutoff: float) -> Sessions:
    """Return the plays before `cutoff`, as sessions in the order of their new ends."""
    before = sessions.times < cutoff
    n_left = np.add.reduceat(before, sessions.indptr[:-1]) if len(sessions) else np.empty(0, np.int64)
    has_plays = n_left > 0
    # plays ascend in time: those that stay are the first of each session
    ends = sessions.times[sessions.indptr[:-1] + np.maximum(n_left, 1) - 1]
    order = np.flatnonzero(has_plays)[np.argsort(ends[has_plays], kind="stable")]
    lengths = n_left[order]
    indptr = np.append(0, np.cumsum(lengths))
    _, plays = expand_spans(sessions.indptr[order], lengths)
    return Sessions(
        indptr, sessions.items[plays], sessions.times[plays], sessions.users[order], sessions.n_items, sessions.n_users
    )


@dataclass(frozen=True)
class SessionQueries:
    """Q queries, each for the play after the first plays of a session.

    Query q has the session's plays `items[starts[q] : ends[q]]`, and the user's plays before the session
    `items[past_starts[q] : past_ends[q]]`, both oldest first. Queries share the arrays: no prefix is copied.
    """

    items: I64
    """[N]; PADDING for an item that the training data do not have."""
    times: F64
    """[N] Unix seconds."""
    starts: I64
    """[Q]"""
    ends: I64
    """[Q]"""
    past_starts: I64
    """[Q]"""
    past_ends: I64
    """[Q]"""
    users: I64
    """[Q] user of the training data, or -1 if unknown."""

    def __len__(self) -> int:
        return self.starts.size

    def __getitem__(self, rows: slice | I64 | Mask) -> "SessionQueries":
        """Return some of the queries."""
        fields = ("starts", "ends", "past_starts", "past_ends", "users")
        return replace(self, **{name: getattr(self, name)[rows] for name in fields})

    def session_alone(self) -> "SessionQueries":
        """Return the queries without user and past."""
        return replace(self, past_starts=self.starts, past_ends=self.starts, users=np.full_like(self.users, -1))

    def padded(self, length: int, padding: int) -> I64:
        """Return the last `length` plays of each session [Q, length], padded on the left with `padding`.

        Unknown items are PADDING.
        """
        index = self.ends[:, None] - np.arange(length, 0, -1)
        inside = index >= self.starts[:, None]
        return np.where(inside, np.append(self.items, padding)[np.where(inside, index, -1)], padding)


def every_position(
    sessions: Sessions, earlier: Sessions, rows: Mask | None = None
) -> tuple[SessionQueries, I64]:
    """Return a query for every play but the first of each session, and the end of each query's session [Q].

    `rows` [S]: True for the sessions that have queries; None: all of them.

    The play after query q is `items[ends[q]]`; the rest of its session is `items[ends[q] : session_ends[q]]`.
    Items and users of both are numbered alike; items from `earlier.n_items` on, and users from `earlier.n_users` on, are
    unknown. The user's past are the sessions of either that ended before the session began.
    """
    pool = _concatenate(earlier, sessions)
    order = np.lexsort((np.arange(len(pool)), pool.ends, pool.users))
    lengths = pool.lengths[order]
    starts = np.append(0, np.cumsum(lengths))
    _, plays = expand_spans(pool.indptr[order], lengths)
    items, times = pool.items[plays], pool.times[plays]
    users, ends = pool.users[order], pool.ends[order]
    rows = np.ones(len(sessions), np.bool_) if rows is None else rows
    tested = np.flatnonzero(np.append(np.zeros(len(earlier), np.bool_), rows)[order])
    first_of_user = np.searchsorted(users, users[tested])
    n_ended = np.array(
        [np.searchsorted(ends[first:row], times[starts[row]]) for first, row in zip(first_of_user, tested, strict=True)],
        np.int64,
    )
    row, play = expand_spans(starts[tested], lengths[tested] - 1)
    queries = SessionQueries(
        np.where(items < earlier.n_items, items, PADDING),
        times,
        starts[tested][row],
        play + 1,
        starts[first_of_user][row],
        starts[first_of_user + n_ended][row],
        np.where(users[tested] < earlier.n_users, users[tested], -1)[row],
    )
    return queries, starts[tested + 1][row]


def _concatenate(a: Sessions, b: Sessions) -> Sessions:
    """Return the sessions of both, those of `a` first; the order is not that of their ends."""
    return Sessions(
        np.append(a.indptr, a.indptr[-1] + b.indptr[1:]),
        np.concatenate([a.items, b.items]),
        np.concatenate([a.times, b.times]),
        np.concatenate([a.users, b.users]),
        max(a.n_items, b.n_items),
        max(a.n_users, b.n_users),
    )


@dataclass(frozen=True)
class RankedItems:
    """The best items of Q queries, best first; ties by item id."""

    items: I64
    """[Q, k], or fewer columns if a model knows fewer items; PADDING in empty slots."""
    scores: F32
    """[Q, k]; -inf at padding. An item without evidence is not listed."""
