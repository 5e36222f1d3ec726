"""The descriptors of tracks as one matrix, for models that learn from them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.lake.schemas import audio

NAMES = tuple(column.name for column in (*audio.NUMBERS, *audio.VECTORS))
"""Columns of table `track_descriptors` that say what a track sounds like."""
ROW_BYTES = 2_000
"""Of a track with all of them on the driver."""


def matrix(table: pa.Table, names: Sequence[str] = NAMES) -> NDArray[np.float64]:
    """[N, D] these numbers and vectors side by side."""
    return np.column_stack([np.array(table[name].to_pylist(), np.float64) for name in names])
