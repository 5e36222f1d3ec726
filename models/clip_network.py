"""Base class of the networks on log-mel clips and of their settings: normalization, augmentation, activation, prediction."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.data.clips import AugmentConfig, augment
from models.training.targets import Task
from models.types import F16, F32


@dataclass(frozen=True)
class ClipNetworkConfig:
    """Input and output of a network; subclasses add its shape."""

    n_outputs: int = 7  # genres, or factors
    task: Task = "multiclass"
    n_side_features: int = 0  # numbers per clip besides its sound, concatenated before the output layer
    n_mels: int = 128
    frames: int = 599
    # the network itself changes its normalized input in training mode
    augment: AugmentConfig = field(default_factory=AugmentConfig)


class ClipNetwork(nn.Module, ABC):
    """[B, frames, n_mels] log-mel -> [B, n_outputs] logits, via an embedding [B, width] that subclasses define."""

    mean: Tensor
    std: Tensor
    temperature: Tensor
    log_class_weight: Tensor
    head: nn.Linear

    def __init__(self, cfg: ClipNetworkConfig, width: int) -> None:
        super().__init__()
        self.cfg = cfg
        self.width = width
        # input normalization per mel bin, fitted on the training clips and saved with the weights
        self.register_buffer("mean", torch.zeros(cfg.n_mels))
        self.register_buffer("std", torch.ones(cfg.n_mels))
        # fitted after training (models/calibration.py)
        self.register_buffer("temperature", torch.ones(()))
        # log class weights of training: a weight w multiplies the odds of a genre by w, which `activate` undoes
        self.register_buffer("log_class_weight", torch.zeros(cfg.n_outputs))

    def normalize(self, mels: Tensor) -> Tensor:
        """Return log-mels of any float type as float32 with mean 0 and deviation 1 per mel bin."""
        return (mels.float() - self.mean) / self.std

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Return the last hidden layer [B, width] for normalized clips [B, frames, n_mels]."""

    def apply_head(self, hidden: Tensor, side_features: Tensor | None = None) -> Tensor:
        """Return logits [B, n_outputs] for embeddings [B, width] and side features [B, n_side_features]."""
        logits: Tensor = self.head(hidden if side_features is None else torch.cat([hidden, side_features], dim=1))
        return logits

    def activate(self, logits: Tensor) -> Tensor:
        """Return calibrated probabilities without the class weights (logit adjustment), or for regression the
        logits.
        """
        if self.cfg.task == "regression":
            return logits
        scaled = logits / self.temperature - self.log_class_weight
        return torch.sigmoid(scaled) if self.cfg.task == "multilabel" else F.softmax(scaled, dim=1)

    def forward(self, mels: Tensor, side_features: Tensor | None = None) -> Tensor:
        """Return logits for raw (not normalized) log-mels; in training mode for augmented ones."""
        x = self.normalize(mels)
        return self.apply_head(self.embed(augment(x, self.cfg.augment) if self.training else x), side_features)


def predict(model: ClipNetwork, mels: F16, batch_size: int = 64, side_features: F32 | None = None) -> tuple[F32, F32]:
    """Return (probabilities or factors [N, n_outputs], embeddings [N, width]) for clips [N, 599, 128]."""
    logits, embeddings = predict_logits(model, mels, batch_size, side_features)
    with torch.inference_mode():
        predictions = model.activate(torch.from_numpy(logits).to(model.mean.device)).cpu().numpy()
    return np.asarray(predictions, np.float32), embeddings


def predict_logits(
    model: ClipNetwork, mels: F16, batch_size: int = 64, side_features: F32 | None = None
) -> tuple[F32, F32]:
    """Return the same as `predict`, but logits [N, n_outputs]."""
    model.eval()
    logits = np.zeros((len(mels), model.cfg.n_outputs), dtype=np.float32)
    embeddings = np.zeros((len(mels), model.width), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(mels), batch_size):
            rows = slice(start, start + batch_size)
            x = torch.from_numpy(np.ascontiguousarray(mels[rows])).to(model.mean.device)
            hidden = model.embed(model.normalize(x))
            embeddings[rows] = hidden.cpu().numpy()
            side = None if side_features is None else torch.from_numpy(side_features[rows]).to(hidden.device)
            logits[rows] = model.apply_head(hidden, side).cpu().numpy()
    return logits, embeddings
