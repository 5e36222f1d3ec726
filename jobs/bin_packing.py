"""Distribute work of known sizes over tasks: greedy bin packing (longest processing time first)."""

import heapq
from collections.abc import Sequence


def assign_to_bins(sizes: Sequence[int], bins: int) -> list[int]:
    """Return the bin of each item: the largest items first, each to the bin with the smallest load.

    Ties go to the first item and the lowest bin, so that equal sizes give equal assignments.
    """
    loads = [(0, number) for number in range(bins)]
    assigned = [0] * len(sizes)
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
        load, number = heapq.heappop(loads)
        assigned[index] = number
        heapq.heappush(loads, (load + sizes[index], number))
    return assigned
