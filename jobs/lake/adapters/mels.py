"""Log-mel clips of the lake, as inputs of networks."""

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
"""Size of a clip."""


def to_mels(mels: pa.ChunkedArray) -> NDArray[np.float16]:
    """Return column `mel` [N, 599, 128]."""
    if not len(mels):
        return np.empty((0, 599, 128), np.float16)
    return np.stack([np.frombuffer(value, np.float16).reshape(599, 128) for value in mels.to_pylist()])


def clips_of(ctx: "JobContext", preset: str) -> DataFrame:
    """Return `track_id`, `clip`, `tiled`, `mel` of every track with usable audio."""
    mel = ctx.read("mel", Partitions.CACHE).where(F.col("preset") == preset)
    return mel.join(ctx.read("track_clips").select("track_id", *KEY), [*KEY]).select("track_id", "clip", "tiled", "mel")
