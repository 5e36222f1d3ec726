"""Targets of clip networks, with loss and metrics: one genre per clip, several genres, or the factors of its track."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.clip_network import Task
from models.data.clips import class_weights
from models.types import F32, F64, I64

EPS = 1e-9
"""Lower bound of probabilities and norms, so that logarithms and quotients stay finite."""


class ClipTargets(ABC):
    """Targets of N clips, with loss and validation metrics."""

    task: Task

    @abstractmethod
    def check(self, n_clips: int, n_outputs: int, n_side_features: int) -> None:
        """Raise ValueError if the targets do not fit so many clips, outputs and side features."""

    @property
    @abstractmethod
    def strata(self) -> I64:
        """Stratum [N] of each clip; every stratum gives the same share of its tracks to validation."""

    @abstractmethod
    def class_weights(self, rows: I64) -> Tensor:
        """Return the weight of each output [n_outputs] in the loss, for training clips `rows`."""

    @abstractmethod
    def loss(self, logits: Tensor, rows: I64, weights: Tensor, smoothing: float) -> Tensor:
        """Return the loss of `logits` [B, n_outputs], summed over `rows` [B]."""

    @abstractmethod
    def normalizer(self, rows: I64, weights: Tensor) -> Tensor:
        """Return the number that turns the summed loss of `rows` into a mean."""

    @abstractmethod
    def metrics(self, predictions: F64, rows: I64) -> dict[str, float]:
        """Return `loss` and others of `predictions` [V, n_outputs] for V tracks; `rows` [V]: a clip of each."""

    def side_features(self, rows: I64) -> F32 | None:
        """Return the side features [B, E] of these clips; None: there are none."""
        del rows
        return None


@dataclass(frozen=True, eq=False)
class Multiclass(ClipTargets):
    """Softmax cross-entropy with classes weighted by their inverse frequency."""

    labels: I64
    """[N] genre numbers."""
    n_classes: int
    task = "multiclass"

    def check(self, n_clips: int, n_outputs: int, n_side_features: int) -> None:
        """Require a genre number for each clip."""
        if len(self.labels) != n_clips:
            raise ValueError(f"need a label for each of {n_clips} clips: got {len(self.labels)} labels")
        if self.labels.min() < 0 or self.labels.max() >= n_outputs:
            raise ValueError(
                f"genre numbers must be in 0..{n_outputs - 1}: got {self.labels.min()}..{self.labels.max()}"
            )

    @property
    def strata(self) -> I64:
        """The genre."""
        return self.labels

    def class_weights(self, rows: I64) -> Tensor:
        """Return inverse frequencies [G]."""
        return class_weights(self.labels[rows], self.n_classes)

    def loss(self, logits: Tensor, rows: I64, weights: Tensor, smoothing: float) -> Tensor:
        """Return the sum, weighted by the clip's genre."""
        targets = self._targets(rows, logits.device)
        return F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing, reduction="sum")

    def normalizer(self, rows: I64, weights: Tensor) -> Tensor:
        """Return the sum of the clips' weights."""
        return weights[self._targets(rows, weights.device)].sum()

    def metrics(self, predictions: F64, rows: I64) -> dict[str, float]:
        """Return the mean negative log-likelihood, and the accuracy of the most probable genre."""
        targets = self.labels[rows]
        likelihood = predictions[np.arange(len(targets)), targets]
        accuracy = (predictions.argmax(axis=1) == targets).mean()
        return {"loss": float(-np.log(likelihood + EPS).mean()), "accuracy": float(accuracy)}

    def _targets(self, rows: I64, device: torch.device) -> Tensor:
        return torch.from_numpy(self.labels[rows].astype(np.int64)).to(device)


@dataclass(frozen=True, eq=False)
class Multilabel(ClipTargets):
    """Sigmoid cross-entropy per genre, with positives weighted by their inverse frequency."""

    labels: F32
    """[N, G] 1 for each genre of the clip, else 0."""
    task = "multilabel"

    def check(self, n_clips: int, n_outputs: int, n_side_features: int) -> None:
        """Require at least one genre for each clip."""
        if (
            self.labels.shape != (n_clips, n_outputs)
            or not np.isin(self.labels, (0, 1)).all()
            or not self.labels.any(1).all()
        ):
            raise ValueError(
                f"need labels [{n_clips}, {n_outputs}] of 0 and 1, with a 1 in every row: got {self.labels.shape}"
            )

    @property
    def strata(self) -> I64:
        """The clip's rarest genre, so that validation contains rare genres too."""
        counts = np.where(self.labels > 0, self.labels.sum(0), np.inf)
        return np.asarray(counts.argmin(1), np.int64)

    def class_weights(self, rows: I64) -> Tensor:
        """Return inverse frequencies [G]."""
        return class_weights(np.nonzero(self.labels[rows])[1].astype(np.int64), self.labels.shape[1])

    def loss(self, logits: Tensor, rows: I64, weights: Tensor, smoothing: float) -> Tensor:
        """Return the mean over genres, summed over clips."""
        labels = torch.from_numpy(self.labels[rows]).to(logits.device)
        targets = labels * (1 - smoothing) + smoothing / 2
        return (
            F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights, reduction="sum") / logits.shape[1]
        )

    def normalizer(self, rows: I64, weights: Tensor) -> Tensor:
        """Return the number of clips."""
        return torch.tensor(float(len(rows)), device=weights.device)

    def metrics(self, predictions: F64, rows: I64) -> dict[str, float]:
        """Return the mean cross-entropy per genre, and the accuracy of the most probable genre."""
        labels = self.labels[rows] > 0
        likelihood = np.where(labels, predictions, 1 - predictions)
        top = labels[np.arange(len(labels)), predictions.argmax(1)]
        return {"loss": float(-np.log(likelihood + EPS).mean()), "accuracy": float(top.mean())}


@dataclass(frozen=True, eq=False)
class EmbeddingRegression(ClipTargets):
    """Squared distance from factors of length 1 (van den Oord, Dieleman, Schrauwen 2013, Eq. 4)."""

    factors: F32
    """[N, F] unit factors of the clip's track."""
    features: F32 | None = None
    """[N, E] side features, such as a text vector of the track."""
    task = "regression"

    def check(self, n_clips: int, n_outputs: int, n_side_features: int) -> None:
        """Require finite factors and side features for each clip."""
        features = np.empty((n_clips, 0), np.float32) if self.features is None else self.features
        if self.factors.shape != (n_clips, n_outputs) or features.shape != (n_clips, n_side_features):
            shapes = f"got {self.factors.shape} and {features.shape}"
            raise ValueError(
                f"need factors [{n_clips}, {n_outputs}] and side features [{n_clips}, {n_side_features}]: {shapes}"
            )
        if not (np.isfinite(self.factors).all() and np.isfinite(features).all()):
            raise ValueError("factors and side features must be finite")

    @property
    def strata(self) -> I64:
        """A single stratum."""
        return np.zeros(len(self.factors), np.int64)

    def class_weights(self, rows: I64) -> Tensor:
        """Return ones [F]."""
        del rows
        return torch.ones(self.factors.shape[1])

    def loss(self, logits: Tensor, rows: I64, weights: Tensor, smoothing: float) -> Tensor:
        """Return the sum of squared distances."""
        del weights, smoothing
        return ((logits - torch.from_numpy(self.factors[rows]).to(logits.device)) ** 2).sum()

    def normalizer(self, rows: I64, weights: Tensor) -> Tensor:
        """Return the number of clips."""
        return torch.tensor(float(len(rows)), device=weights.device)

    def metrics(self, predictions: F64, rows: I64) -> dict[str, float]:
        """Return the mean squared distance, and the mean cosine."""
        factors = self.factors[rows].astype(np.float64)
        norms = np.linalg.norm(predictions, axis=1) * np.linalg.norm(factors, axis=1)
        cosine = (predictions * factors).sum(1) / np.maximum(norms, EPS)
        distance = ((predictions - factors) ** 2).sum(1)
        return {"loss": float(distance.mean()), "cosine": float(cosine.mean())}

    def side_features(self, rows: I64) -> F32 | None:
        """Return the clips' rows of `features`."""
        return None if self.features is None else self.features[rows]


def genre_targets(labels: I64 | F32, n_classes: int) -> ClipTargets:
    """Return the targets of genre numbers [N], or of labels [N, G] of 1 and 0."""
    if labels.ndim == 1:
        return Multiclass(np.asarray(labels, np.int64), n_classes)
    return Multilabel(np.asarray(labels, np.float32))
