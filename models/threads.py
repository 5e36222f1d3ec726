"""Thread pool for fits."""

import os
from concurrent.futures import ThreadPoolExecutor

import torch


def thread_pool(threads: int) -> ThreadPoolExecutor:
    """Return a pool of `threads` threads; 0: one per core.

    Torch uses one thread inside each of them. Otherwise it would split every small matrix product again.
    """
    return ThreadPoolExecutor(threads or os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,))
