"""BTSAMA: text of a candidate by TextCNN and self-attention; hot music and the history attended by the candidate.

Source: "Personalized music recommendation based on BERT, TextCNN, self-attention and multi-head attention". For a candidate x:

    e(x) = W [TextCNN(tokens) ; SelfAttention(tokens) ; id] + b
    h    = MultiHead(e(x), e(p), e(p))      p: the hottest tracks                       (Eq. 6, 7)
    i_u  = MultiHead(e(x), e(C), e(C))      C: the user's last plays                    (Eq. 8, 9)
    o_h  = tanh(W_1 [h ; e(x)] + b_1),  o_u = tanh(W_2 [i_u ; e(x)] + b_2)              (Eq. 10, 11)
    score = W_3 [o_u ; o_h] + b                                                         (Eq. 12-14)

Mended: Eq. 6 and 8 make the candidate key and value, and softmax over one key is 1, so that neither history nor hot music
could change the score; the prose says what is built here. Eq. 14's tanh before the sigmoid of Eq. 13 bounds the
probability to [0.27, 0.73]; the score is a raw logit, trained with BCE on logits. With the candidate as the query there is
one attended vector, so that the average pooling of Eq. 7 and 9 has nothing to average. `self_attention` and `multi_head`
switch parts off, for the paper's ablation.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.data.histories import HistoryBatch
from models.text_cnn import TextCNN, TokenAttention
from models.types import F32, I64


@dataclass(frozen=True)
class BTSAMAConfig:
    """Size and parts of the network."""

    dim: int = 64
    heads: int = 4
    length: int = 20  # plays of a history
    dropout: float = 0.3  # of e(x); the paper's 0.7 is for texts alone
    self_attention: bool = True  # beside TextCNN
    multi_head: bool = True  # False: h and i_u are plain means
    use_ids: bool = True  # an embedding of the track beside its text; False for texts alone


class BTSAMA(nn.Module):
    """BTSAMA's network."""

    hot: Tensor
    tokens: Tensor

    def __init__(self, cfg: BTSAMAConfig, tokens: F32, hot: I64) -> None:
        """`tokens` [I, T, E]: token vectors of each track, zeros at padding; `hot` [M]: the most played tracks."""
        super().__init__()
        self.cfg, dim = cfg, cfg.dim
        self.register_buffer("tokens", torch.from_numpy(tokens), persistent=False)  # not stored with the weights
        self.register_buffer("hot", torch.from_numpy(hot))
        self.text = TextCNN(tokens.shape[2], dim)
        self.attention = TokenAttention(tokens.shape[2], dim) if cfg.self_attention else None
        self.ids = nn.Embedding(len(tokens), dim) if cfg.use_ids else None
        if self.ids is not None:
            nn.init.normal_(self.ids.weight, std=dim**-0.5)
        self.join = nn.Linear(dim * (1 + cfg.self_attention + cfg.use_ids), dim)
        self.to_hot, self.to_interest = (MultiHead(dim, cfg.heads) if cfg.multi_head else None for _ in range(2))
        self.w1, self.w2, self.w3 = nn.Linear(2 * dim, dim), nn.Linear(2 * dim, dim), nn.Linear(2 * dim, 1)
        self.dropout = nn.Dropout(cfg.dropout)

    def forward(self, batch: HistoryBatch, candidates: Tensor) -> Tensor:
        """Return scores [B, C] of `candidates`: item ids [B, C] of each row, or [C] shared by all rows."""
        valid = batch.valid
        shape = (len(batch.items), candidates.shape[-1], self.cfg.dim)
        x = self.encode(candidates).expand(shape)  # [B, C, D]
        plays = self.encode(batch.items.masked_fill(~valid, 0))  # [B, L, D]
        hot = self.encode(self.hot).expand(len(plays), -1, -1)  # [B, M, D]
        everything = torch.ones(hot.shape[:2], dtype=torch.bool, device=hot.device)
        o_h = torch.tanh(self.w1(torch.cat([_attend(self.to_hot, x, hot, everything), x], -1)))
        o_u = torch.tanh(self.w2(torch.cat([_attend(self.to_interest, x, plays, valid), x], -1)))
        scores: Tensor = self.w3(torch.cat([o_u, o_h], -1)).squeeze(-1)
        return scores

    def encode(self, items: Tensor) -> Tensor:
        """Return e(x) [..., D] of item ids; each different item is encoded once."""
        distinct, index = torch.unique(items, return_inverse=True)
        tokens = self.tokens[distinct]
        parts = [self.text(tokens)]
        parts += [self.attention(tokens)] if self.attention is not None else []
        parts += [self.ids(distinct)] if self.ids is not None else []
        encoded: Tensor = self.dropout(self.join(torch.cat(parts, -1)))[index]
        return encoded


class MultiHead(nn.Module):
    """Multi-head attention (Eq. 3-5) in which keys can be masked; zeros where no key is valid."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_v, self.out = (nn.Linear(dim, dim) for _ in range(3))
        self.to_k = nn.Linear(dim, dim, bias=False)  # a bias of the keys cancels in the softmax

    def forward(self, query: Tensor, keys: Tensor, valid: Tensor) -> Tensor:
        """Return [B, Q, D] for queries [B, Q, D] and keys [B, K, D], of which `valid` [B, K] are keys."""
        q, k, v = (self._split(linear(x)) for linear, x in ((self.to_q, query), (self.to_k, keys), (self.to_v, keys)))
        mask = valid[:, None, None]  # [B, 1, 1, K]
        logits = q @ k.transpose(-1, -2) / k.shape[-1] ** 0.5
        weights = logits.masked_fill(~mask, -1e9).softmax(-1) * mask  # [B, H, Q, K]
        joined = (weights @ v).transpose(1, 2).flatten(2)
        attended: Tensor = self.out(joined) * valid.any(1)[:, None, None]
        return attended

    def _split(self, x: Tensor) -> Tensor:
        """Return [B, H, N, D / H] of [B, N, D]."""
        batch, n, dim = x.shape
        return x.view(batch, n, self.heads, dim // self.heads).transpose(1, 2)


def _attend(attention: MultiHead | None, x: Tensor, keys: Tensor, valid: Tensor) -> Tensor:
    """Return what the candidates [B, C, D] attend to; without attention the mean of the keys."""
    if attention is not None:
        attended: Tensor = attention(x, keys, valid)
        return attended
    weights = valid / valid.sum(1, keepdim=True).clamp(min=1)
    return torch.einsum("bk,bkd->bd", weights, keys)[:, None].expand(x.shape)
