"""What the networks that hear log-mel clips have in common: input, output, how they are trained, and how they are asked."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.clips import Variation

ONE, SEVERAL, FACTORS = "one genre", "several genres", "factors"
"""What a network may say of a clip: probabilities that sum to 1, probabilities each by itself, or factors."""


@dataclass(frozen=True)
class TrainingConfig:
    """Size of input and output, and how a network is trained; recorded beside the weights."""

    n_genres: int = 7  # outputs: genres, or factors
    says: str = ONE
    beside: int = 0  # numbers that are told of a clip besides its sound; they go into the last layer alone
    n_mels: int = 128
    frames: int = 599
    epochs: int = 8
    max_clips: int = 7_000  # clips shown over all epochs: bounds CPU time (about 60 clips/s on 2 idle cores)
    batch: int = 16
    lr: float = 5e-4  # peak of a one-cycle schedule
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    patience: int = 4  # epochs without a better validation loss before stopping
    val_share: float = 0.15  # of each genre's tracks; 0 trains on everything and keeps the last epoch
    vary: Variation = field(default_factory=Variation)
    threads: int = 2  # fixed, whatever machine trains; with one, equal trainings give equal bits
    seed: int = 7


class ClipNetwork(nn.Module, ABC):
    """[B, frames, n_mels] log-mel -> [B, n_genres] outputs, over an embedding [B, width] that subclasses make."""

    mean: Tensor
    std: Tensor
    temperature: Tensor
    weighed: Tensor

    def __init__(self, cfg: TrainingConfig, width: int) -> None:
        super().__init__()
        self.cfg = cfg
        self.width = width
        # input standardisation per mel bin: learnt from the training clips, saved with the weights
        self.register_buffer("mean", torch.zeros(cfg.n_mels))
        self.register_buffer("std", torch.ones(cfg.n_mels))
        # softens probabilities; learnt last (models/calibration.py)
        self.register_buffer("temperature", torch.ones(()))
        # logarithm of what each genre weighed in training: a weight w makes the odds of a genre w times what they are
        self.register_buffer("weighed", torch.zeros(cfg.n_genres))
        self.head: nn.Linear

    def standardise(self, mels: Tensor) -> Tensor:
        """Log-mels of any float type -> float32 with mean 0 and deviation 1 per mel bin in training."""
        return (mels.float() - self.mean) / self.std

    @abstractmethod
    def embed(self, x: Tensor) -> Tensor:
        """Standardised [B, frames, n_mels] -> the last hidden layer [B, width]."""

    def answer(self, hidden: Tensor, beside: NDArray[np.float32] | None = None) -> Tensor:
        """Outputs [B, n_genres] of embeddings [B, width] and of what stands beside them [B, cfg.beside]."""
        if beside is not None:
            hidden = torch.cat([hidden, torch.from_numpy(np.ascontiguousarray(beside)).to(hidden.device)], dim=1)
        found: Tensor = self.head(hidden)
        return found

    def said(self, outputs: Tensor) -> Tensor:
        """What outputs say: probabilities, or factors."""
        if self.cfg.says == FACTORS:
            return outputs
        calm = outputs / self.temperature - self.weighed
        return torch.sigmoid(calm) if self.cfg.says == SEVERAL else F.softmax(calm, dim=1)

    def forward(self, mels: Tensor) -> Tensor:
        """Outputs of raw (not standardised) log-mels."""
        return self.answer(self.embed(self.standardise(mels)))


def predict(
    model: ClipNetwork, mels: NDArray[np.float16], batch: int = 64, beside: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Clips [N, 599, 128] -> (what is said [N, n_genres], embeddings [N, width]), on the model's device."""
    outputs, embeddings = answers(model, mels, batch, beside)
    with torch.inference_mode():
        said = model.said(torch.from_numpy(outputs).to(model.mean.device)).cpu().numpy()
    return np.asarray(said, np.float32), embeddings


def answers(
    model: ClipNetwork, mels: NDArray[np.float16], batch: int = 64, beside: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """As `predict`, but the bare outputs [N, n_genres]."""
    model.eval()
    outputs = np.zeros((len(mels), model.cfg.n_genres), dtype=np.float32)
    embeddings = np.zeros((len(mels), model.width), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(mels), batch):
            rows = slice(start, start + batch)
            x = torch.from_numpy(np.ascontiguousarray(mels[rows])).to(model.mean.device)
            hidden = model.embed(model.standardise(x))
            embeddings[rows] = hidden.cpu().numpy()
            outputs[rows] = model.answer(hidden, None if beside is None else beside[rows]).cpu().numpy()
    return outputs, embeddings
