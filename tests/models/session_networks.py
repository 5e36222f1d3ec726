"""Networks, losses and sessions of the tests of session networks."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.sequences import SequenceConfig
from models.data.sessions import SessionQueries, Sessions, build_sessions
from models.gru4rec import BPR_MAX, CROSS_ENTROPY, GRU4RecConfig, improved_gru4rec
from models.narm import NARMConfig
from models.sasrec import SASRecConfig
from models.sequence_losses import LossConfig
from models.sequence_network import SequenceNetwork, SequenceNetworkConfig
from models.sequence_training import SequenceTrainConfig, TrainedNetwork, fit_network
from models.session_networks import build
from models.training.loop import TrainConfig

N, D = 30, 8
INPUTS = SequenceConfig(max_length=6, overlap=3)
PAST = replace(INPUTS, past_plays=4)
CONFIGS: dict[str, SequenceNetworkConfig] = {
    "sasrec": SASRecConfig(N, D, inputs=INPUTS),
    "sasrec separate": SASRecConfig(N, D, tied=False, inputs=INPUTS, cosine_temperature=0.1),
    "sasrec ligr": SASRecConfig(N, D, block="ligr", positions="relative", item_dropout=0.2, inputs=INPUTS),
    "sasrec past": SASRecConfig(N, D, projection=False, inputs=PAST),
    "gru4rec": GRU4RecConfig(N, D, inputs=INPUTS),
    "gru4rec improved": improved_gru4rec(N, dim=D, inputs=INPUTS),
    "gru4rec past": GRU4RecConfig(N, D, layers=2, inputs=PAST),
    "narm": NARMConfig(N, D, hidden=5, inputs=INPUTS),
    "narm separate": NARMConfig(N, D, hidden=5, tied=False, inputs=INPUTS),
}
LOSSES = {
    "softmax": LossConfig(),
    "sampled": LossConfig("sampled_softmax", negatives=16),
    "gru4rec": replace(CROSS_ENTROPY, negatives=16),
    "bpr_max": replace(BPR_MAX, negatives=16),
    "bce": LossConfig("bce", negatives=1),
    "gbce": LossConfig("gbce", negatives=8),
}
FAST = TrainConfig(epochs=3, batch_size=4, lr=0.01, weight_decay=0.0, threads=1)


def sessions(n: int = 20, seed: int = 0, longest: int = 9) -> Sessions:
    """Return random sessions of 1 to `longest` plays by four users."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, n)
    lengths[0] = 2
    keys = np.repeat(np.arange(n), lengths)
    times = 1000.0 * keys + np.concatenate([np.arange(length) for length in lengths])
    return build_sessions(keys, rng.integers(0, N, keys.size), times, rng.integers(0, 4, n)[keys], N, 4)


def queries_of(*histories: list[int], past: list[int] | None = None) -> SessionQueries:
    """Return a query for each list of items; all have the same past."""
    before = past or []
    items = np.array([*before, *(item for history in histories for item in history)], np.int64)
    ends = len(before) + np.cumsum([len(history) for history in histories])
    starts = ends - [len(history) for history in histories]
    zero = np.zeros(len(histories), np.int64)
    return SessionQueries(items, np.arange(items.size, dtype=np.float64), starts, ends, zero, zero + len(before), zero)


def fit(name: str, data: Sessions, cfg: SequenceTrainConfig, **options: Any) -> TrainedNetwork:
    return fit_network(lambda: build(CONFIGS[name]), data, cfg, **options)


def encoded(network: SequenceNetwork, items: Tensor) -> Tensor:
    B, L = items.shape
    with torch.no_grad():
        hidden: Tensor = network(items, torch.arange(B * L))
    return hidden.view(B, L, -1)
