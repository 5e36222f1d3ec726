"""Choice of the training loss of a session network, from hidden states and item vectors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from models.training.sampled import (
    LogQ,
    NegativeSampler,
    accidental_hits,
    bpr_max,
    gbce,
    gbce_beta,
    sampled_cross_entropy,
)
from models.training.softmax import LogitPrior, chunked_cross_entropy

GROUP = 256
"""Positions whose sampled scores are in memory at once. In-batch negatives are the targets of a group."""


@dataclass(frozen=True)
class LossConfig:
    """A loss and its parameters."""

    name: Literal["softmax", "sampled_softmax", "bpr_max", "bce", "gbce"] = "softmax"
    negatives: int = 2048  # of the sampled losses, shared by the batch; bce, gbce: per position
    alpha: float = 0.5  # negatives are drawn with probability ~ count^alpha; 0: uniformly
    in_batch: bool = False  # sampled_softmax: the targets of other positions are negatives too, as in GRU4Rec
    log_q: LogQ | Literal["none"] = "corrected"  # sampled_softmax: correction of the scores for the sampling
    mask_hits: bool = True  # leave out negatives that equal the target; the authors' GRU4Rec does not
    bpreg: float = 1.0  # bpr_max: weight of the score regularization
    elu: float = 0.0  # bpr_max: parameter of the ELU on scores; 0: none
    t: float = 0.75  # gbce: calibration; 0 is bce, 1 corrects the sampling rate fully

    def __post_init__(self) -> None:
        if self.name == "bpr_max" and self.negatives < 1:
            raise ValueError("bpr_max needs at least one sampled negative: a group may have a single position")


@dataclass(frozen=True)
class Output:
    """What a network computes for P positions."""

    hidden: Tensor
    """[P, D]"""
    vectors: Tensor
    """[V, D] item vectors."""
    bias: Tensor
    """[V]"""
    prior: LogitPrior | None

    def scores(self, rows: slice, columns: Tensor) -> Tensor:
        """Return the scores [m, K] of positions `rows` for items `columns` [K] or [m, K]."""
        hidden, vectors = self.hidden[rows], self.vectors[columns]
        if columns.dim() == 1:
            return torch.addmm(self.bias[columns], hidden, vectors.T)
        return torch.einsum("md,mkd->mk", hidden, vectors) + self.bias[columns]


def loss_sum(cfg: LossConfig, sampler: NegativeSampler, output: Output, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the loss of the targets [P], summed with `weights` [P]. Raises ValueError for a prior with a sampled loss."""
    weights = weights.to(output.hidden.dtype)
    if cfg.name == "softmax":
        return chunked_cross_entropy(output.hidden, output.vectors, output.bias, targets, weights, output.prior)
    if output.prior is not None:
        raise ValueError(f"prior features need the loss 'softmax': got {cfg.name!r}")
    losses = _pointwise(cfg, sampler, output, targets) if cfg.name.endswith("bce") else _listwise(cfg, sampler, output, targets)
    return torch.cat([output.hidden.new_zeros(0), *losses]) @ weights


def _groups(n: int) -> Iterator[slice]:
    return (slice(start, start + GROUP) for start in range(0, n, GROUP))


def _listwise(cfg: LossConfig, sampler: NegativeSampler, output: Output, targets: Tensor) -> Iterator[Tensor]:
    """Yield sampled softmax or BPR-max of each group."""
    negatives = sampler.draw(cfg.negatives)
    in_batch = cfg.in_batch or cfg.name == "bpr_max"
    for rows in _groups(len(targets)):
        group = targets[rows]
        if in_batch:
            columns, target_column = torch.cat([group, negatives]), torch.arange(len(group), device=group.device)
        else:
            target_column = torch.zeros_like(group)
            columns = torch.cat([group[:, None], negatives.expand(len(group), -1)], 1)
        scores = output.scores(rows, columns) if in_batch else _with_target(output, rows, group, negatives)
        hits = accidental_hits(columns, group, target_column) if cfg.mask_hits else None
        if cfg.name == "bpr_max":
            yield bpr_max(scores, target_column, cfg.bpreg, cfg.elu, hits)
        else:
            yield sampled_cross_entropy(scores, target_column, _log_q(cfg, sampler, group, negatives), hits)


def _with_target(output: Output, rows: slice, group: Tensor, negatives: Tensor) -> Tensor:
    """Return the scores [m, 1 + S] of each position's target and of the shared negatives."""
    return torch.cat([output.scores(rows, group[:, None]), output.scores(rows, negatives)], 1)


def _log_q(cfg: LossConfig, sampler: NegativeSampler, group: Tensor, negatives: Tensor) -> Tensor | None:
    """Return the correction of each column.

    Without in-batch negatives the target is always present. It is not corrected, and the sum over the negatives is an
    unbiased estimate of the full softmax's normalizer.
    """
    if cfg.log_q == "none":
        return None
    if cfg.in_batch:
        return sampler.log_q(group, negatives, cfg.log_q)
    log_q = sampler.log_q(group[:0], negatives, cfg.log_q)
    return torch.cat([log_q.new_zeros(1), log_q])


def _pointwise(cfg: LossConfig, sampler: NegativeSampler, output: Output, targets: Tensor) -> Iterator[Tensor]:
    """Yield BCE or gBCE of each group."""
    beta = gbce_beta(cfg.negatives, len(output.vectors), cfg.t) if cfg.name == "gbce" else 1.0
    for rows in _groups(len(targets)):
        group = targets[rows]
        negatives = sampler.draw(len(group), cfg.negatives)
        hits = negatives == group[:, None] if cfg.mask_hits else None
        target = output.scores(rows, group[:, None]).squeeze(1)
        yield gbce(target, output.scores(rows, negatives), beta, hits)
