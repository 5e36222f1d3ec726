"""Batches of samples of similar length, which saves padding."""

import math
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from models.training.distributed import DistContext
from models.types import I64

POOL_BATCHES = 16
"""Batches per pool. A pool holds random samples, sorted by length; so a batch is random but for the lengths."""


class LengthBatches(Sampler[list[int]]):
    """This rank's part of each global batch of an epoch.

    The global batches follow from (seed, epoch) alone, not from the number of ranks. A last batch that is no multiple of
    the world size repeats up to world size - 1 of its samples.
    """

    def __init__(self, lengths: I64, batch_size: int, dist: DistContext, seed: int) -> None:
        """`lengths` [N] of the samples; `batch_size` over all ranks."""
        self._lengths, self._batch_size, self._dist, self._seed = lengths, batch_size, dist, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that is iterated over next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self._lengths) / self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rank, world_size = self._dist.rank, self._dist.world_size
        for batch in self._global_batches():
            full = np.resize(batch, math.ceil(len(batch) / world_size) * world_size)
            yield full[rank::world_size].tolist()

    def _global_batches(self) -> list[I64]:
        rng = np.random.default_rng([self._seed, self._epoch])
        order, size = rng.permutation(len(self._lengths)), self._batch_size
        pools = [order[i : i + POOL_BATCHES * size] for i in range(0, len(order), POOL_BATCHES * size)]
        by_length = [pool[np.argsort(self._lengths[pool], kind="stable")] for pool in pools]
        batches = [pool[i : i + size] for pool in by_length for i in range(0, len(pool), size)]
        return [batches[i] for i in rng.permutation(len(batches))]
