"""GRU4Rec (Hidasi et al. 2016; Hidasi, Karatzoglou 2018): a recurrent network over the plays of a session.

A row of a batch is one session, and its state starts at zero. So no state can pass from one session to the next, as it
does in session-parallel batches whose reset is forgotten. Gradients go through the session; the authors' program cuts
them at every step. Its optimizer is Adagrad with momentum; here it is the loop's AdamW.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from models.sequence_losses import LossConfig
from models.sequence_network import SequenceNetwork, SequenceNetworkConfig

CROSS_ENTROPY = LossConfig("sampled_softmax", in_batch=True, log_q="official", mask_hits=False)
"""The authors' cross-entropy with logQ."""
BPR_MAX = LossConfig("bpr_max", bpreg=1.85, elu=1.0, alpha=0.2, mask_hits=False)
"""The authors' BPR-max, with their parameters of the Coveo data."""


@dataclass(frozen=True)
class GRU4RecConfig(SequenceNetworkConfig):
    """Size and dropout of GRU4Rec. Tied item vectors are what the authors call a constrained embedding."""

    layers: int = 1
    embedding_dropout: float = 0.2
    hidden_dropout: float = 0.2


def improved_gru4rec(n_items: int, **values: Any) -> GRU4RecConfig:
    """Return the configuration of Tan, Xu, Liu 2016: plays of the input are dropped, output vectors are separate.

    It is trained with the full softmax at all prefixes, which are all positions here. Training on recent plays against
    the time shift is `SequenceTrainConfig.recent_days`.
    """
    return GRU4RecConfig(n_items, **{"item_dropout": 0.25, "tied": False, "embedding_dropout": 0.0, **values})


class GRU4Rec(SequenceNetwork):
    """Gated recurrent unit."""

    cfg: GRU4RecConfig

    def __init__(self, cfg: GRU4RecConfig) -> None:
        super().__init__(cfg)
        self.embedding_dropout, self.hidden_dropout = nn.Dropout(cfg.embedding_dropout), nn.Dropout(cfg.hidden_dropout)
        self.norm = nn.LayerNorm(cfg.dim)
        self.gru = nn.GRU(cfg.dim, cfg.dim, cfg.layers, batch_first=True)

    def encode(self, x: Tensor) -> Tensor:
        """Return hidden states [B, L, D]."""
        hidden, _ = self.gru(self.norm(self.embedding_dropout(x)))
        output: Tensor = self.hidden_dropout(hidden)
        return output
