"""Log-mel clips, as the lake holds them, for networks that hear them."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.lake.content_keys import KEY
from jobs.lake.partitions import Partitions

if TYPE_CHECKING:
    from jobs.context import JobContext

MEL_BYTES = 599 * 128 * 2
"""Of a clip."""


def to_mels(mels: pa.ChunkedArray) -> NDArray[np.float16]:
    """[N, 599, 128] of column `mel`."""
    if not len(mels):
        return np.empty((0, 599, 128), np.float16)
    return np.stack([np.frombuffer(value, np.float16).reshape(599, 128) for value in mels.to_pylist()])


def clips_of(ctx: "JobContext", preset: str) -> DataFrame:
    """`track_id`, `clip`, `tiled`, `mel` of every track whose audio can be used."""
    mel = ctx.read("mel", Partitions.CACHE).where(F.col("preset") == preset)
    return mel.join(ctx.read("track_clips").select("track_id", *KEY), [*KEY]).select("track_id", "clip", "tiled", "mel")
