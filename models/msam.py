"""MSAM: audio, text and the sequence of plays, fused by two levels of additive attention.

Source: "Personalized music recommendation based on multi-source data fusion and attention mechanism". For play l:

    a_i  = MLP(x_i)                  audio vector i of the track                                   (Eq. 13)
    b_j  = TextCNN(tokens)_j         text at token j                                               (Eq. 14, 15)
    c    = BiLSTM([count / k, id, categories])_l                the play among the last k          (Eq. 16-18)
    a'   = U_a a + k_a,  b' = U_b b + k_b,  c' = U_c c + k_c                                       (Eq. 19-21)
    a_att = sum_i beta_i a'_i,  beta = softmax(u_a . relu(U a'_i + k)); b_att likewise             (Eq. 22, 23)
    z    = gamma_a a_att + gamma_b b_att + gamma_c c'           gamma likewise over the three      (Eq. 24)
    h*   = (LSTM(z_1 .. z_k) + LSTM(e_1 .. e_k)) / 2            e: embedding of the track          (Eq. 25)
    score = U h*                     softmax over tracks in training                               (Eq. 26)

Mended or chosen where the print is open: Eq. 4 omits sqrt(d); Eq. 19 and 22 give two layers one name; Eq. 24 uses c where
Eq. 21 has made c'; a source that a catalogue or a track does not have has weight 0. SiMF, the fusion of homogeneous
sources (Eq. 6-10), is a factorization of its own and no part of this network.

Scores of candidates come from U alone: a track without plays has the score of its initial row, as in the paper.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.data.histories import HistoryBatch
from models.data.items import ItemDomains
from models.text_cnn import TextCNN, token_mask
from models.types import F32


@dataclass(frozen=True)
class MSAMConfig:
    """Size and regularization; the paper's sizes are 100."""

    dim: int = 100
    length: int = 20  # k, plays of a history
    dropout: float = 0.2  # of z and of the embeddings


class AdditiveAttention(nn.Module):
    """Weights softmax(u . relu(U x + k)) over the vectors of a set (Eq. 22-24)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.hidden, self.score = nn.Linear(dim, dim), nn.Linear(dim, 1, bias=False)

    def forward(self, vectors: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted sum [N, D] of `vectors` [N, K, D], and the weights [N, K]; zeros where none is valid."""
        logits = self.score(F.relu(self.hidden(vectors))).squeeze(-1).masked_fill(~valid, -1e9)
        weights = logits.softmax(-1) * valid
        return torch.einsum("nk,nkd->nd", weights, vectors), weights


class MSAM(nn.Module):
    """MSAM's network."""

    def __init__(self, cfg: MSAMConfig, domains: ItemDomains, tokens: F32 | None = None) -> None:
        """`domains.vectors`: audio vectors; `domains.categories`: artist, label; `tokens` [I, T, E]: text."""
        super().__init__()
        self.cfg, dim, sizes = cfg, cfg.dim, domains.sizes
        self.names = tuple(domains.categories), tuple(domains.vectors)
        for name, values in domains.tensors().items():
            self.register_buffer(f"domain_{name}", torch.from_numpy(values), persistent=False)  # not stored with the weights
        self.ids = nn.Embedding(domains.n_items, dim)
        self.tables = nn.ModuleDict({name: nn.Embedding(sizes[name], dim) for name in domains.categories})
        self.audio = nn.ModuleDict(
            {n: nn.Sequential(nn.Linear(sizes[n], dim), nn.ReLU(), nn.Linear(dim, dim)) for n in domains.vectors}
        )
        self.audio_attention = AdditiveAttention(dim) if domains.vectors else None
        self.text = self.text_attention = None
        if tokens is not None:
            self.register_buffer("tokens", torch.from_numpy(tokens), persistent=False)
            self.text, self.text_attention = TextCNN(tokens.shape[2], dim), AdditiveAttention(dim)
        self.plays = nn.LSTM(1 + dim * (1 + len(self.tables)), dim, batch_first=True, bidirectional=True)
        self.to_c = nn.Linear(2 * dim, dim)
        self.fusion = AdditiveAttention(dim) if self.audio_attention or self.text_attention else None
        self.fused_lstm, self.plain_lstm = (nn.LSTM(dim, dim, batch_first=True) for _ in range(2))
        self.output = nn.Embedding(domains.n_items, dim)  # U
        self.bias = nn.Parameter(torch.zeros(domains.n_items))
        for embedding in (self.ids, self.output, *self.tables.values()):
            nn.init.normal_(embedding.weight, std=dim**-0.5)  # type: ignore[arg-type]
        self.dropout = nn.Dropout(cfg.dropout)

    def forward(self, batch: HistoryBatch, candidates: Tensor) -> Tensor:
        """Return scores [B, C] of `candidates`: item ids [B, C] of each row, or [C] shared by all rows."""
        order, valid = _to_the_left(batch)
        items = batch.items.gather(1, order).masked_fill(~valid, 0)  # padded on the right
        ids = self.dropout(self.ids(items))
        fused = self.dropout(self._fuse(items, ids, valid))
        last = (batch.lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, self.cfg.dim)
        states = [lstm(x)[0].gather(1, last).squeeze(1) for lstm, x in ((self.fused_lstm, fused), (self.plain_lstm, ids))]
        user = (states[0] + states[1]) / 2 * (batch.lengths > 0)[:, None]  # h* [B, D]
        rows = "bcd" if candidates.ndim == 2 else "cd"
        scores: Tensor = torch.einsum(f"bd,{rows}->bc", user, self.output(candidates)) + self.bias[candidates]
        return scores

    def _fuse(self, items: Tensor, ids: Tensor, valid: Tensor) -> Tensor:
        """Return z [B, L, D]."""
        c: Tensor = self.to_c(self._encode_plays(items, ids, valid))  # c' [B, L, D]
        if self.fusion is None:
            return c
        plays = items.flatten()  # [N], N = B L
        sources, has = [c.flatten(0, 1)], [torch.ones_like(plays, dtype=torch.bool)]
        if self.audio_attention is not None:
            vectors = [self.get_buffer(f"domain_{name}")[plays] for name in self.names[1]]
            known = torch.stack([(vector != 0).any(-1) for vector in vectors], 1)
            encoded = [self.audio[name](vector) for name, vector in zip(self.names[1], vectors, strict=True)]
            sources.append(self.audio_attention(torch.stack(encoded, 1), known)[0])
            has.append(known.any(1))
        if self.text is not None and self.text_attention is not None:
            tokens = self.get_buffer("tokens")[plays]
            mask = token_mask(tokens)
            sources.append(self.text_attention(self.text.features(tokens), mask)[0])
            has.append(mask.any(1))
        fused: Tensor = self.fusion(torch.stack(sources, 1), torch.stack(has, 1))[0]
        return fused.view(c.shape)

    def _encode_plays(self, items: Tensor, ids: Tensor, valid: Tensor) -> Tensor:
        """Return the states of the BiLSTM [B, L, 2 D] over [count / k, id, categories]."""
        same = (items[:, :, None] == items[:, None]) & valid[:, None] & valid[:, :, None]
        count = same.sum(-1, keepdim=True) / self.cfg.length  # score_A = m_A / k
        parts = [table(self.get_buffer(f"domain_{name}")[items]) for name, table in self.tables.items()]
        x = torch.cat([count.to(ids.dtype), ids, *parts], -1) * valid[..., None]
        lengths = valid.sum(1).clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        # packed, so that the backward direction begins at the newest play and not at padding
        states, _ = nn.utils.rnn.pad_packed_sequence(self.plays(packed)[0], batch_first=True, total_length=items.shape[1])
        masked: Tensor = states * valid[..., None]
        return masked


def _to_the_left(batch: HistoryBatch) -> tuple[Tensor, Tensor]:
    """Return the columns [B, L] that move the plays to the left, and the mask [B, L] of the moved plays."""
    length = batch.items.shape[1]
    column = torch.arange(length, device=batch.items.device)
    return (column + length - batch.lengths[:, None]) % length, column < batch.lengths[:, None]
