"""Targets of a training, with loss and metrics: one class per sample, several classes, or a vector."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.types import F32, F64, I64

EPS = 1e-9
"""Lower bound of probabilities and norms, so that logarithms and quotients stay finite."""
Task = Literal["multiclass", "multilabel", "regression"]
"""What a network predicts: probabilities that sum to 1, independent probabilities, or vectors."""


class Targets(ABC):
    """Targets of N samples, with loss and validation metrics."""

    task: Task

    @abstractmethod
    def check(self, n_samples: int, n_outputs: int) -> None:
        """Raise ValueError if the targets do not fit so many samples and outputs."""

    @property
    @abstractmethod
    def strata(self) -> I64:
        """Stratum [N] of each sample; every stratum gives the same share to validation."""

    @abstractmethod
    def class_weights(self, rows: I64) -> Tensor:
        """Return the weight of each output [n_outputs] in the loss, for training samples `rows`."""

    @abstractmethod
    def loss(self, logits: Tensor, rows: I64, weights: Tensor, smoothing: float) -> Tensor:
        """Return the loss of `logits` [B, n_outputs], summed over `rows` [B]."""

    @abstractmethod
    def normalizer(self, rows: I64, weights: Tensor) -> Tensor:
        """Return the number that turns the summed loss of `rows` into a mean."""

    @abstractmethod
    def metrics(self, predictions: F64, rows: I64) -> dict[str, float]:
        """Return `loss` and others of `predictions` [V, n_outputs] for samples `rows` [V]."""


@dataclass(frozen=True, eq=False)
class Multiclass(Targets):
    """Softmax cross-entropy with classes weighted by their inverse frequency."""

    labels: I64
    """[N] class numbers."""
    n_classes: int
    task = "multiclass"

    def check(self, n_samples: int, n_outputs: int) -> None:
        """Require a class number for each sample."""
        if len(self.labels) != n_samples:
            raise ValueError(f"need a label for each of {n_samples} samples: got {len(self.labels)} labels")
        if self.labels.min() < 0 or self.labels.max() >= n_outputs:
            raise ValueError(
                f"class numbers must be in 0..{n_outputs - 1}: got {self.labels.min()}..{self.labels.max()}"
            )

    @property
    def strata(self) -> I64:
        """The class."""
        return self.labels

    def class_weights(self, rows: I64) -> Tensor:
        """Return inverse frequencies [C]."""
        return balanced_class_weights(self.labels[rows], self.n_classes)

    def loss(self, logits: Tensor, rows: I64, weights: Tensor, smoothing: float) -> Tensor:
        """Return the sum, weighted by the sample's class."""
        targets = self._targets(rows, logits.device)
        return F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing, reduction="sum")

    def normalizer(self, rows: I64, weights: Tensor) -> Tensor:
        """Return the sum of the samples' weights."""
        return weights[self._targets(rows, weights.device)].sum()

    def metrics(self, predictions: F64, rows: I64) -> dict[str, float]:
        """Return the mean negative log-likelihood, and the accuracy of the most probable class."""
        targets = self.labels[rows]
        likelihood = predictions[np.arange(len(targets)), targets]
        accuracy = (predictions.argmax(axis=1) == targets).mean()
        return {"loss": float(-np.log(likelihood + EPS).mean()), "accuracy": float(accuracy)}

    def _targets(self, rows: I64, device: torch.device) -> Tensor:
        return torch.from_numpy(self.labels[rows].astype(np.int64)).to(device)


@dataclass(frozen=True, eq=False)
class Multilabel(Targets):
    """Sigmoid cross-entropy per class, with positives weighted by their inverse frequency."""

    labels: F32
    """[N, C] 1 for each class of the sample, else 0."""
    task = "multilabel"

    def check(self, n_samples: int, n_outputs: int) -> None:
        """Require at least one class for each sample."""
        if (
            self.labels.shape != (n_samples, n_outputs)
            or not np.isin(self.labels, (0, 1)).all()
            or not self.labels.any(1).all()
        ):
            raise ValueError(
                f"need labels [{n_samples}, {n_outputs}] of 0 and 1, with a 1 in every row: got {self.labels.shape}"
            )

    @property
    def strata(self) -> I64:
        """The sample's rarest class, so that validation contains rare classes too."""
        counts = np.where(self.labels > 0, self.labels.sum(0), np.inf)
        return np.asarray(counts.argmin(1), np.int64)

    def class_weights(self, rows: I64) -> Tensor:
        """Return inverse frequencies [C]."""
        return balanced_class_weights(np.nonzero(self.labels[rows])[1].astype(np.int64), self.labels.shape[1])

    def loss(self, logits: Tensor, rows: I64, weights: Tensor, smoothing: float) -> Tensor:
        """Return the mean over classes, summed over samples."""
        labels = torch.from_numpy(self.labels[rows]).to(logits.device)
        targets = labels * (1 - smoothing) + smoothing / 2
        return (
            F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights, reduction="sum") / logits.shape[1]
        )

    def normalizer(self, rows: I64, weights: Tensor) -> Tensor:
        """Return the number of samples."""
        return torch.tensor(float(len(rows)), device=weights.device)

    def metrics(self, predictions: F64, rows: I64) -> dict[str, float]:
        """Return the mean cross-entropy per class, and the accuracy of the most probable class."""
        labels = self.labels[rows] > 0
        likelihood = np.where(labels, predictions, 1 - predictions)
        top = labels[np.arange(len(labels)), predictions.argmax(1)]
        return {"loss": float(-np.log(likelihood + EPS).mean()), "accuracy": float(top.mean())}


@dataclass(frozen=True, eq=False)
class EmbeddingRegression(Targets):
    """Squared distance from vectors of length 1 (van den Oord, Dieleman, Schrauwen 2013, Eq. 4)."""

    vectors: F32
    """[N, F] unit vectors."""
    task = "regression"

    def check(self, n_samples: int, n_outputs: int) -> None:
        """Require a finite vector for each sample."""
        if self.vectors.shape != (n_samples, n_outputs):
            raise ValueError(f"need vectors [{n_samples}, {n_outputs}]: got {self.vectors.shape}")
        if not np.isfinite(self.vectors).all():
            raise ValueError("vectors must be finite")

    @property
    def strata(self) -> I64:
        """A single stratum."""
        return np.zeros(len(self.vectors), np.int64)

    def class_weights(self, rows: I64) -> Tensor:
        """Return ones [F]."""
        del rows
        return torch.ones(self.vectors.shape[1])

    def loss(self, logits: Tensor, rows: I64, weights: Tensor, smoothing: float) -> Tensor:
        """Return the sum of squared distances."""
        del weights, smoothing
        return ((logits - torch.from_numpy(self.vectors[rows]).to(logits.device)) ** 2).sum()

    def normalizer(self, rows: I64, weights: Tensor) -> Tensor:
        """Return the number of samples."""
        return torch.tensor(float(len(rows)), device=weights.device)

    def metrics(self, predictions: F64, rows: I64) -> dict[str, float]:
        """Return the mean squared distance, and the mean cosine."""
        vectors = self.vectors[rows].astype(np.float64)
        norms = np.linalg.norm(predictions, axis=1) * np.linalg.norm(vectors, axis=1)
        cosine = (predictions * vectors).sum(1) / np.maximum(norms, EPS)
        distance = ((predictions - vectors) ** 2).sum(1)
        return {"loss": float(distance.mean()), "cosine": float(cosine.mean())}


def classification_targets(labels: I64 | F32, n_classes: int) -> Targets:
    """Return the targets of class numbers [N], or of labels [N, C] of 1 and 0."""
    if labels.ndim == 1:
        return Multiclass(np.asarray(labels, np.int64), n_classes)
    return Multilabel(np.asarray(labels, np.float32))


def balanced_class_weights(labels: I64, n_classes: int) -> Tensor:
    """Return the inverse counts of the classes [C], with mean 1 over the samples; 0 for classes without samples."""
    counts = np.bincount(labels, minlength=n_classes)
    present = max(1, int((counts > 0).sum()))
    return torch.tensor(np.where(counts > 0, len(labels) / (present * np.maximum(counts, 1)), 0.0), dtype=torch.float32)
