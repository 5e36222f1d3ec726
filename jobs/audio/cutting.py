"""Which clips of a file are looked at."""

import hashlib
from typing import Literal

import numpy as np

Choice = Literal["spread", "middle", "random"]


def clip_starts(samples: int, clip: int, most: int, choice: Choice, seed: str) -> list[int]:
    """Where up to `most` clips of `clip` samples begin in a wave of `samples`, in rising order; one at 0 for a short wave.

    `spread`: evenly, without overlap, so many as fit; `middle`: one around the middle; `random`: `most` crops that may overlap,
    drawn by `seed`, the same on every night.
    """
    spare = samples - clip
    if spare <= 0:
        return [0]
    if choice == "middle":
        return [spare // 2]
    if choice == "random":
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])
        return sorted(np.random.default_rng(number).integers(0, spare, most, endpoint=True).tolist())
    count = min(most, samples // clip)
    left = samples - count * clip
    return [i * clip + (i + 1) * left // (count + 1) for i in range(count)]
