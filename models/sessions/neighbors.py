"""Nearest training sessions of a session: the index, and compiled steps that all methods of neighbors share.

Candidates are the sessions that have an item of the query's session; the `sample_size` newest of their union are
compared, by the time of their last play. The k most similar are the neighbors; of equally similar ones (rounded to
float32) the newer are taken. Plays of a query are counted backwards: the newest known play has gap 0.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from models.data.sessions import PADDING, SessionQueries, Sessions
from models.types import F32, F64, I64


class SessionIndex(NamedTuple):
    """S training sessions as sets of items, and the sessions of each item. Memory: 24 bytes per play."""

    indptr: I64
    """[S + 1]"""
    items: I64
    """[M] different items of each session, in the order of their last plays."""
    last_positions: I64
    """[M] 1-based position of the item's last play in its session."""
    postings_indptr: I64
    """[I + 1]"""
    postings: I64
    """[M] sessions of each item, newest first."""
    ends: F64
    """[S] Unix seconds of the last play, ascending."""
    users: I64
    """[S]"""


def build_index(sessions: Sessions) -> SessionIndex:
    """Return the index of training sessions."""
    session = sessions.session_of_play
    code = session * sessions.n_items + sessions.items
    _, last = np.unique(code[::-1], return_index=True)
    play = np.sort(code.size - 1 - last)
    items, session = sessions.items[play], session[play]
    newest_first = np.argsort(items[::-1], kind="stable")
    return SessionIndex(
        np.append(0, np.cumsum(np.bincount(session, minlength=len(sessions)))),
        items,
        play - sessions.indptr[session] + 1,
        np.append(0, np.cumsum(np.bincount(items, minlength=sessions.n_items))),
        session[::-1][newest_first],
        sessions.ends,
        sessions.users,
    )


def idf(sessions: Sessions) -> F64:
    """Return log(number of sessions / number of plays) of each item [I], as session-rec; 0 for items without plays."""
    n_plays = np.bincount(sessions.items, minlength=sessions.n_items)
    return np.where(n_plays > 0, np.log(max(1, len(sessions)) / np.maximum(1, n_plays)), 0.0)


class QueryArrays(NamedTuple):
    """Fields of `SessionQueries`, for kernels."""

    items: I64
    times: F64
    starts: I64
    ends: I64
    past_starts: I64
    past_ends: I64
    users: I64


def query_arrays(queries: SessionQueries, first: int, last: int) -> QueryArrays:
    """Return the arrays of the queries from `first` to before `last`."""
    rows = slice(first, last)
    return QueryArrays(
        queries.items,
        queries.times,
        queries.starts[rows],
        queries.ends[rows],
        queries.past_starts[rows],
        queries.past_ends[rows],
        queries.users[rows],
    )


class Buffers(NamedTuple):
    """Buffers of a block: 32 bytes per session and 24 per item. `gap_of` and `scores` are zero between queries."""

    distinct: I64
    """Different items of the session, newest first."""
    gaps: I64
    """Gap of the newest play of each of `distinct`."""
    weights: F64
    """Weight of each of `distinct`."""
    gap_of: I64
    """[I] gap of an item's newest play, plus 1; 0 for items that the session does not have."""
    visited: I64
    """[S] 1 + number of the query that touched a session last."""
    similarity: F64
    """[S]"""
    newest_gap: I64
    """[S] smallest gap of a common item."""
    candidates: I64
    """[S]"""
    scores: F64
    """[I]"""
    touched: I64
    """[I] items with a score."""


@njit(nogil=True, cache=True)
def make_buffers(queries: QueryArrays, index: SessionIndex, extend_to: int) -> Buffers:
    """Allocate the buffers of a block."""
    n_sessions, n_items = index.ends.size, index.postings_indptr.size - 1
    longest = extend_to
    for query in range(queries.starts.size):
        longest = max(longest, queries.ends[query] - queries.starts[query])
    return Buffers(
        np.empty(longest, np.int64),
        np.empty(longest, np.int64),
        np.empty(longest),
        np.zeros(n_items, np.int64),
        np.zeros(n_sessions, np.int64),
        np.empty(n_sessions),
        np.empty(n_sessions, np.int64),
        np.empty(n_sessions, np.int64),
        np.zeros(n_items),
        np.empty(n_items, np.int64),
    )


@njit(nogil=True, cache=True)
def load_session(queries: QueryArrays, query: int, extend_to: int, buffers: Buffers) -> tuple[int, int, int]:
    """Write the different items of a query; return their number, the known plays, and those of the session alone.

    A session of fewer than `extend_to` known plays is extended by the newest earlier plays of its user.
    """
    count, n_plays, n_session = 0, 0, 0
    for part in range(2):
        first, play = queries.starts[query], queries.ends[query] - 1
        if part == 1:
            n_session = n_plays
            first, play = queries.past_starts[query], queries.past_ends[query] - 1
        while play >= first and (part == 0 or n_plays < extend_to):
            item = queries.items[play]
            play -= 1
            if item == PADDING:
                continue
            if buffers.gap_of[item] == 0:
                buffers.gap_of[item] = n_plays + 1
                buffers.distinct[count], buffers.gaps[count] = item, n_plays
                count += 1
            n_plays += 1
    return count, n_plays, n_session


@njit(nogil=True, cache=True)
def clear(n_distinct: int, n_touched: int, buffers: Buffers) -> None:
    """Set `gap_of` and `scores` to zero again."""
    for j in range(n_distinct):
        buffers.gap_of[buffers.distinct[j]] = 0
    for j in range(n_touched):
        buffers.scores[buffers.touched[j]] = 0.0


@njit(nogil=True, cache=True)
def find_candidates(query: int, n_distinct: int, sample_size: int, index: SessionIndex, buffers: Buffers) -> int:
    """Write the newest `sample_size` sessions with a common item, and the sum of their weights; return their number.

    A session older than the `sample_size` newest of one item is not in the sample, so that postings are read up to there.
    """
    count = 0
    for j in range(n_distinct):
        first, last = index.postings_indptr[buffers.distinct[j]], index.postings_indptr[buffers.distinct[j] + 1]
        for posting in range(first, min(last, first + sample_size)):
            session = index.postings[posting]
            if buffers.visited[session] != query + 1:
                buffers.visited[session] = query + 1
                buffers.similarity[session] = 0.0
                buffers.newest_gap[session] = buffers.gaps[j]
                buffers.candidates[count] = session
                count += 1
            buffers.similarity[session] += buffers.weights[j]
    if count <= sample_size:
        return count
    oldest = np.partition(buffers.candidates[:count], count - sample_size)[count - sample_size]
    n_sampled = 0
    for j in range(count):
        if buffers.candidates[j] >= oldest:
            buffers.candidates[n_sampled] = buffers.candidates[j]
            n_sampled += 1
    return n_sampled


@njit(nogil=True, cache=True)
def find_neighbors(count: int, k: int, buffers: Buffers) -> int:
    """Move the k most similar of `count` candidates with a similarity above 0 to the front; return their number."""
    values = np.empty(count, np.float32)
    n_similar = 0
    for j in range(count):
        session = buffers.candidates[j]
        value = np.float32(buffers.similarity[session])
        if value > 0:
            buffers.candidates[n_similar], values[n_similar] = session, value
            n_similar += 1
    if n_similar <= k:
        return n_similar
    kth = np.partition(values[:n_similar], n_similar - k)[n_similar - k]
    oldest_tied = _oldest_tied(values[:n_similar], kth, k, buffers.candidates)
    n_neighbors = 0
    for j in range(n_similar):
        session = buffers.candidates[j]
        if values[j] > kth or (values[j] == kth and session >= oldest_tied):
            buffers.candidates[n_neighbors] = session
            n_neighbors += 1
    return n_neighbors


@njit(nogil=True, cache=True)
def _oldest_tied(values: F32, kth: float, k: int, candidates: I64) -> int:
    """Return the oldest session with the k-th largest value that is among the k."""
    tied = np.empty(values.size, np.int64)
    n_above, n_tied = 0, 0
    for j in range(values.size):
        if values[j] > kth:
            n_above += 1
        elif values[j] == kth:
            tied[n_tied] = candidates[j]
            n_tied += 1
    n_taken = k - n_above
    oldest: int = np.partition(tied[:n_tied], n_tied - n_taken)[n_tied - n_taken]
    return oldest
