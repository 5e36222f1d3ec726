"""Features of tracks from their audio, for models: descriptors, embeddings of the pretrained network, or both."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.lake.adapters import descriptors
from jobs.lake.feature_sets import FeatureSet
from jobs.lake.schemas import audio

FEATURE_SETS: tuple[FeatureSet, ...] = ("both", "embeddings", "descriptors")
"""The preferred one first, where nothing can be validated."""
EMBEDDING_NAMES = ("embedding", "embedding_max")
"""Columns of table `track_embeddings` that are features."""
COLUMNS: dict[FeatureSet, tuple[str, ...]] = {
    "descriptors": descriptors.NAMES,
    "embeddings": EMBEDDING_NAMES,
    "both": (*descriptors.NAMES, *EMBEDDING_NAMES),
}
"""Columns of each feature set, in the order of `matrix` (jobs/lake/adapters/descriptors.py)."""
ROW_BYTES = descriptors.ROW_BYTES + 4_000
"""Size of a track with all features on the driver."""
_NUMBERS = {column.name for column in audio.NUMBERS}


def build_features(track_descriptors: DataFrame, track_embeddings: DataFrame, features: FeatureSet) -> DataFrame:
    """Return `track_id`, `content_hash`, `producer_version` and the columns of a feature set.

    Tracks that lack one of the features are left out. `producer_version`: of both tables, joined, for `both`.
    """
    keys = ("track_id", "content_hash", "producer_version")
    if features == "descriptors":
        return track_descriptors.select(*keys, *COLUMNS["descriptors"])
    embeddings = track_embeddings.select(*keys, *EMBEDDING_NAMES)
    if features == "embeddings":
        return embeddings
    versions = F.concat_ws("+", track_descriptors["producer_version"], embeddings["producer_version"])
    joined = track_descriptors.join(embeddings, track_descriptors["track_id"] == embeddings["track_id"])
    return joined.select(
        track_descriptors["track_id"], track_descriptors["content_hash"], versions.alias("producer_version"),
        *COLUMNS["both"],
    )  # fmt: skip


def feature_array(features: FeatureSet) -> Column:
    """Return the columns of a feature set as one array of doubles, in the order of `matrix`."""
    arrays = [F.array(F.col(n).cast("double")) if n in _NUMBERS else F.col(n).cast("array<double>") for n in COLUMNS[features]]
    return F.concat(*arrays)
