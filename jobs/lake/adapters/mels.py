"""Log-mel clips of the lake, as inputs of networks."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.lake.content_keys import KEY
from models.types import F32

MEL_BYTES = 599 * 128 * 2
"""Size of a clip."""


def to_mels(mels: pa.ChunkedArray) -> NDArray[np.float16]:
    """Return column `mel` [N, 599, 128]."""
    if not len(mels):
        return np.empty((0, 599, 128), np.float16)
    return np.stack([np.frombuffer(value, np.float16).reshape(599, 128) for value in mels.to_pylist()])


def to_mel(value: bytes, n_mels: int) -> F32:
    """Return one clip [frames, n_mels] of any length."""
    return np.frombuffer(value, np.float16).reshape(-1, n_mels).astype(np.float32)


def build_clips(mel: DataFrame, track_clips: DataFrame, preset: str) -> DataFrame:
    """Return `track_id`, `clip`, `tiled`, `mel` of every track with usable audio, from the tables `mel` and `track_clips`."""
    of_tracks = mel.where(F.col("preset") == preset).join(track_clips.select("track_id", *KEY), [*KEY])
    return of_tracks.select("track_id", "clip", "tiled", "mel")
