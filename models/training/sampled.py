"""Losses over sampled negatives: sampled softmax with logQ correction, BPR-max, BCE and gBCE; and the sampler.

A loss takes scores [M, K] of M positions for K columns (targets and negatives) and returns one value per position.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

EPS = 1e-24
"""Lower bound within logarithms, as in the authors' program of BPR-max."""
LogQ = Literal["corrected", "official"]


@dataclass(frozen=True)
class NegativeSampler:
    """Draws items with probability count^alpha / Z, with replacement."""

    counts: Tensor
    """[V] plays of each item in the training data."""
    cumulative: Tensor
    """[V] cumulative probabilities, float64."""
    alpha: float

    @classmethod
    def of_counts(cls, counts: Tensor, alpha: float) -> "NegativeSampler":
        """Return the sampler of item counts [V]; alpha 0 is uniform over all items, also over those without plays."""
        cumulative = (counts.double() ** alpha).cumsum(0)
        return cls(counts, cumulative / cumulative[-1], alpha)

    def draw(self, *shape: int) -> Tensor:
        """Return items of this shape, from torch's global generator."""
        uniform = torch.rand(*shape, dtype=torch.float64).to(self.cumulative.device)
        return torch.searchsorted(self.cumulative, uniform, right=True).clamp_(max=len(self.counts) - 1)

    def log_q(self, in_batch: Tensor, sampled: Tensor, form: LogQ = "corrected") -> Tensor:
        """Return log Q [M + S] of M in-batch columns and S sampled ones.

        corrected: log of the expected number of columns of the item, M count / N and S count^alpha / Z.
        official: log count and alpha log count, as in the authors' program of GRU4Rec. With alpha != 1 its two groups
        differ by a constant.
        """
        counts = self.counts.double()
        batch, negatives = counts[in_batch].log(), (counts[sampled] ** self.alpha).log()
        if form == "corrected":
            batch = batch + torch.log(len(in_batch) / counts.sum())
            negatives = negatives + torch.log(len(sampled) / (counts**self.alpha).sum())
        return torch.cat([batch, negatives])


def sampled_cross_entropy(
    scores: Tensor, target_column: Tensor, log_q: Tensor | None = None, hits: Tensor | None = None
) -> Tensor:
    """Return -log softmax(scores - log Q)[target] of each position [M] (Bengio, Senecal 2008).

    `scores` [M, K]; `target_column` [M]; `log_q` [K] or [M, K]; `hits` [M, K]: True at columns to leave out, other than
    the target's: accidental hits are negatives that equal the target.
    """
    if log_q is not None:
        scores = scores - log_q.to(scores.dtype)
    if hits is not None:
        scores = scores.masked_fill(hits, -torch.inf)
    return F.cross_entropy(scores, target_column, reduction="none")


def accidental_hits(columns: Tensor, targets: Tensor, target_column: Tensor) -> Tensor:
    """Return True [M, K] where a column's item [K] or [M, K] equals the target, other than at the target's column."""
    hits = columns == targets[:, None]
    return hits.scatter(1, target_column[:, None], False)


def elu(scores: Tensor, alpha: float) -> Tensor:
    """Return max(scores, 0) + alpha (exp(min(scores, 0)) - 1); alpha 0: the scores as they are."""
    return F.elu(scores, alpha) if alpha > 0 else scores


def bpr_max(
    scores: Tensor, target_column: Tensor, bpreg: float = 1.0, elu_param: float = 0.0, hits: Tensor | None = None
) -> Tensor:
    """Return BPR-max [M] of `scores` [M, K] (Hidasi, Karatzoglou 2018).

    With o = ELU(scores), target i, and s_j = softmax over j != i of o_j:

        L = -log sum_j s_j sigma(o_i - o_j) + bpreg sum_j s_j o_j^2
    """
    outputs = elu(scores, elu_param)
    target = outputs.gather(1, target_column[:, None])
    excluded = F.one_hot(target_column, scores.shape[1]).bool()
    excluded = excluded if hits is None else excluded | hits
    softmax = outputs.masked_fill(excluded, -torch.inf).softmax(1)
    ranking = -torch.log((softmax * torch.sigmoid(target - outputs)).sum(1) + EPS)
    return ranking + bpreg * (softmax * outputs**2).sum(1)


def gbce_beta(n_negatives: int, n_items: int, t: float) -> float:
    """Return the exponent of gBCE's positive term, a (t (1 - 1/a) + 1/a) with a = k / (|I| - 1); 1 for t = 0.

    Source: Petrov, Macdonald 2023 (gSASRec).
    """
    rate = n_negatives / (n_items - 1)
    return rate * (t * (1 - 1 / rate) + 1 / rate)


def gbce(target: Tensor, negatives: Tensor, beta: float = 1.0, hits: Tensor | None = None) -> Tensor:
    """Return gBCE [M] of the target's score [M] and the negatives' [M, k]; plain BCE for beta 1.

        L = -(beta log sigma(s+) + sum_j log(1 - sigma(s_j))) / (k + 1)

    `hits` [M, k]: True at negatives to leave out.
    """
    log_rejections = F.logsigmoid(-negatives)
    if hits is not None:
        log_rejections = log_rejections.masked_fill(hits, 0.0)
    return -(beta * F.logsigmoid(target) + log_rejections.sum(1)) / (negatives.shape[1] + 1)
