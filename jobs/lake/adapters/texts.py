"""Vectors of texts about tracks, for models that use them as features."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from jobs.lake.content_keys import KEY
from jobs.lake.partitions import Partitions
from models.types import F32

if TYPE_CHECKING:
    from jobs.context import JobContext

ROW_BYTES = 4_000
"""Size of a track with a vector of some hundred numbers on the driver."""


def track_vectors(ctx: "JobContext") -> DataFrame:
    """Return `track_id`, `vector` of every track with an encoded text (job text_vectors); empty without an encoder."""
    texts = ctx.read("track_texts").select("track_id", *KEY)
    return texts.join(ctx.read("text_vectors", Partitions.CACHE), [*KEY]).select("track_id", "vector")


def vectors_in(rows: pa.Table) -> F32:
    """Return column `vector` [N, E]."""
    return np.asarray(pc.list_flatten(rows["vector"]).to_numpy().astype(np.float32).reshape(rows.num_rows, -1))
