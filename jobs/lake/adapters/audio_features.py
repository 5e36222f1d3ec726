"""Columns of the feature sets of tracks' audio: descriptors, embeddings of the pretrained network, or both."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.lake.adapters import descriptors
from jobs.lake.feature_sets import FeatureSet
from jobs.lake.schemas import audio

_EMBEDDINGS = ("embedding", "embedding_max")
COLUMNS: dict[FeatureSet, tuple[str, ...]] = {
    "descriptors": descriptors.NAMES,
    "embeddings": _EMBEDDINGS,
    "both": (*descriptors.NAMES, *_EMBEDDINGS),
}
"""Columns of each feature set, in the order of `matrix` (jobs/lake/adapters/descriptors.py)."""
ROW_BYTES = descriptors.ROW_BYTES + 4_000
"""Size of a track with all features on the driver."""
_NUMBERS = {column.name for column in audio.NUMBERS}


def join_features(track_descriptors: DataFrame, track_embeddings: DataFrame) -> DataFrame:
    """Return `track_id`, `content_hash`, `producer_version` and the columns of `both`.

    Tracks that only one of the tables has are left out. `producer_version`: those of both tables, joined by `+`.
    """
    embeddings = track_embeddings.select("track_id", F.col("producer_version").alias("network_version"), *_EMBEDDINGS)
    versions = F.concat_ws("+", "producer_version", "network_version").alias("producer_version")
    return track_descriptors.join(embeddings, "track_id").select("track_id", "content_hash", versions, *COLUMNS["both"])


def feature_array(features: FeatureSet) -> Column:
    """Return the columns of a feature set as one array of doubles, in the order of `matrix`."""
    arrays = [F.array(F.col(n).cast("double")) if n in _NUMBERS else F.col(n).cast("array<double>") for n in COLUMNS[features]]
    return F.concat(*arrays)
