"""Vectors of texts about tracks, for models that use them as features."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from jobs.lake.content_keys import KEY
from models.types import F32

ROW_BYTES = 4_000
"""Size of a track with a vector of some hundred numbers on the driver."""


def build_track_vectors(track_texts: DataFrame, text_vectors: DataFrame) -> DataFrame:
    """Return `track_id`, `vector` of every track with an encoded text, from the tables of the job text_vectors.

    Both tables are empty without an encoder.
    """
    return track_texts.select("track_id", *KEY).join(text_vectors, [*KEY]).select("track_id", "vector")


def vectors_in(rows: pa.Table) -> F32:
    """Return column `vector` [N, E]."""
    return np.asarray(pc.list_flatten(rows["vector"]).to_numpy().astype(np.float32).reshape(rows.num_rows, -1))
