"""Factors of a lake table as one matrix."""

import numpy as np
import pyarrow as pa

from models.types import F32


def factors_in(rows: pa.Table) -> F32:
    """Return column `factors` [N, F]."""
    return np.asarray(pa.compute.list_flatten(rows["factors"]).to_numpy().astype(np.float32).reshape(rows.num_rows, -1))
