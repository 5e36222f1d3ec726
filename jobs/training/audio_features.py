"""Features of a night's tracks from their audio, for all jobs that train on them or compare them."""

from pyspark.sql import DataFrame

from jobs.context import JobContext
from jobs.lake.adapters.audio_features import COLUMNS, join_features
from jobs.lake.content_keys import KEY
from jobs.lake.feature_sets import FeatureChoice, FeatureSet
from jobs.log import logger

LOG = logger(__name__)
FEATURE_SETS: tuple[FeatureSet, ...] = ("both", "embeddings", "descriptors")
"""The preferred one first, where nothing can be validated. It has the columns of all."""


def available_sets(ctx: JobContext, choice: FeatureChoice) -> tuple[FeatureSet, ...]:
    """Return the feature sets to compare, the preferred one first: descriptors alone if no track has embeddings.

    `track_embeddings` is recorded as an input unless the choice is `descriptors`.
    """
    if choice == "descriptors":
        return ("descriptors",)
    ctx.record_table("track_embeddings")
    if not ctx.rows_of("track_embeddings"):
        if choice != "auto" and ctx.rows_of("track_descriptors"):
            LOG.warning("no track has embeddings: descriptors are used", features=choice)
        return ("descriptors",)
    return FEATURE_SETS if choice == "auto" else (choice,)


def read_features(ctx: JobContext, features: FeatureSet, required: bool = False) -> DataFrame:
    """Return `track_id`, `content_hash`, `producer_version` and the columns of a feature set, from its tables alone.

    Raises LakeError, which names the job to run first, if the features are `required` and a table has no partition.
    """
    read = ctx.read_required if required else ctx.read
    if features == "both":
        return join_features(read("track_descriptors"), read("track_embeddings"))
    return read(f"track_{features}").select("track_id", *KEY, *COLUMNS[features])
