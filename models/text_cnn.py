"""TextCNN over token vectors, and self-attention over them: the text encoders of MSAM and BTSAMA.

Token vectors [N, T, E] come from a language model and are fixed; rows of zeros are padding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TextCNN(nn.Module):
    """Convolutions over 2, 3 and 4 tokens (Kim 2014): b_i = f(W x_{i : i + g - 1} + l).

    Unlike Kim's, a linear layer joins the maps of the windows before the maximum over the tokens.
    """

    def __init__(self, token_dim: int, dim: int, windows: tuple[int, ...] = (2, 3, 4)) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(token_dim, dim, g) for g in windows)
        self.join = nn.Linear(dim * len(windows), dim)

    def features(self, tokens: Tensor) -> Tensor:
        """Return a vector for each token [N, T, D] of `tokens` [N, T, E]: those of the windows that begin there."""
        x = tokens.transpose(1, 2)
        maps = [
            F.relu(conv(F.pad(x, (0, conv.kernel_size[0] - 1))))  # type: ignore[index,arg-type]
            for conv in self.convolutions
        ]
        joined: Tensor = self.join(torch.cat(maps, 1).transpose(1, 2))
        return joined

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the maximum [N, D] over the tokens; zeros for a text without tokens."""
        valid = token_mask(tokens)
        maxima = self.features(tokens).masked_fill(~valid[..., None], -torch.inf).amax(1)
        return torch.where(valid.any(1, keepdim=True), maxima, torch.zeros_like(maxima))


class TokenAttention(nn.Module):
    """Self-attention over the tokens, then the mean: softmax(H W_Q (H W_K)' / sqrt(d)) H W_V."""

    def __init__(self, token_dim: int, dim: int) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(token_dim, dim, bias=False) for _ in range(3))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return a vector [N, D] for each text; zeros for a text without tokens."""
        valid = token_mask(tokens)
        values = masked_attention(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens), valid)
        weights = valid / valid.sum(1, keepdim=True).clamp(min=1)
        return torch.einsum("nt,ntd->nd", weights, values)


def token_mask(tokens: Tensor) -> Tensor:
    """Return True [N, T] at tokens of `tokens` [N, T, E]."""
    return (tokens != 0).any(-1)


def masked_attention(query: Tensor, key: Tensor, value: Tensor, valid: Tensor) -> Tensor:
    """Return scaled dot-product attention [..., Q, D] over the valid keys [..., K]; zeros where no key is valid."""
    logits = query @ key.transpose(-1, -2) / key.shape[-1] ** 0.5
    # a finite number: a row without a valid key must not become NaN
    weights = logits.masked_fill(~valid[..., None, :], -1e9).softmax(-1) * valid[..., None, :]
    attended: Tensor = weights @ value
    return attended
