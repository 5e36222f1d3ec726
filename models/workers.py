"""Threads that a fit deals its parts out to."""

import os
from concurrent.futures import ThreadPoolExecutor

import torch


def workers(threads: int) -> ThreadPoolExecutor:
    """`threads` threads (0: as many as there are cores), with one for torch in each: it would deal out every small product anew."""
    return ThreadPoolExecutor(threads or os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,))
