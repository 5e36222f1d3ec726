"""Networks, queries and candidates of the tests of rankers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from models.btsama import BTSAMA, BTSAMAConfig
from models.data.items import ItemDomains
from models.data.sessions import PADDING, SessionQueries, build_sessions, every_position
from models.harm import HARM, HARMConfig
from models.msam import MSAM, MSAMConfig
from models.next_item import NetworkRanker
from models.types import I64

N_ITEMS, N_USERS, LENGTH = 40, 12, 6
RNG = np.random.default_rng(3)
ARTIST = np.arange(N_ITEMS) % 8 + 1
DOMAINS = ItemDomains(
    {"artist": ARTIST, "genre": ARTIST % 3},
    {"audio": RNG.normal(size=(N_ITEMS, 5)).astype(np.float32), "text": RNG.normal(size=(N_ITEMS, 4)).astype(np.float32)},
    N_ITEMS,
)


@dataclass(frozen=True)
class Case:
    """A network of the contract."""

    name: str
    build: Callable[[], nn.Module]
    epochs: int = 60
    lr: float = 0.03
    """Epochs and learning rate of the overfitting."""
    without_gradient: tuple[str, ...] = ()
    """Parameters that cannot matter: with a single domain, attention over domains is 1."""


def harm() -> nn.Module:
    return HARM(HARMConfig(dim=16, length=LENGTH), DOMAINS, np.arange(N_ITEMS) < N_ITEMS - 2, N_USERS)


def harm_ids_only() -> nn.Module:
    domains = ItemDomains({}, {}, N_ITEMS)
    return HARM(HARMConfig(dim=16, length=LENGTH), domains, np.ones(N_ITEMS, bool), N_USERS)


TOKENS = RNG.normal(size=(N_ITEMS, 7, 6)).astype(np.float32) * (np.arange(7) < 1 + np.arange(N_ITEMS)[:, None] % 7)[..., None]
TOKENS[-1] = 0  # a track without text


def msam() -> nn.Module:
    return MSAM(MSAMConfig(dim=16, length=LENGTH), DOMAINS, TOKENS)


def msam_ids_only() -> nn.Module:
    return MSAM(MSAMConfig(dim=16, length=LENGTH), ItemDomains({}, {}, N_ITEMS))


def btsama() -> nn.Module:
    return BTSAMA(BTSAMAConfig(dim=16, heads=2, length=LENGTH, dropout=0.1), TOKENS, np.arange(5))


def btsama_texts_and_means() -> nn.Module:
    cfg = BTSAMAConfig(dim=16, length=LENGTH, dropout=0.1, self_attention=False, multi_head=False)
    return BTSAMA(cfg, TOKENS, np.arange(5))


CASES = (
    Case("harm", harm),
    Case("harm, ids only", harm_ids_only, without_gradient=("users.weight", "query.weight", "query.bias")),
    Case("msam", msam),
    Case("msam, ids only", msam_ids_only),
    Case("btsama", btsama, epochs=150, lr=0.01),
    Case("btsama, texts and means", btsama_texts_and_means),
)
contract = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def build(case: Case, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return case.build()


def ranker(case: Case, seed: int = 1) -> NetworkRanker:
    return NetworkRanker(build(case, seed), LENGTH, N_ITEMS)


def queries(n: int = 30, seed: int = 5) -> SessionQueries:
    """Return queries of 0 to 9 plays, of known and unknown users, some with unknown items."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 10, n)
    ends = np.cumsum(lengths)
    items = rng.integers(0, N_ITEMS, ends[-1])
    items[rng.random(items.size) < 0.1] = PADDING
    starts = ends - lengths
    middle = starts + lengths // 2
    users = rng.integers(-1, N_USERS, n)
    return SessionQueries(items, np.arange(items.size, dtype=np.float64), middle, ends, starts, middle, users)


def candidates(n: int = 30, width: int = 9, seed: int = 6) -> I64:
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(N_ITEMS)[:width] for _ in range(n)])
    items[rng.random(items.shape) < 0.1] = PADDING
    return items


def training_queries(n_sessions: int = 60) -> SessionQueries:
    """Return all positions of sessions that continue items in their order."""
    rng = np.random.default_rng(9)
    lengths = rng.integers(2, 8, n_sessions)
    session = np.repeat(np.arange(n_sessions), lengths)
    step = np.arange(session.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    items = (rng.integers(0, N_ITEMS, n_sessions)[session] + step) % N_ITEMS
    users = rng.integers(0, N_USERS, n_sessions)[session]
    sessions = build_sessions(session, items, np.asarray(session * 1e4 + step, np.float64), users, N_ITEMS, N_USERS)
    return every_position(sessions, sessions.select(np.zeros(len(sessions), bool)))[0]
