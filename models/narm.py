"""NARM (Li et al. 2017): a recurrent network with attention over its states, trained at every position.

    alpha_tj = v . sigmoid(A1 h_t + A2 h_j), j <= t, without softmax
    c_t = [h_t ; sum_j alpha_tj h_j];   score of item i = v_i . B c_t

The paper trains on the last position of each prefix; under the causal sum all prefixes of a session are trained at once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.sequence_network import SequenceNetwork, SequenceNetworkConfig


@dataclass(frozen=True)
class NARMConfig(SequenceNetworkConfig):
    """Size and dropout of NARM."""

    hidden: int = 100  # of the recurrent state
    embedding_dropout: float = 0.25
    context_dropout: float = 0.5


class NARM(SequenceNetwork):
    """Gated recurrent unit with additive attention."""

    cfg: NARMConfig

    def __init__(self, cfg: NARMConfig) -> None:
        super().__init__(cfg)
        H = cfg.hidden
        self.embedding_dropout, self.context_dropout = nn.Dropout(cfg.embedding_dropout), nn.Dropout(cfg.context_dropout)
        self.norm = nn.LayerNorm(cfg.dim)
        self.gru = nn.GRU(cfg.dim, H, batch_first=True)
        self.a1, self.a2, self.v = nn.Linear(H, H, bias=False), nn.Linear(H, H, bias=False), nn.Linear(H, 1, bias=False)
        self.b = nn.Linear(2 * H, cfg.dim, bias=False)

    def encode(self, x: Tensor) -> Tensor:
        """Return B c_t [B, L, D]."""
        hidden, _ = self.gru(self.norm(self.embedding_dropout(x)))  # [B, L, H]
        context = torch.cat([hidden, self.attend(hidden)], dim=2)  # [B, L, 2 H]
        output: Tensor = self.b(self.context_dropout(context))
        return output

    def attend(self, hidden: Tensor) -> Tensor:
        """Return sum over j <= t of alpha_tj h_j [B, L, H]."""
        pairs = torch.sigmoid(self.a1(hidden)[:, :, None] + self.a2(hidden)[:, None])  # [B, L, L, H]
        alpha = self.v(pairs).squeeze(3).tril()  # [B, L, L]
        attended: Tensor = alpha @ hidden
        return attended
