"""Position of a process in data-parallel training, and what the processes exchange.

Without an initialized process group of `torch.distributed` there is one process, and nothing is sent.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class DistContext:
    """Rank of this process, and the number of processes."""

    rank: int = 0
    """Rank 0 reports progress and writes checkpoints."""
    world_size: int = 1

    @classmethod
    def current(cls) -> "DistContext":
        """Return the context of this process."""
        if distributed.is_available() and distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        return cls()

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model as DistributedDataParallel, or as it is for a single process.

        Buffers stay local during an epoch; `average_batchnorm_stats` aligns them afterwards.
        """
        if self.world_size == 1:
            return model
        device = next(model.parameters()).device
        device_ids = [device] if device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=device_ids, broadcast_buffers=False)

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of `tensor` over all ranks; the same bits on every rank."""
        if self.world_size > 1:
            tensor = tensor.clone()
            distributed.all_reduce(tensor)
        return tensor

    def broadcast(self, tensor: Tensor) -> Tensor:
        """Return `tensor` of rank 0."""
        if self.world_size > 1:
            tensor = tensor.clone()
            distributed.broadcast(tensor, 0)
        return tensor

    def average_batchnorm_stats(self, model: nn.Module) -> None:
        """Average the running statistics of batch normalization over all ranks: each has seen other samples."""
        if self.world_size > 1:
            with torch.no_grad():
                for name, buffer in model.named_buffers():
                    if name.endswith(("running_mean", "running_var")):
                        buffer.copy_(self.sum(buffer) / self.world_size)
