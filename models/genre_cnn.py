"""PMRS's genre network: log-mel clip -> 2048-dimensional embedding -> genre logits.

This is the network of van den Oord et al. 2013 in the form of its author's 2014 Spotify article, as PMRS uses it: valid
convolutions over time only, with the 128 mel bins as input channels. Activations are ReLU (PMRS prints max-pooling in
their place). It is trained from scratch on little data, so every batch is augmented (`models.data.clips.augment`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.clip_network import ClipNetwork, ClipNetworkConfig


@dataclass(frozen=True)
class GenreCNNConfig(ClipNetworkConfig):
    """Shape of the network."""

    conv: tuple[int, int, int, int] = (256, 256, 512, 512)  # 4 frames each; pooled by 4, 2, 2, not at all
    dense: int = 2048
    dropout: float = 0.3  # lowered from 0.5 together with the introduction of `augment`; not measured separately


class GenreCNN(ClipNetwork):
    """[B, 599, 128] log-mel -> [B, n_genres] logits (PMRS section III; Spotify article 2014)."""

    def __init__(self, cfg: GenreCNNConfig) -> None:
        super().__init__(cfg, cfg.dense)
        c1, c2, c3, c4 = cfg.conv
        self.conv1 = nn.Conv1d(cfg.n_mels, c1, 4)
        self.conv2 = nn.Conv1d(c1, c2, 4)
        self.conv3 = nn.Conv1d(c2, c3, 4)
        self.conv4 = nn.Conv1d(c3, c4, 4)
        self.dense1 = nn.Linear(3 * c4, cfg.dense)
        self.dense2 = nn.Linear(cfg.dense, cfg.dense)
        self.head = nn.Linear(cfg.dense + cfg.n_side_features, cfg.n_outputs)
        self.drop = nn.Dropout(cfg.dropout)
        self.init_weights()

    def init_weights(self) -> None:
        """Initialize by He et al. 2015, which preserves the variance of activations under ReLU."""
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.dense1, self.dense2):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            norms = self.dense1.weight[:, -self.conv4.out_channels :]
            norms /= 32**0.5  # an L2 norm over 32 frames is that much larger than a mean
        nn.init.normal_(self.head.weight, std=0.01)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last hidden layer [B, 2048] for normalized clips [B, 599, 128]."""
        x = x.transpose(1, 2)  # [B, 128, 599]: mel bins are channels
        x = F.max_pool1d(F.relu(self.conv1(x)), 4)  # [B, 256, 596] -> [B, 256, 149]
        x = F.max_pool1d(F.relu(self.conv2(x)), 2)  # [B, 256, 146] -> [B, 256, 73]
        x = F.max_pool1d(F.relu(self.conv3(x)), 2)  # [B, 512, 70] -> [B, 512, 35]
        x = F.relu(self.conv4(x))  # [B, 512, 32]
        x = global_pool(x)  # [B, 1536]
        x = self.drop(F.relu(self.dense1(x)))  # [B, 2048]
        hidden: Tensor = self.drop(F.relu(self.dense2(x)))  # [B, 2048]
        return hidden


def global_pool(x: Tensor) -> Tensor:
    """Return mean, max and L2 norm over time: [B, C, T] -> [B, 3C]. The epsilon keeps the gradient finite at zero."""
    norm = (x.square().sum(dim=2) + 1e-8).sqrt()
    return torch.cat([x.mean(dim=2), x.amax(dim=2), norm], dim=1)
