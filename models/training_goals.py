"""What a network that hears clips can be trained to say of them: one genre, several genres, or where among factors a track lies."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from models.clip_network import FACTORS, ONE, SEVERAL
from models.clips import class_weights

Rows = NDArray[np.int64]
LEAST = 1e-9
"""Least probability: no logarithm of it runs away."""


class Goal(ABC):
    """Of N clips."""

    says: str
    """As TrainingConfig has it."""

    @abstractmethod
    def check(self, clips: int, outputs: int, beside: int) -> None:
        """ValueError where this is not a goal for so many clips, outputs and numbers beside them."""

    @property
    @abstractmethod
    def strata(self) -> NDArray[np.int64]:
        """[N] of each of which a share of the tracks is held out."""

    @abstractmethod
    def weights(self, rows: Rows) -> Tensor:
        """[outputs] what each output weighs in the loss of these training rows."""

    @abstractmethod
    def loss(self, out: Tensor, rows: Rows, weights: Tensor, smoothing: float) -> Tensor:
        """Sum over rows [B] of outputs [B, outputs]."""

    @abstractmethod
    def worth(self, rows: Rows, weights: Tensor) -> Tensor:
        """What that sum is divided by for a mean over `rows`."""

    @abstractmethod
    def judged(self, said: NDArray[np.float64], rows: Rows) -> tuple[float, float]:
        """(loss, how good: share right, or mean cosine) of what was `said` [H, outputs] of H tracks; `rows` [H]: a clip of each."""

    def beside(self, rows: Rows) -> NDArray[np.float32] | None:
        """[B, E] what is known of these clips besides their sound; None: nothing."""
        del rows
        return None


@dataclass(frozen=True, eq=False)
class OneGenre(Goal):
    """Cross-entropy of the softmax, each genre weighing the inverse of its count."""

    labels: NDArray[np.int64]
    """[N] genre numbers."""
    genres: int
    says = ONE

    def check(self, clips: int, outputs: int, beside: int) -> None:
        """A genre number for each clip."""
        if len(self.labels) != clips:
            raise ValueError(f"need a label for each of {clips} clips: got {len(self.labels)} labels")
        if self.labels.min() < 0 or self.labels.max() >= outputs:
            raise ValueError(f"genre numbers must lie in 0..{outputs - 1}: got {self.labels.min()}..{self.labels.max()}")

    @property
    def strata(self) -> NDArray[np.int64]:
        """By genre."""
        return self.labels

    def weights(self, rows: Rows) -> Tensor:
        """[G]"""
        return class_weights(self.labels[rows], self.genres)

    def loss(self, out: Tensor, rows: Rows, weights: Tensor, smoothing: float) -> Tensor:
        """Weighted by the clip's genre."""
        return F.cross_entropy(out, self._truth(rows, out.device), weight=weights, label_smoothing=smoothing, reduction="sum")

    def worth(self, rows: Rows, weights: Tensor) -> Tensor:
        """The clips' weights."""
        return weights[self._truth(rows, weights.device)].sum()

    def judged(self, said: NDArray[np.float64], rows: Rows) -> tuple[float, float]:
        """Mean negative log-likelihood, and share of tracks whose most probable genre is theirs."""
        truth = self.labels[rows]
        likelihood = said[np.arange(len(truth)), truth]
        return float(-np.log(likelihood + LEAST).mean()), float((said.argmax(axis=1) == truth).mean())

    def _truth(self, rows: Rows, device: torch.device) -> Tensor:
        return torch.from_numpy(self.labels[rows].astype(np.int64)).to(device)


@dataclass(frozen=True, eq=False)
class SeveralGenres(Goal):
    """Cross-entropy of a sigmoid for each genre, by itself; that it is there weighs the inverse of how often it is."""

    labels: NDArray[np.float32]
    """[N, G] 1 where the genre is the clip's."""
    says = SEVERAL

    def check(self, clips: int, outputs: int, beside: int) -> None:
        """A genre at least for each clip."""
        if self.labels.shape != (clips, outputs) or not np.isin(self.labels, (0, 1)).all() or not self.labels.any(1).all():
            raise ValueError(f"need labels [{clips}, {outputs}] of 0 and 1, with a 1 in every row: got {self.labels.shape}")

    @property
    def strata(self) -> NDArray[np.int64]:
        """By the clip's rarest genre: of those that are seldom, too, some must be held out."""
        counts = np.where(self.labels > 0, self.labels.sum(0), np.inf)
        return np.asarray(counts.argmin(1), np.int64)

    def weights(self, rows: Rows) -> Tensor:
        """[G]"""
        return class_weights(np.nonzero(self.labels[rows])[1].astype(np.int64), self.labels.shape[1])

    def loss(self, out: Tensor, rows: Rows, weights: Tensor, smoothing: float) -> Tensor:
        """Mean over genres, summed over clips."""
        truth = torch.from_numpy(self.labels[rows]).to(out.device)
        wanted = truth * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(out, wanted, pos_weight=weights, reduction="sum") / out.shape[1]

    def worth(self, rows: Rows, weights: Tensor) -> Tensor:
        """How many clips."""
        return torch.tensor(float(len(rows)), device=weights.device)

    def judged(self, said: NDArray[np.float64], rows: Rows) -> tuple[float, float]:
        """Mean cross-entropy of a genre, and share of tracks whose most probable genre is one of theirs."""
        truth = self.labels[rows] > 0
        likelihood = np.where(truth, said, 1 - said)
        top = truth[np.arange(len(truth)), said.argmax(1)]
        return float(-np.log(likelihood + LEAST).mean()), float(top.mean())


@dataclass(frozen=True, eq=False)
class Factors(Goal):
    """Squared distance from factors of length 1 (van den Oord, Dieleman, Schrauwen 2013, Eq. 4)."""

    factors: NDArray[np.float32]
    """[N, F] those of the clip's track, 1 long."""
    told: NDArray[np.float32] | None = None
    """[N, E] of the track's text, or whatever else stands beside the sound."""
    says = FACTORS

    def check(self, clips: int, outputs: int, beside: int) -> None:
        """Finite factors for each clip, and what stands beside it."""
        told = np.empty((clips, 0), np.float32) if self.told is None else self.told
        if self.factors.shape != (clips, outputs) or told.shape != (clips, beside):
            got = f"got {self.factors.shape} and {told.shape}"
            raise ValueError(f"need factors [{clips}, {outputs}] and numbers [{clips}, {beside}] beside them: {got}")
        if not (np.isfinite(self.factors).all() and np.isfinite(told).all()):
            raise ValueError("factors, and what stands beside the clips, must be finite numbers")

    @property
    def strata(self) -> NDArray[np.int64]:
        """All alike."""
        return np.zeros(len(self.factors), np.int64)

    def weights(self, rows: Rows) -> Tensor:
        """[F] ones."""
        del rows
        return torch.ones(self.factors.shape[1])

    def loss(self, out: Tensor, rows: Rows, weights: Tensor, smoothing: float) -> Tensor:
        """Squared distances."""
        del weights, smoothing
        return ((out - torch.from_numpy(self.factors[rows]).to(out.device)) ** 2).sum()

    def worth(self, rows: Rows, weights: Tensor) -> Tensor:
        """How many clips."""
        return torch.tensor(float(len(rows)), device=weights.device)

    def judged(self, said: NDArray[np.float64], rows: Rows) -> tuple[float, float]:
        """Mean squared distance, and mean cosine."""
        truth = self.factors[rows].astype(np.float64)
        lengths = np.linalg.norm(said, axis=1) * np.linalg.norm(truth, axis=1)
        cosine = (said * truth).sum(1) / np.maximum(lengths, LEAST)
        return float(((said - truth) ** 2).sum(1).mean()), float(cosine.mean())

    def beside(self, rows: Rows) -> NDArray[np.float32] | None:
        """Of their text."""
        return None if self.told is None else self.told[rows]


def of_genres(labels: NDArray[np.int64] | NDArray[np.float32], genres: int) -> Goal:
    """The goal of genre numbers [N], or of labels [N, G] of 1 and 0."""
    if labels.ndim == 1:
        return OneGenre(np.asarray(labels, np.int64), genres)
    return SeveralGenres(np.asarray(labels, np.float32))
