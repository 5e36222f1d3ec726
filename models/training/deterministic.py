"""Reproducible training: seed, thread count and algorithms of torch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic(threads: int, seed: int) -> Iterator[None]:
    """Seed torch, fix its thread count and cuDNN's algorithms; restore seed and threads afterwards."""
    previous = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(previous)
