"""A small genre network: the short-chunk CNN with residual connections.

Won et al. 2020, "Evaluation of CNN-based automatic music tagging models". 3 x 3 convolutions over time and mel bins;
pooling halves both after each block; the maximum over time remains. The original has 128 to 512 channels and seven
blocks on 3.7 s of 128 bins. This one must train on two cores: 64 bins (means of two), six blocks, an eighth to a
quarter of the channels, 0.3 GFLOP per forward pass.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from models.clip_network import ClipNetwork, ClipNetworkConfig


@dataclass(frozen=True)
class ShortChunkConfig(ClipNetworkConfig):
    """Shape of the network."""

    channels: tuple[int, ...] = (16, 32, 32, 64, 64, 128)  # of each block; six halvings of 64 bins leave one
    dropout: float = 0.3


class ShortChunkCNN(ClipNetwork):
    """[B, 599, 128] log-mel -> [B, n_genres] logits."""

    def __init__(self, cfg: ShortChunkConfig) -> None:
        super().__init__(cfg, cfg.channels[-1])
        sizes = (1, *cfg.channels)
        self.blocks = nn.ModuleList(Residual(*channels) for channels in pairwise(sizes))
        self.head = nn.Linear(cfg.channels[-1] + cfg.n_side_features, cfg.n_outputs)
        self.drop = nn.Dropout(cfg.dropout)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last hidden layer [B, channels] for normalized clips [B, 599, 128]."""
        x = F.avg_pool2d(x.unsqueeze(1), 2)  # [B, 1, 299, 64]: 13 ms a frame, as fine as theirs
        for block in self.blocks:
            x = block(x)  # [B, C, T / 2, M / 2]
        hidden: Tensor = self.drop(x.amax(dim=(2, 3)))  # [B, C]
        return hidden


class Residual(nn.Module):
    """[B, in, T, M] -> [B, out, T / 2, M / 2]: two convolutions with a shortcut, then 2 x 2 max-pooling."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcut = (
            nn.Conv2d(in_channels, out_channels, 1, bias=False) if in_channels != out_channels else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        residual = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.max_pool2d(F.relu(residual + self.shortcut(x)), 2)
