"""The training loop: any torch module and objective, in one process or several.

Order, augmentation and dropout of an epoch follow from (seed, epoch, rank) alone. With one thread,
a training that resumes after an epoch has the weights of an uninterrupted one, with equal bits on every rank. With two
threads the last digits may differ. Several ranks compute the loss of one: the mean over the global batch.
"""

import copy
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from models.training.batches import LengthBatches
from models.training.checkpoint import CheckpointMismatchError, EpochReport, TrainState
from models.training.deterministic import deterministic
from models.training.distributed import DistContext
from models.types import I64

B = TypeVar("B")
B_contra = TypeVar("B_contra", contravariant=True)


@dataclass(frozen=True)
class TrainConfig:
    """Hyper-parameters of the optimization."""

    epochs: int = 8
    batch_size: int = 128  # over all ranks
    lr: float = 1e-3  # peak of a one-cycle schedule
    weight_decay: float = 0.01
    clip_norm: float = 5.0
    warmup_share: float = 0.2  # of all steps
    patience: int = 4  # epochs without a better validation loss before stopping
    threads: int = 2  # the same on every machine; with 1, equal trainings give equal bits
    seed: int = 7


class Objective(Protocol[B_contra]):
    """What is minimized, and what is measured."""

    def loss(self, model: nn.Module, batch: B_contra) -> tuple[Tensor, Tensor]:
        """Return the sum of the batch's losses and the sum of its weights; their quotient is the mean loss."""

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Return validation metrics, `loss` among them; empty without validation data. Runs on every rank."""


class TrainingDivergedError(ValueError):
    """A loss is infinite or not a number."""


@dataclass(frozen=True)
class FitResult:
    """Course of a training."""

    history: tuple[EpochReport, ...]
    best_epoch: int


def fit(
    model: nn.Module,
    objective: Objective[B],
    train: Dataset[B],
    cfg: TrainConfig,
    on_epoch: Callable[[EpochReport], object] = lambda _: None,
    resume_from: TrainState | None = None,
    save_checkpoint: Callable[[TrainState], object] = lambda _: None,
    settings: str = "",
) -> FitResult:
    """Train `model` in place and leave it with the weights of the best epoch; without validation data with the last.

    Seed and thread count are those of `cfg`; torch's own are restored afterwards.
    `train`: a map-style dataset whose `__getitems__` returns a batch. If their number is no multiple of the world size,
    DistributedSampler repeats up to world size - 1 samples per epoch. A dataset with an array `lengths` [N] gets batches
    of similar length. `on_epoch(report)` and `save_checkpoint(state)` run after every epoch, on rank 0 only.
    `settings`: of network and loss; a checkpoint must agree with them too.

    Raises ValueError if the batch size is no multiple of the world size, TrainingDivergedError if a loss is not finite,
    and CheckpointMismatchError if `resume_from` is of another configuration or world size, or not of the same epoch on
    every rank.
    """
    with deterministic(cfg.threads, cfg.seed):
        run = _Run(model, objective, train, cfg, settings)
        if resume_from:
            run.restore(resume_from)
        run.require_same_epoch()
        while run.epoch < cfg.epochs and run.epoch - run.best_epoch < cfg.patience:
            report = run.train_epoch()
            if run.dist.rank == 0:
                on_epoch(report)
                save_checkpoint(run.state())
        model.load_state_dict(run.best)
    return FitResult(tuple(run.history), run.best_epoch)


class _Run:
    """A training in progress."""

    def __init__(
        self, model: nn.Module, objective: Objective[B], train: Dataset[B], cfg: TrainConfig, settings: str
    ) -> None:
        self.dist = dist = DistContext.current()
        if cfg.batch_size % dist.world_size:
            raise ValueError(f"the batch size {cfg.batch_size} must be a multiple of the {dist.world_size} processes")
        self._model, self._net, self._objective, self._cfg = model, dist.wrap(model), objective, cfg
        self._settings = settings
        self._sampler, self._loader = _make_loader(train, cfg, dist)
        self._optimizer: Optimizer = AdamW(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
        # OneCycleLR divides by the number of warm-up steps minus one
        steps = max(cfg.epochs * len(self._loader), round(1 / cfg.warmup_share)) + 1
        self._schedule: LRScheduler = OneCycleLR(self._optimizer, cfg.lr, steps, pct_start=cfg.warmup_share)
        self.history: list[EpochReport] = []
        self.best, self.best_epoch, self.best_loss = model.state_dict(), 0, float("inf")

    @property
    def epoch(self) -> int:
        """The number of completed epochs."""
        return len(self.history)

    def train_epoch(self) -> EpochReport:
        """Train and validate one epoch; update history and best weights."""
        epoch = self.epoch + 1
        self._sampler.set_epoch(epoch)
        torch.manual_seed(epoch_seed(self._cfg.seed, epoch, self.dist.rank))
        self._net.train()
        # order of summation does not depend on the number of batches per rank
        totals = torch.stack([self._step(batch) for batch in self._loader]).sum(0)
        total, weight = self.dist.sum(totals).tolist()
        self.dist.average_batchnorm_stats(self._model)
        self._model.eval()
        metrics = self._agree(self._objective.validate(self._model))
        report = EpochReport(epoch, self._cfg.epochs, total / weight, metrics)
        self.history.append(report)
        loss = metrics.get("loss")
        if not math.isfinite(report.train_loss) or not math.isfinite(loss or 0.0):
            raise TrainingDivergedError(
                f"The training diverged in epoch {epoch}: its loss is {report.train_loss}, the validation loss {loss}; take a "
                f"lower learning rate than {self._cfg.lr:g}, and look for values in the data that are not finite."
            )
        if loss is None or loss < self.best_loss:
            self.best, self.best_epoch = copy.deepcopy(self._model.state_dict()), epoch
            self.best_loss = float("inf") if loss is None else loss
        return report

    def require_same_epoch(self) -> None:
        """Raise CheckpointMismatchError on every rank if one rank has another state: it could not read the checkpoint."""
        epoch = torch.tensor([float(self.epoch), float(self.epoch) ** 2], dtype=torch.float64)
        total, squares = self.dist.sum(epoch.to(next(self._model.parameters()).device)).tolist()
        if total**2 != squares * self.dist.world_size:
            raise CheckpointMismatchError(
                "Not every process could read the checkpoint; make its folder readable on all machines and run again."
            )

    def _step(self, batch: Any) -> Tensor:
        """Take one optimizer step. Returns (loss sum, weight) [2] of this rank, float64."""
        loss_sum, weight = self._objective.loss(self._net, batch)
        # DDP averages gradients over ranks: this gives the mean over the global batch
        loss = loss_sum * self.dist.world_size / self.dist.sum(weight.detach())
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._model.parameters(), self._cfg.clip_norm)
        self._optimizer.step()
        self._schedule.step()
        return torch.stack([loss_sum.detach().double(), weight.detach().double()])

    def _agree(self, metrics: dict[str, float]) -> dict[str, float]:
        """Return the metrics of rank 0, so that all ranks stop at the same epoch."""
        device = next(self._model.parameters()).device
        values = torch.tensor(list(metrics.values()), dtype=torch.float64).to(device)
        return dict(zip(metrics, self.dist.broadcast(values).tolist(), strict=True))

    def _fingerprint(self) -> str:
        shapes = {name: list(value.shape) for name, value in self._model.state_dict().items()}
        values = {"config": asdict(self._cfg), "shapes": shapes, "world_size": self.dist.world_size}
        # without settings the fingerprint is that of older checkpoints
        return json.dumps({**values, "settings": self._settings} if self._settings else values, sort_keys=True)

    def state(self) -> TrainState:
        """Return a copy of the current state."""
        model, optimizer = copy.deepcopy(self._model.state_dict()), copy.deepcopy(self._optimizer.state_dict()["state"])
        return TrainState(
            model, self.best, self.best_epoch, self.best_loss, optimizer, tuple(self.history), self._fingerprint()
        )

    def restore(self, state: TrainState) -> None:
        """Continue from a state. Raises CheckpointMismatchError."""
        if state.fingerprint != self._fingerprint():
            raise CheckpointMismatchError(
                "The checkpoint is of another configuration, network or number of processes; delete it to train from the start."
            )
        self._model.load_state_dict(state.model)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state.optimizer, "param_groups": groups})
        # learning rates follow from the number of the step
        steps = state.epoch * len(self._loader)
        self._schedule.load_state_dict({**self._schedule.state_dict(), "last_epoch": steps - 1, "_step_count": steps})
        self._schedule.step()
        self.history = list(state.history)
        self.best, self.best_epoch, self.best_loss = state.best, state.best_epoch, state.best_loss


def _make_loader(
    train: Dataset[B], cfg: TrainConfig, dist: DistContext
) -> tuple[DistributedSampler[Any] | LengthBatches, DataLoader[Any]]:
    """Return the loader of this rank's batches, and the sampler that decides their order."""
    lengths: I64 | None = getattr(train, "lengths", None)
    if lengths is not None:
        batches = LengthBatches(lengths, cfg.batch_size, dist, cfg.seed)
        return batches, DataLoader(train, batch_sampler=batches, collate_fn=lambda batch: batch)
    sampler: DistributedSampler[Any] = DistributedSampler(
        train, dist.world_size, dist.rank, shuffle=True, seed=cfg.seed
    )
    size = cfg.batch_size // dist.world_size
    return sampler, DataLoader(train, size, sampler=sampler, collate_fn=lambda batch: batch)


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """Return the seed of all random numbers that a rank draws in an epoch."""
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0])
