"""HARM: attention of the user over the domains of a track, and self-attention over the plays of a history.

Source: "Music recommendation based on multilayer attention representation", Scientific Programming (Hindawi). With e_ij the
embedding of domain j of track i (id, artist, genre, audio, text), e_u that of the user, and f_l the play at position l:

    q     = ReLU(e_u V + b_u)                                     the user's query                      (Eq. 1)
    r_i   = sum_j a_ij e_ij,  a_ij = softmax_j(q . e_ij / sqrt(D))    the track for this user           (Eq. 2)
    F     = R + C                                                 plays with their positions
    A     = softmax(Q K' / sqrt(D)),  Q = ReLU(F) W_Q + b_Q,  K = ReLU(F) W_K + b_K                     (Eq. 3)
    O     = A F                                                                                         (Eq. 4)
    u     = concat(O_1, ..., O_L) W_U                                                                   (Eq. 5)
    score = u . r_t                                               softmax over tracks in training       (Eq. 6)

Left out: age and gender in e_u. Mended where the print is wrong: Eq. 2 sums over k and indexes j, and never defines a;
Eq. 5's W_U must be [L D, D]; the regularizer of Eq. 8 is |theta|^2 (weight decay); Eq. 9's negative term needs log
sigmoid(-u . r'), and is replaced by the softmax over all tracks or over sampled ones with logQ. A history ends before
its target: no mask can leak the future.

The score is linear in the plays: c_m = r_t . sum_l A_lm f_m W_U^(l) is the contribution of play m, and the sum over m is the
score but for the popularity bias. `explain` returns these and a_tj: "because you played ...", "for the artist".
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.data.histories import HistoryBatch
from models.data.items import ItemDomains
from models.types import Mask


@dataclass(frozen=True)
class HARMConfig:
    """Size and regularization of the network."""

    dim: int = 64  # D, of all embeddings
    length: int = 20  # L, plays of a history
    dropout: float = 0.2  # of the embeddings of plays
    id_dropout: float = 0.2  # share of ids that training hides, so that the other domains alone can rank a track
    user_dropout: float = 0.1  # share of users that training hides, so that unknown users get a useful query


class DomainEmbeddings(nn.Module):
    """Embeddings e_ij of the domains of items: the id first, then the domains of `ItemDomains`."""

    known: Tensor

    def __init__(self, domains: ItemDomains, has_plays: Mask, dim: int, id_dropout: float) -> None:
        """`has_plays` [I]: items with plays in the training data; the id of any other is no domain."""
        super().__init__()
        sizes = domains.sizes
        self._id_dropout = id_dropout
        self.ids = nn.Embedding(domains.n_items, dim)
        self.tables = nn.ModuleDict({name: nn.Embedding(sizes[name], dim) for name in domains.categories})
        self.projections = nn.ModuleDict({name: nn.Linear(sizes[name], dim, bias=False) for name in domains.vectors})
        for embedding in (self.ids, *self.tables.values()):
            nn.init.normal_(embedding.weight, std=dim**-0.5)  # type: ignore[arg-type]
        for name, values in domains.tensors().items():
            self.register_buffer(f"domain_{name}", torch.from_numpy(values), persistent=False)  # not stored with the weights
        known = torch.cat([torch.from_numpy(has_plays)[:, None], torch.from_numpy(domains.known)], 1)
        self.register_buffer("known", known)
        self.names = ("track", *domains.names)

    def forward(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings [..., J, D] of `items` [...], and a mask [..., J] of the domains that each item has.

        An item without any domain keeps its id, whose embedding is then as random as before the training.
        """
        parts = [self.ids(items)]
        parts += [table(self.get_buffer(f"domain_{name}")[items]) for name, table in self.tables.items()]
        parts += [linear(self.get_buffer(f"domain_{name}")[items]) for name, linear in self.projections.items()]
        known = self.known[items]
        if self.training and len(self.names) > 1:
            hidden = torch.rand(items.shape, device=items.device) < self._id_dropout
            has_other = known[..., 1:].any(-1)
            known = torch.cat([(known[..., :1] & ~(hidden & has_other)[..., None]), known[..., 1:]], -1)
        first = torch.zeros_like(known)
        first[..., 0] = ~known.any(-1)
        return torch.stack(parts, -2), known | first


class HARM(nn.Module):
    """HARM's network."""

    def __init__(self, cfg: HARMConfig, domains: ItemDomains, has_plays: Mask, n_users: int) -> None:
        super().__init__()
        self.cfg, dim = cfg, cfg.dim
        self.embeddings = DomainEmbeddings(domains, has_plays, dim, cfg.id_dropout)
        self.users = nn.Embedding(n_users + 1, dim)  # 0: unknown
        nn.init.normal_(self.users.weight, std=dim**-0.5)
        self.query = nn.Linear(dim, dim)  # V, b_u
        self.positions = nn.Parameter(torch.randn(cfg.length, dim) * dim**-0.5)  # C
        self.to_q, self.to_k = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.to_user = nn.Parameter(torch.eye(dim).repeat(cfg.length, 1, 1) / cfg.length)  # W_U as [L, D, D]
        self.bias = nn.Parameter(torch.zeros(domains.n_items))  # popularity
        self.dropout = nn.Dropout(cfg.dropout)

    def forward(self, batch: HistoryBatch, candidates: Tensor) -> Tensor:
        """Return scores [B, C] of `candidates`: item ids [B, C] of each row, or [C] shared by all rows."""
        query = self._query(batch.users)
        attention, plays = self._attend(batch, query)
        outputs = attention @ plays  # O [B, L, D]
        user = torch.einsum("bld,ldn->bn", outputs, self.to_user)
        embeddings, known = self.embeddings(candidates)  # [B, C, J, D] or [C, J, D]
        rows = "bcjd" if candidates.ndim == 2 else "cjd"
        weights = self._domain_weights(query, embeddings, known, rows)  # [B, C, J]
        scores: Tensor = (weights * torch.einsum(f"bd,{rows}->bcj", user, embeddings)).sum(-1) + self.bias[candidates]
        return scores

    def explain(self, batch: HistoryBatch, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Return the domain weights a_tj [B, C, J] of `candidates` [B, C], and the contributions c_m [B, C, L] of plays."""
        query = self._query(batch.users)
        attention, plays = self._attend(batch, query)
        embeddings, known = self.embeddings(candidates)
        weights = self._domain_weights(query, embeddings, known, "bcjd")
        tracks = (weights[..., None] * embeddings).sum(-2)  # r_t [B, C, D]
        by_play = torch.einsum("blm,bmd,ldn->bmn", attention, plays, self.to_user)
        return weights, tracks @ by_play.transpose(1, 2)

    def _query(self, users: Tensor) -> Tensor:
        """Return q [B, D]."""
        if self.training:
            users = users.masked_fill(torch.rand(users.shape, device=users.device) < self.cfg.user_dropout, 0)
        return F.relu(self.query(self.users(users)))

    def _domain_weights(self, query: Tensor, embeddings: Tensor, known: Tensor, rows: str) -> Tensor:
        """Return a [B, ..., J]: zero for domains that an item does not have."""
        logits = torch.einsum(f"bd,{rows}->bcj", query, embeddings) / self.cfg.dim**0.5
        weights: Tensor = logits.masked_fill(~known, -torch.inf).softmax(-1)
        return weights

    def _attend(self, batch: HistoryBatch, query: Tensor) -> tuple[Tensor, Tensor]:
        """Return A [B, L, L] and F [B, L, D]; rows and columns of padding are 0."""
        valid = batch.valid
        embeddings, known = self.embeddings(batch.items.masked_fill(~valid, 0))  # [B, L, J, D]
        weights = self._domain_weights(query, embeddings, known, "bcjd")
        plays = self.dropout((weights[..., None] * embeddings).sum(-2) + self.positions)  # F [B, L, D]
        active = F.relu(plays)
        logits = self.to_q(active) @ self.to_k(active).transpose(1, 2) / self.cfg.dim**0.5
        # a finite number: the rows of an empty history must not become NaN
        attention = logits.masked_fill(~valid[:, None], -1e9).softmax(-1)
        return attention * (valid[:, None] & valid[:, :, None]), plays
