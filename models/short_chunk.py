"""A modern small genre network: the short-chunk CNN with residual connections (Won et al. 2020, "Evaluation of CNN-based
automatic music tagging models").

3 x 3 convolutions over time and mel bins alike, halved by pooling after each block, until one number per channel is left: the
largest over time. Theirs has 128 to 512 channels and seven blocks on 3.7 s of 128 bins; this one sees 64 bins (averages of two),
in six blocks of an eighth to a quarter of the channels, because it must train on two cores: 0.3 GFLOP a clip forward.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from models.clip_network import ClipNetwork, TrainingConfig


@dataclass(frozen=True)
class ShortChunkConfig(TrainingConfig):
    """Shape of the network."""

    channels: tuple[int, ...] = (16, 32, 32, 64, 64, 128)  # of each block; six halvings of 64 bins leave one
    dropout: float = 0.3
    lr: float = 2e-3  # batch normalisation bears a higher peak


class ShortChunkCNN(ClipNetwork):
    """[B, 599, 128] log-mel -> [B, n_genres] logits."""

    def __init__(self, cfg: ShortChunkConfig) -> None:
        super().__init__(cfg, cfg.channels[-1])
        sizes = (1, *cfg.channels)
        self.blocks = nn.ModuleList(Residual(before, after) for before, after in pairwise(sizes))
        self.head = nn.Linear(cfg.channels[-1] + cfg.beside, cfg.n_genres)
        self.drop = nn.Dropout(cfg.dropout)

    def embed(self, x: Tensor) -> Tensor:
        """Standardised [B, 599, 128] -> [B, channels]."""
        x = F.avg_pool2d(x.unsqueeze(1), 2)  # [B, 1, 299, 64]: 13 ms a frame, as fine as theirs
        for block in self.blocks:
            x = block(x)  # [B, C, T / 2, M / 2]
        hidden: Tensor = self.drop(x.amax(dim=(2, 3)))  # [B, C]
        return hidden


class Residual(nn.Module):
    """[B, before, T, M] -> [B, after, T / 2, M / 2]: two convolutions beside a short cut, then the larger of 2 x 2."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.across = nn.Conv2d(before, after, 1, bias=False) if before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """One block."""
        own = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.max_pool2d(F.relu(own + self.across(x)), 2)
