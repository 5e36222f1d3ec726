"""The descriptors of tracks as one matrix, for models that use them as features."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.lake.schemas import audio

NAMES = tuple(column.name for column in (*audio.NUMBERS, *audio.VECTORS))
"""Columns of table `track_descriptors` that describe the audio of a track."""
ROW_BYTES = 2_000
"""Size of a track with all descriptors on the driver."""


def matrix(table: pa.Table, names: Sequence[str] = NAMES) -> NDArray[np.float64]:
    """Return the columns `names`, numbers and vectors, side by side [N, D]."""
    return np.column_stack([np.array(table[name].to_pylist(), np.float64) for name in names])
