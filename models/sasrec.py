"""SASRec: self-attention over the plays of a session (Kang, McAuley 2018), with pre-norm or LiGR blocks."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.sequence_network import SequenceNetwork, SequenceNetworkConfig


@dataclass(frozen=True)
class SASRecConfig(SequenceNetworkConfig):
    """Size and options of SASRec."""

    blocks: int = 2
    heads: int = 2
    feed_forward: int = 2  # width of the hidden layer, in multiples of dim
    dropout: float = 0.2
    block: Literal["pre_norm", "ligr"] = "pre_norm"  # ligr: gated residuals and SwiGLU
    positions: Literal["absolute", "relative"] = "absolute"  # vectors of positions, or a bias of attention per distance
    projection: bool = True  # a linear layer after the last block; without it, tied vectors favour items already played


class SASRec(SequenceNetwork):
    """Causal self-attention."""

    cfg: SASRecConfig

    def __init__(self, cfg: SASRecConfig) -> None:
        super().__init__(cfg)
        length = cfg.inputs.max_length + (cfg.inputs.past_plays + 1 if cfg.inputs.past_plays else 0)
        absolute = cfg.positions == "absolute"
        self.position = nn.Parameter(torch.randn(length, cfg.dim) * 0.1) if absolute else None
        self.distance = None if absolute else nn.Parameter(torch.zeros(cfg.heads, length))
        self.dropout = nn.Dropout(cfg.dropout)
        self.blocks = nn.ModuleList(_Block(cfg) for _ in range(cfg.blocks))
        self.norm = nn.LayerNorm(cfg.dim)
        self.projection = nn.Linear(cfg.dim, cfg.dim) if cfg.projection else nn.Identity()

    def encode(self, x: Tensor) -> Tensor:
        """Return hidden states [B, L, D]."""
        _, L, D = x.shape
        x = x * math.sqrt(D)
        if self.position is not None:
            x = x + self.position[:L]
        mask = None if self.distance is None else causal_bias(self.distance, L)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, mask)
        hidden: Tensor = self.projection(self.norm(x))
        return hidden


def causal_bias(by_distance: Tensor, length: int) -> Tensor:
    """Return the attention bias [H, L, L] of `by_distance` [H, >= L]: -inf at later positions."""
    position = torch.arange(length, device=by_distance.device)
    distance = position[:, None] - position  # [L, L]
    return by_distance[:, distance.clamp(min=0)].masked_fill(distance < 0, -torch.inf)


class _Block(nn.Module):
    """x + MHA(LN x), then x + FFN(LN x). LiGR gates both: x + sigmoid(G x) * MHA(LN x) (Borisyuk 2025)."""

    def __init__(self, cfg: SASRecConfig) -> None:
        super().__init__()
        D, ligr = cfg.dim, cfg.block == "ligr"
        self.heads, self.attention_dropout = cfg.heads, cfg.dropout
        self.norms = nn.ModuleList(nn.LayerNorm(D) for _ in range(2))
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.feed_forward: nn.Module = _SwiGLU(D, cfg.feed_forward * D) if ligr else _GELU(D, cfg.feed_forward * D)
        self.gates = nn.ModuleList(nn.Linear(D, D) for _ in range(2)) if ligr else None
        self.dropout = nn.Dropout(cfg.dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return the block's output [B, L, D]."""
        x = x + self._gate(0, x) * self.dropout(self._attend(self.norms[0](x), mask))
        output: Tensor = x + self._gate(1, x) * self.dropout(self.feed_forward(self.norms[1](x)))
        return output

    def _gate(self, number: int, x: Tensor) -> Tensor | float:
        return 1.0 if self.gates is None else torch.sigmoid(self.gates[number](x))

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        B, L, D = x.shape
        q, k, v = self.qkv(x).view(B, L, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)  # [B, H, L, D / H]
        dropout = self.attention_dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=mask is None)
        output: Tensor = self.out(attended.transpose(1, 2).reshape(B, L, D))
        return output


class _GELU(nn.Sequential):
    """W2 gelu(W1 x)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))


class _SwiGLU(nn.Module):
    """W3 (silu(W1 x) * W2 x) (Shazeer 2020)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.gate_up, self.down = nn.Linear(dim, 2 * hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, L, D]."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        output: Tensor = self.down(F.silu(gate) * up)
        return output
