"""Where a training stands after an epoch. Whoever goes on from there, alone and on one thread, gets the very weights of one that
was never interrupted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.top_n import Tensors

MODEL, BEST, ADAM = "model.", "best.", "adam."


@dataclass(frozen=True)
class Progress:
    """After an epoch."""

    model: dict[str, Tensor]
    """Weights and buffers."""
    best: dict[str, Tensor]
    """Those of the best epoch so far."""
    best_epoch: int
    best_loss: float
    moments: dict[int, dict[str, Tensor]]
    """AdamW's, by the number of the parameter."""
    drawn: dict[str, Tensor]
    """States of the generators: `own` of order and variation, `torch` and, on a GPU, `cuda` of dropout."""
    history: NDArray[np.float64]
    """[E, 3] loss in training, loss and accuracy of the held tracks."""

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.history)


def as_arrays(progress: Progress) -> Tensors:
    """By name, as a checkpoint keeps them."""
    found: Tensors = {
        "best_epoch": np.array(progress.best_epoch),
        "best_loss": np.array(progress.best_loss),
        "history": progress.history,
    }
    for begin, states in ((MODEL, progress.model), (BEST, progress.best), ("drawn.", progress.drawn)):
        found |= {begin + name: _plain(value) for name, value in states.items()}
    for number, moments in progress.moments.items():
        found |= {f"{ADAM}{number}.{name}": _plain(value) for name, value in moments.items()}
    return found


def _plain(value: Tensor) -> NDArray[Any]:
    # safetensors wants arrays that lie in one piece
    return np.ascontiguousarray(value.detach().cpu().numpy()).reshape(tuple(value.shape))


def of_arrays(arrays: Tensors) -> Progress:
    """What `as_arrays` made. Raises KeyError where it is something else."""

    def under(begin: str) -> dict[str, Tensor]:
        # copies: torch wants arrays that may be written to
        return {n.removeprefix(begin): torch.from_numpy(np.array(value)) for n, value in arrays.items() if n.startswith(begin)}

    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in under(ADAM).items():
        number, _, kind = name.partition(".")
        moments.setdefault(int(number), {})[kind] = value
    best, loss = int(arrays["best_epoch"]), float(arrays["best_loss"])
    return Progress(under(MODEL), under(BEST), best, loss, moments, under("drawn."), np.array(arrays["history"]))


def generators(rng: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """Their states now."""
    found = {"own": rng.get_state(), "torch": torch.get_rng_state()}
    return found | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def take_up(
    progress: Progress,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    rng: torch.Generator,
    steps: int,
) -> None:
    """Put model, optimiser, schedule and generators where they stood after so many `steps`; all of them fresh before."""
    model.load_state_dict(progress.model)
    optimiser.load_state_dict({"state": progress.moments, "param_groups": optimiser.state_dict()["param_groups"]})
    # rates follow from the number of the step alone
    schedule.load_state_dict({**schedule.state_dict(), "last_epoch": steps - 1, "_step_count": steps})
    schedule.step()
    rng.set_state(progress.drawn["own"])
    torch.set_rng_state(progress.drawn["torch"])
    if "cuda" in progress.drawn and torch.cuda.is_available():
        torch.cuda.set_rng_state(progress.drawn["cuda"], next(model.parameters()).device)
