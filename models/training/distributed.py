"""Data-parallel training: each process computes its share of every batch, and gradients are summed over processes.

Without an initialized process group of `torch.distributed` there is one process, and nothing is sent.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from models.types import I64


@dataclass(frozen=True)
class DistContext:
    """Position of this process in the group."""

    rank: int = 0
    """Rank 0 validates, reports progress and writes checkpoints."""
    world_size: int = 1

    @classmethod
    def current(cls) -> "DistContext":
        """Return the context of this process."""
        if distributed.is_available() and distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        return cls()

    def shard(self, rows: I64) -> I64:
        """Return this rank's part of a batch; it is empty on some ranks if there are fewer rows than processes."""
        return rows[self.rank :: self.world_size]

    def broadcast(self, tensor: Tensor) -> Tensor:
        """Replace `tensor` by that of rank 0 and return it."""
        if self.world_size > 1:
            distributed.broadcast(tensor, 0)
        return tensor

    def all_reduce_sum(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its sum over all ranks."""
        if self.world_size > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)

    def sum_gradients(self, model: nn.Module) -> None:
        """Sum the gradients of every parameter; ranks without rows add zeros."""
        if self.world_size > 1:
            for parameter in model.parameters():
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            self.all_reduce_sum([parameter.grad for parameter in model.parameters() if parameter.grad is not None])

    def average_batchnorm_stats(self, model: nn.Module) -> None:
        """Average the running means and variances of batch normalization over all ranks: each has seen other clips."""
        if self.world_size > 1:
            stats = [buffer for name, buffer in model.named_buffers() if "running_" in name]
            self.all_reduce_sum(stats)
            for buffer in stats:
                buffer.div_(self.world_size)
