"""State of a training after an epoch, and its conversion to named arrays (safetensors; nothing is pickled)."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.types import Tensors

MODEL, BEST, OPTIMIZER, META = "model.", "best.", "optimizer.", "meta"
"""Prefixes of the arrays in a checkpoint, and the name of its JSON."""


class CheckpointMismatchError(ValueError):
    """A checkpoint belongs to another configuration, network or number of processes."""


@dataclass(frozen=True)
class EpochReport:
    """Metrics of an epoch."""

    epoch: int
    epochs: int
    train_loss: float
    metrics: dict[str, float]
    """Validation metrics; `loss` decides about the best epoch. Empty without validation data."""


@dataclass(frozen=True)
class TrainState:
    """Everything that the next epoch depends on.

    Generator states are not part of it: random numbers follow from (seed, epoch, rank).
    """

    model: dict[str, Tensor]
    """Weights and buffers."""
    best: dict[str, Tensor]
    """Weights and buffers of the best epoch so far."""
    best_epoch: int
    best_loss: float
    optimizer: dict[int, dict[str, Tensor]]
    """Optimizer state by parameter number."""
    history: tuple[EpochReport, ...]
    fingerprint: str
    """Configuration, parameter shapes and number of processes."""

    @property
    def epoch(self) -> int:
        """The number of completed epochs."""
        return len(self.history)


def to_tensors(state: TrainState) -> Tensors:
    """Return the state as named arrays."""
    meta = {
        "best_epoch": state.best_epoch,
        "best_loss": state.best_loss,
        "history": [asdict(report) for report in state.history],
        "fingerprint": state.fingerprint,
    }
    tensors: Tensors = {META: np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    for prefix, values in ((MODEL, state.model), (BEST, state.best)):
        tensors |= {prefix + name: _to_array(value) for name, value in values.items()}
    for number, values in state.optimizer.items():
        tensors |= {f"{OPTIMIZER}{number}.{name}": _to_array(value) for name, value in values.items()}
    return tensors


def _to_array(value: Tensor) -> NDArray[Any]:
    # safetensors needs contiguous arrays
    return np.ascontiguousarray(value.detach().cpu().numpy()).reshape(tuple(value.shape))


def from_tensors(tensors: Tensors) -> TrainState:
    """Return the state that `to_tensors` converted. Raises KeyError for other arrays."""
    meta = json.loads(tensors[META].tobytes())

    def with_prefix(prefix: str) -> dict[str, Tensor]:
        # copies: torch needs writable arrays
        return {
            n.removeprefix(prefix): torch.from_numpy(np.array(v)) for n, v in tensors.items() if n.startswith(prefix)
        }

    optimizer: dict[int, dict[str, Tensor]] = {}
    for name, value in with_prefix(OPTIMIZER).items():
        number, _, key = name.partition(".")
        optimizer.setdefault(int(number), {})[key] = value
    history = tuple(EpochReport(**report) for report in meta["history"])
    best_epoch, best_loss, fingerprint = meta["best_epoch"], meta["best_loss"], meta["fingerprint"]
    return TrainState(with_prefix(MODEL), with_prefix(BEST), best_epoch, best_loss, optimizer, history, fingerprint)
