"""Several processes that train one network together: each takes its share of every batch, and their gradients are added up.

Without a group (`torch.distributed` was not begun) there is one process, and nothing is sent.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Group:
    """Who trains together."""

    rank: int = 0
    """This process's number; 0 looks at the held tracks, tells, and keeps."""
    size: int = 1

    def share(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's part of a batch; none where there are fewer rows than processes."""
        return rows[self.rank :: self.size]

    def as_the_first(self, value: Tensor) -> Tensor:
        """What process 0 has of this."""
        if self.size > 1:
            distributed.broadcast(value, 0)
        return value

    def add_up(self, values: list[Tensor]) -> None:
        """Put the sum over all processes in the place of each."""
        if self.size > 1:
            for value in values:
                distributed.all_reduce(value)

    def add_gradients(self, model: nn.Module) -> None:
        """Of every weight; a process without rows has none of its own."""
        if self.size > 1:
            for weight in model.parameters():
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            self.add_up([weight.grad for weight in model.parameters() if weight.grad is not None])

    def level(self, model: nn.Module) -> None:
        """Give all processes the mean of their running means and variances (batch normalisation): each has seen other clips."""
        if self.size > 1:
            found = [buffer for name, buffer in model.named_buffers() if "running_" in name]
            self.add_up(found)
            for buffer in found:
                buffer.div_(self.size)


def group() -> Group:
    """The one that this process is in."""
    if distributed.is_available() and distributed.is_initialized():
        return Group(distributed.get_rank(), distributed.get_world_size())
    return Group()
