"""Random sessions, and a model of few lines."""

import numpy as np

from jobs.evaluate.sessions.split import DAY
from models.data.sessions import RankedItems, SessionQueries, Sessions, build_sessions
from models.types import Tensors

N_USERS, N_ITEMS = 12, 30


def random_sessions(seed: int, n: int = 120, days: float = 14.0) -> Sessions:
    """Return sessions of 1 to 8 plays over some days; every user continues tracks in their order, mostly."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, n)
    session = np.repeat(np.arange(n), lengths)
    step = np.arange(session.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    random_items = rng.integers(0, N_ITEMS, session.size)
    items = np.where(rng.random(session.size) < 0.7, (rng.integers(0, N_ITEMS, n)[session] + step) % N_ITEMS, random_items)
    times = np.repeat(rng.random(n) * days * DAY, lengths) + 200.0 * step
    return build_sessions(session, items, times, rng.integers(0, N_USERS, n)[session], N_ITEMS, N_USERS)


class ByPopularity:
    """Ranks all played tracks by their number of plays."""

    def __init__(self, train: Sessions) -> None:
        self.plays = np.bincount(train.items, minlength=train.n_items)

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        order = np.lexsort((np.arange(self.plays.size), -self.plays))
        items = order[self.plays[order] > 0][:k]
        shape = len(queries), items.size
        return RankedItems(np.broadcast_to(items, shape), np.broadcast_to(self.plays[items].astype(np.float32), shape))

    def tensors(self) -> Tensors:
        return {}
