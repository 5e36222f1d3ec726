"""Base class of session networks: item vectors, input, ranking of all items."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.data.sequences import PriorFeatures, SequenceBatch, SequenceConfig, blocks, pad, skip_unknown
from models.data.sessions import PADDING, RankedItems, SessionQueries
from models.sequence_losses import Output
from models.training.softmax import LogitPrior
from models.types import F32, I64, Tensors

BLOCK_SCORES = 2**23
"""Scores in memory at once when items are ranked: 32 MB."""
BLOCK_QUERIES = 512


@dataclass(frozen=True)
class SequenceNetworkConfig:
    """Parts that all session networks have."""

    n_items: int
    dim: int = 64  # of item vectors and hidden states
    tied: bool = True  # item vectors of input and output are the same
    item_dropout: float = 0.0  # share of the input's plays that are hidden in training (Tan, Xu, Liu 2016)
    cosine_temperature: float = 0.0  # above 0: scores are cosines divided by this
    n_prior_features: int = 0  # features that are added to the logits with learned weights
    inputs: SequenceConfig = field(default_factory=SequenceConfig)


class SequenceNetwork(nn.Module, ABC):
    """[B, L] item ids -> [B, L, D] hidden states; the score of an item is their inner product with its vector.

        logit(t, i) = h_t . v_i + b_i + sum_f w_f prior_f(t, i)

    Position t depends on positions up to t only.
    """

    counts: Tensor

    def __init__(self, cfg: SequenceNetworkConfig) -> None:
        super().__init__()
        self.cfg = cfg
        # the separator is the item n_items
        self.embedding = nn.Embedding(cfg.n_items + int(cfg.inputs.past_plays > 0), cfg.dim)
        self.output = None if cfg.tied else nn.Parameter(torch.empty(cfg.n_items, cfg.dim))
        self.bias = nn.Parameter(torch.zeros(cfg.n_items))
        self.prior_weights = nn.Parameter(torch.zeros(cfg.n_prior_features)) if cfg.n_prior_features else None
        # plays of each item in the training data: negatives are drawn by them, and queries without plays ranked
        self.register_buffer("counts", torch.ones(cfg.n_items))
        for weight in (self.embedding.weight, self.output):
            if weight is not None:
                nn.init.normal_(weight, std=cfg.dim**-0.5)

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Return hidden states [B, L, D] for input vectors [B, L, D]."""

    def embed(self, items: Tensor) -> Tensor:
        """Return input vectors [B, L, D] of item ids [B, L]; in training some are zero."""
        x: Tensor = self.embedding(items)
        if self.training and self.cfg.item_dropout:
            retained = torch.rand(items.shape, device=x.device) >= self.cfg.item_dropout
            x = x * retained[:, :, None]
        return x

    @property
    def vectors(self) -> Tensor:
        """Item vectors [V, D] of the output."""
        vectors = self.embedding.weight[: self.cfg.n_items] if self.output is None else self.output
        return F.normalize(vectors, dim=1) if self.cfg.cosine_temperature else vectors

    def forward(self, items: Tensor, positions: Tensor) -> Tensor:
        """Return hidden states [P, D] at `positions` [P] of the flattened `items` [B, L]."""
        hidden = self.encode(self.embed(items)).flatten(0, 1)[positions]
        if self.cfg.cosine_temperature:
            hidden = F.normalize(hidden, dim=1) / self.cfg.cosine_temperature
        return hidden

    def prior(self, items: Tensor, features: Tensor) -> LogitPrior | None:
        """Return the weighted features [P, C, F] of `items` [P, C]."""
        return None if self.prior_weights is None else LogitPrior(items, features @ self.prior_weights)

    def tensors(self) -> Tensors:
        """Return all weights and buffers."""
        return {name: value.detach().cpu().contiguous().numpy() for name, value in self.state_dict().items()}


def output_of(model: nn.Module, batch: SequenceBatch) -> Output:
    """Return the output at the batch's positions; `model`: a SequenceNetwork, or its DistributedDataParallel."""
    network = getattr(model, "module", model)
    assert isinstance(network, SequenceNetwork)
    hidden = model(batch.items, batch.positions)
    return Output(hidden, network.vectors, network.bias, network.prior(batch.prior_items, batch.prior_features))


@dataclass(frozen=True)
class SessionNetworkModel:
    """A trained network as a SessionModel."""

    network: SequenceNetwork
    prior: PriorFeatures | None = None
    """Source of the network's prior features."""

    def tensors(self) -> Tensors:
        """Return all weights and buffers of the network."""
        return self.network.tensors()

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best items of each query, exactly; ties by item id.

        A session without known items gets the items with the largest number of plays. Memory does not depend on the
        number of queries. Draws no random numbers.
        """
        k_ranked = min(k, self.network.cfg.n_items)
        items = np.full((len(queries), k), PADDING)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        training = self.network.training
        self.network.eval()
        try:
            with torch.inference_mode():
                for rows, block in blocks(skip_unknown(queries), self._block_size):
                    items[rows, :k_ranked], scores[rows, :k_ranked] = top_items(self.score(block), k_ranked)
        finally:
            self.network.train(training)
        return RankedItems(items, scores)

    @property
    def _block_size(self) -> int:
        return max(1, min(BLOCK_QUERIES, BLOCK_SCORES // self.network.cfg.n_items))

    def score(self, queries: SessionQueries) -> Tensor:
        """Return scores [Q, V] of all items for queries without unknown items. The network must be in eval mode."""
        network = self.network
        assert not network.training, "dropout is on"
        items, lengths = pad(queries, network.cfg.inputs, network.cfg.n_items)
        device = network.bias.device
        last = np.arange(len(items)) * items.shape[1] + np.maximum(lengths - 1, 0)
        hidden = network(torch.from_numpy(items).to(device), torch.from_numpy(last).to(device))
        logits = torch.addmm(network.bias, hidden, network.vectors.T)
        if self.prior is not None:
            candidates = self.prior.candidates(queries)
            ids = torch.from_numpy(np.maximum(candidates.items, 0)).to(device)
            prior = network.prior(ids, torch.from_numpy(candidates.features).to(device))
            assert prior is not None, "the network has no weights for prior features"
            prior.add_to(logits)
        logits[torch.from_numpy(queries.ends == queries.starts).to(device)] = network.counts.log1p()
        return logits


def top_items(scores: Tensor, k: int) -> tuple[I64, F32]:
    """Return the k best of V items (ids and scores [Q, k]) by scores [Q, V], best first, ties by item id."""
    values, items = scores.topk(k)
    tied = (scores >= values[:, -1:]).sum(1) > k  # topk chooses arbitrarily among items that tie with the k-th
    if tied.any():
        best = scores[tied].sort(stable=True, dim=1, descending=True)
        values[tied], items[tied] = best.values[:, :k], best.indices[:, :k]
    order = np.lexsort((items.cpu().numpy(), -values.cpu().numpy()), axis=1)
    return np.take_along_axis(items.cpu().numpy(), order, 1), np.take_along_axis(values.cpu().numpy(), order, 1)
