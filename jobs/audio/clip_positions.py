"""Choose the clips of a file that are used."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jobs.audio.config import ClipSelection


def clip_starts(samples: int, clip: int, n_clips: int, selection: "ClipSelection", seed: str) -> list[int]:
    """Return the start samples of up to `n_clips` clips in ascending order; a single 0 if the file is too short.

    `samples`: length of the file. `clip`: length of a clip. Selections:
    - `spread`: evenly, without overlap, as many as fit
    - `middle`: one clip around the middle
    - `random`: `n_clips` crops that may overlap, drawn from `seed`, the same every night
    """
    spare = samples - clip
    if spare <= 0:
        return [0]
    if selection == "middle":
        return [spare // 2]
    if selection == "random":
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])
        return sorted(np.random.default_rng(number).integers(0, spare, n_clips, endpoint=True).tolist())
    count = min(n_clips, samples // clip)
    gaps = samples - count * clip
    return [i * clip + (i + 1) * gaps // (count + 1) for i in range(count)]
