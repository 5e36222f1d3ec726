"""Training of rankers on the next play: softmax cross-entropy over all items, or over the target and sampled ones.

A ranker's network returns scores [B, C] of candidates for a batch of histories (models/harm.py has the form). Trained, it
re-ranks candidates, and ranks whole catalogues of moderate size.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.data.histories import HistoryBatch, HistoryDataset, to_batch
from models.data.sessions import PADDING, RankedItems, SessionQueries
from models.topk import top_k
from models.training.checkpoint import EpochReport, TrainState
from models.training.loop import FitResult, TrainConfig, fit
from models.training.sampled import NegativeSampler, accidental_hits, gbce, sampled_cross_entropy
from models.types import F32, I64

VALIDATION_BATCH = 256
CUTOFF = 20
"""Cutoff of the validation's HR and MRR."""


@dataclass(frozen=True)
class NextItemConfig:
    """Form and candidates of the loss."""

    loss: Literal["softmax", "bce"] = "softmax"  # bce: each candidate is a yes or a no, as in click prediction
    negatives: int = 0
    """Sampled items per batch. 0: all items are candidates, which is exact; it fits to some 50,000 items for HARM and MSAM, and
    not for BTSAMA."""
    alpha: float = 0.75  # negatives are drawn with probability count^alpha

    def __post_init__(self) -> None:
        if self.loss == "bce" and not self.negatives:
            raise ValueError("the loss bce needs sampled negatives")


class NextItem:
    """Objective: the next item among the candidates."""

    def __init__(self, train: HistoryDataset, valid: HistoryDataset | None, n_items: int, cfg: NextItemConfig) -> None:
        counts = np.zeros(n_items, np.float32)
        counts[: train.target_counts.size] = train.target_counts
        # one more for every item: an item without plays can be a negative
        self._sampler = NegativeSampler.of_counts(torch.from_numpy(counts + 1), cfg.alpha)
        self._valid, self._n_items, self._cfg = valid, n_items, cfg

    def loss(self, model: nn.Module, batch: HistoryBatch) -> tuple[Tensor, Tensor]:
        """Return the summed cross-entropy of the batch and its number of queries."""
        device = next(model.parameters()).device
        batch = batch.to(device)
        weight = torch.tensor(float(len(batch.targets)), device=device)
        if not self._cfg.negatives:
            scores = model(batch, torch.arange(self._n_items, device=device))
            return F.cross_entropy(scores, batch.targets, reduction="sum"), weight
        negatives = self._sampler.draw(self._cfg.negatives).to(device)
        candidates = torch.cat([batch.targets, negatives])
        column = torch.arange(len(batch.targets), device=device)
        scores, hits = model(batch, candidates), accidental_hits(candidates, batch.targets, column)
        if self._cfg.loss == "bce":
            n_queries = len(batch.targets)
            losses = gbce(scores[:, :n_queries].diagonal(), scores[:, n_queries:], hits=hits[:, n_queries:])
        else:
            log_q = self._sampler.log_q(batch.targets.cpu(), negatives.cpu()).to(device)
            losses = sampled_cross_entropy(scores, column, log_q, hits)
        return losses.sum(), weight

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return the mean cross-entropy over all items, and HR and MRR at CUTOFF; ties count against the model."""
        if self._valid is None:
            return {}
        device = next(model.parameters()).device
        items, totals = torch.arange(self._n_items, device=device), np.zeros(3)
        with torch.no_grad():
            for batch in (batch.to(device) for batch in self._valid.batches(VALIDATION_BATCH)):
                scores = model(batch, items)
                target = scores.gather(1, batch.targets[:, None])
                rank = (scores >= target).sum(1).double()
                hit = rank <= CUTOFF
                loss = F.cross_entropy(scores, batch.targets, reduction="sum")
                totals += [loss.item(), hit.sum().item(), (hit / rank).sum().item()]
        loss, hits, reciprocal = totals / max(1, len(self._valid))
        return {"loss": loss, f"hr@{CUTOFF}": hits, f"mrr@{CUTOFF}": reciprocal}


@dataclass(frozen=True)
class NetworkRanker:
    """A trained network that scores candidates, or all items."""

    network: nn.Module
    length: int
    """Plays of a history."""
    n_items: int
    batch_size: int = 256

    def score(self, queries: SessionQueries, candidates: I64) -> F32:
        """Return scores [Q, C] of `candidates` [Q, C]; -inf at padding."""
        parts = [np.empty((0, candidates.shape[1]), np.float32)]
        for rows, batch in self._batches(queries):
            shown = torch.from_numpy(np.maximum(candidates[rows], 0)).to(batch.items.device)
            scores = self.network(batch, shown).cpu().numpy()
            parts.append(np.where(candidates[rows] == PADDING, np.float32(-np.inf), scores))
        return np.concatenate(parts)

    def recommend(self, queries: SessionQueries, k: int) -> RankedItems:
        """Return the k best of all items for each query, ties by item id."""
        k, ids = min(k, self.n_items), np.arange(self.n_items)
        items, scores = [np.empty((0, k), np.int64)], [np.empty((0, k), np.float32)]
        for _, batch in self._batches(queries):
            all_scores = self.network(batch, torch.from_numpy(ids).to(batch.items.device)).cpu().numpy()
            items.append(np.stack([top_k(row, ids, k) for row in all_scores]))
            scores.append(np.take_along_axis(all_scores, items[-1], 1))
        return RankedItems(np.concatenate(items), np.concatenate(scores))

    def _batches(self, queries: SessionQueries) -> Iterator[tuple[slice, HistoryBatch]]:
        device = next(self.network.parameters()).device
        with inference(self.network):
            for start in range(0, len(queries), self.batch_size):
                rows = slice(start, start + self.batch_size)
                yield rows, to_batch(queries[rows], self.length).to(device)

    def tensors(self) -> dict[str, Any]:
        """Return the weights and buffers by name."""
        return {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}


@contextmanager
def inference(network: nn.Module) -> Iterator[None]:
    """Switch off gradients and dropout; restore the network's mode afterwards."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(training)


def train_ranker(
    network: nn.Module,
    train: HistoryDataset,
    valid: HistoryDataset | None,
    n_items: int,
    objective: NextItemConfig,
    cfg: TrainConfig,
    on_epoch: Callable[[EpochReport], object] = lambda _: None,
    resume_from: TrainState | None = None,
    save_checkpoint: Callable[[TrainState], object] = lambda _: None,
) -> FitResult:
    """Train a ranker's network in place; see `models.training.loop.fit`."""
    return fit(network, NextItem(train, valid, n_items, objective), train, cfg, on_epoch, resume_from, save_checkpoint)
