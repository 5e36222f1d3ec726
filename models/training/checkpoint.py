"""State of a training after an epoch.

A single-threaded training that resumes from it gives the weights of an uninterrupted one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.protocol import Tensors
from models.types import F64

MODEL, BEST, ADAM, RNG = "model.", "best.", "adam.", "drawn."
"""Prefixes of the tensors in a checkpoint."""


@dataclass(frozen=True)
class TrainState:
    """Everything that the next epoch depends on."""

    model: dict[str, Tensor]
    """Weights and buffers."""
    best: dict[str, Tensor]
    """Weights and buffers of the best epoch so far."""
    best_epoch: int
    best_loss: float
    optimizer: dict[int, dict[str, Tensor]]
    """AdamW's moments by parameter number."""
    rng: dict[str, Tensor]
    """Generator states: `own` (order and augmentation), `torch` and, on a GPU, `cuda` (dropout)."""
    history: F64
    """[E, 3] training loss, validation loss, validation accuracy."""

    @property
    def epochs(self) -> int:
        """The number of completed epochs."""
        return len(self.history)


def to_tensors(state: TrainState) -> Tensors:
    """Return the state as named arrays for a checkpoint."""
    tensors: Tensors = {
        "best_epoch": np.array(state.best_epoch),
        "best_loss": np.array(state.best_loss),
        "history": state.history,
    }
    for prefix, values in ((MODEL, state.model), (BEST, state.best), (RNG, state.rng)):
        tensors |= {prefix + name: _to_array(value) for name, value in values.items()}
    for number, moments in state.optimizer.items():
        tensors |= {f"{ADAM}{number}.{name}": _to_array(value) for name, value in moments.items()}
    return tensors


def _to_array(value: Tensor) -> NDArray[Any]:
    # safetensors needs contiguous arrays
    return np.ascontiguousarray(value.detach().cpu().numpy()).reshape(tuple(value.shape))


def from_tensors(tensors: Tensors) -> TrainState:
    """Return the state that `to_tensors` saved. Raises KeyError for other tensors."""

    def with_prefix(prefix: str) -> dict[str, Tensor]:
        # copies: torch needs writable arrays
        return {
            n.removeprefix(prefix): torch.from_numpy(np.array(v)) for n, v in tensors.items() if n.startswith(prefix)
        }

    optimizer: dict[int, dict[str, Tensor]] = {}
    for name, value in with_prefix(ADAM).items():
        number, _, moment = name.partition(".")
        optimizer.setdefault(int(number), {})[moment] = value
    best_epoch, best_loss = int(tensors["best_epoch"]), float(tensors["best_loss"])
    history = np.array(tensors["history"])
    return TrainState(
        with_prefix(MODEL), with_prefix(BEST), best_epoch, best_loss, optimizer, with_prefix(RNG), history
    )


def rng_states(rng: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """Return the current states of all generators."""
    states = {"own": rng.get_state(), "torch": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def restore(
    state: TrainState,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    rng: torch.Generator,
    steps: int,
) -> None:
    """Load the state after `steps` into a new model, optimizer, schedule and generators."""
    model.load_state_dict(state.model)
    optimizer.load_state_dict({"state": state.optimizer, "param_groups": optimizer.state_dict()["param_groups"]})
    # learning rates depend on the step number only
    schedule.load_state_dict({**schedule.state_dict(), "last_epoch": steps - 1, "_step_count": steps})
    schedule.step()
    rng.set_state(state.rng["own"])
    torch.set_rng_state(state.rng["torch"])
    if "cuda" in state.rng and torch.cuda.is_available():
        torch.cuda.set_rng_state(state.rng["cuda"], next(model.parameters()).device)
