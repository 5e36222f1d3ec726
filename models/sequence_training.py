"""Training of session networks: newest sessions for validation, the training loop, the loss."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from models.data.sequences import DAY, PriorFeatures, SequenceBatch, SequenceDataset
from models.data.sessions import SessionQueries, Sessions, every_position
from models.sequence_losses import LossConfig, loss_sum
from models.sequence_network import SequenceNetwork, SequenceNetworkConfig, SessionNetworkModel, output_of
from models.torch_device import best_device
from models.training import loop
from models.training.checkpoint import EpochReport, TrainState
from models.training.deterministic import deterministic
from models.training.loop import TrainConfig
from models.training.sampled import NegativeSampler

METRICS_AT = 20
"""List length of the validation metrics."""
PriorFactory = Callable[[Sessions], PriorFeatures]
"""Fits prior features on the sessions that the network is trained on."""


OPTIMIZATION = TrainConfig(epochs=10, batch_size=128, lr=2e-3, weight_decay=0.0)
"""Defaults of the optimization."""


@dataclass(frozen=True)
class SequenceTrainConfig:
    """Training of a session network."""

    optimization: TrainConfig = field(default_factory=lambda: OPTIMIZATION)
    loss: LossConfig = field(default_factory=LossConfig)
    val_share: float = 0.0  # newest share of the sessions, on which the best epoch is chosen; 0: the last epoch is taken
    recent_days: float = 0.0  # train only on sessions that ended so many days before the newest; 0: on all


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained model (on the CPU, in eval mode) with its history."""

    model: SessionNetworkModel
    history: tuple[EpochReport, ...]
    best_epoch: int


def fit_network(
    build: Callable[[], SequenceNetwork],
    sessions: Sessions,
    cfg: SequenceTrainConfig,
    on_epoch: Callable[[EpochReport], object] = lambda _: None,
    resume_from: TrainState | None = None,
    save_checkpoint: Callable[[TrainState], object] = lambda _: None,
    prior: PriorFactory | None = None,
) -> TrainedNetwork:
    """Train the network that `build` returns at every position of the sessions, and return it.

    `on_epoch`, `resume_from`, `save_checkpoint`: as in `models.training.loop.fit`. `prior` is fitted on the training
    sessions, without those of validation.

    Raises ValueError without any session of two plays, or if the number of prior features differs from the network's.
    """
    with deterministic(cfg.optimization.threads, cfg.optimization.seed):
        train, valid = split_newest(sessions, cfg.val_share)
        train = recent(train, cfg.recent_days)
        features = prior(train) if prior else None
        network = build()
        _check(network.cfg, train, features)
        set_counts(network, train, cfg.loss)
        network.to(best_device())
        model = SessionNetworkModel(network, features)
        dataset = SequenceDataset(train, network.cfg.inputs, network.cfg.n_items, features)
        objective = SequenceObjective(model, cfg.loss, every_position(valid, train)[0])
        settings = json.dumps([type(network).__name__, asdict(network.cfg), asdict(cfg)], sort_keys=True)
        run = loop.fit(network, objective, dataset, cfg.optimization, on_epoch, resume_from, save_checkpoint, settings)
        network.cpu().eval()
    return TrainedNetwork(model, run.history, run.best_epoch)


def split_newest(sessions: Sessions, share: float) -> tuple[Sessions, Sessions]:
    """Return (training, validation) sessions; validation gets the newest share."""
    newest = np.arange(len(sessions)) >= len(sessions) - round(share * len(sessions))
    return sessions.select(~newest), sessions.select(newest)


def recent(sessions: Sessions, days: float) -> Sessions:
    """Return the sessions that ended so many days before the newest; 0: all."""
    if not days or not len(sessions):
        return sessions
    return sessions.select(sessions.ends >= sessions.ends[-1] - days * DAY)


def _check(cfg: SequenceNetworkConfig, train: Sessions, features: PriorFeatures | None) -> None:
    if not (train.lengths > 1).any():
        raise ValueError("need at least one training session of two plays")
    if cfg.n_items != train.n_items:
        raise ValueError(f"the network has {cfg.n_items} items, the sessions have {train.n_items}")
    n_features = features.n_features if features else 0
    if cfg.n_prior_features != n_features:
        raise ValueError(f"the network has {cfg.n_prior_features} prior features, the source has {n_features}")


def set_counts(network: SequenceNetwork, sessions: Sessions, loss: LossConfig) -> None:
    """Set the item counts, and the initial bias of softmax losses to the log-probability of each item."""
    counts = torch.from_numpy(np.bincount(sessions.items, minlength=sessions.n_items)).float()
    network.counts.copy_(counts)
    if loss.name.endswith("softmax"):
        with torch.no_grad():
            network.bias.copy_(torch.log((counts + 1) / (counts + 1).mean()))


@dataclass(frozen=True)
class SequenceObjective:
    """The loop's objective of session networks."""

    model: SessionNetworkModel
    loss_config: LossConfig
    queries: SessionQueries
    """Every position of the validation sessions."""

    def loss(self, model: nn.Module, batch: SequenceBatch) -> tuple[Tensor, Tensor]:
        """Return loss sum and weight of a batch."""
        network = self.model.network
        batch = batch.to(network.bias.device)
        alpha = 0.0 if self.loss_config.name.endswith("bce") else self.loss_config.alpha
        sampler = NegativeSampler.of_counts(network.counts, alpha)
        total = loss_sum(self.loss_config, sampler, output_of(model, batch), batch.targets, batch.weights)
        return total, batch.weights.sum()

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return hit rate and MRR of the validation queries; the loss, which decides about the best epoch, is 1 - MRR."""
        assert model is self.model.network
        if not len(self.queries):
            return {}
        ranked = self.model.recommend(self.queries, METRICS_AT)
        hits = ranked.items == self.queries.items[self.queries.ends][:, None]
        mrr = float((hits / np.arange(1, METRICS_AT + 1)).sum(1).mean())
        return {"loss": 1 - mrr, f"hr@{METRICS_AT}": float(hits.any(1).mean()), f"mrr@{METRICS_AT}": mrr}
