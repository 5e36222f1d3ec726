"""Estimate memory before fitting and ranking, from counts, and fail early if it exceeds the limit.

The estimate covers what a fit holds all the time. Short-lived copies come on top; the limits leave room for them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import LakeError
from jobs.lake.collect import DRIVER_BYTES
from jobs.log import logger
from jobs.recommenders import als_blocks
from models import ials
from models.ials import IALSConfig

LOG = logger(__name__)
ID_BYTES = 60
"""Size of an id on the driver."""
TASK_BYTES = 2 * 1024**3
"""Maximum bytes of the Python worker of one task: 2 GiB. A machine runs as many tasks at a time as it has cores."""
TASK_INTERACTION_BYTES = 48
"""Size of an interaction in a block while the block is sorted and packed; solving takes half of that."""
ROW_FACTOR_BYTES = 12
"""Size of a factor that the longest row gathers: float64, and half as many rows again (models/als_kernel.py)."""
SCORE_BYTES = 20
"""Size of a (user, track) pair when all tracks are scored for a block of users.

It covers the score, its percentile, and three arrays computed from them; measured at 100,000 and 200,000 tracks."""
DRIVER_MORE = "raise DRIVER_BYTES (jobs/lake/collect.py) together with PMRS_DRIVER_MEMORY"


@dataclass(frozen=True)
class Side:
    """Counts of one side (users or tracks) of the interaction matrix."""

    rows: int
    interactions: int
    longest: int
    """Interactions of the longest row."""
    name: str
    """Name of the longest row. A user is named by the SHA-256 of the id: logs keep errors, and erasure skips them."""


@dataclass(frozen=True)
class Counts:
    """Counts of the data to fit."""

    users: Side
    tracks: Side
    digest: str = ""
    """Digest of the interactions; their order has no effect."""

    @property
    def interactions(self) -> int:
        """Number of interactions."""
        return self.users.interactions

    @property
    def longest(self) -> Side:
        """The side with the longest row."""
        return max(self.users, self.tracks, key=lambda side: side.longest)


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a fit needs at one location, and the limit there."""

    location: str
    parts: dict[str, int]
    limit: int
    more: str
    """How to raise the limit."""

    @property
    def bytes(self) -> int:
        """Sum of all parts."""
        return sum(self.parts.values())


def counted(users: DataFrame, tracks: DataFrame) -> Counts:
    """Count users, tracks, interactions and the longest row of each side, from rows of `confidence.numbered`."""

    def side(rows: DataFrame, key: str) -> DataFrame:
        longest = F.max(F.struct("n_interactions", F.col(key).alias("name"))).alias("longest")
        return rows.agg(
            F.count("*").alias("rows"), F.sum("n_interactions").alias("interactions"), longest, F.bit_xor("hashed").alias("hashed")
        )

    # one row per side, in the order of the union; no interaction occurs twice: equal ones would cancel in bit_xor
    side_rows = side(users, "user_id").union(side(tracks, "track_id")).collect()
    user_side, track_side = (
        Side(row["rows"], row["interactions"], row["longest"]["n_interactions"], row["longest"]["name"]) for row in side_rows
    )
    whose = f"the user of SHA-256 {sha256(user_side.name.encode()).hexdigest()[:12]}..."
    digest = f"{side_rows[0]['hashed'] % 2**64:016x}"
    return Counts(replace(user_side, name=whose), replace(track_side, name=f"track {track_side.name}"), digest)


def driver_estimate(counts: Counts, rank: int) -> MemoryEstimate:
    """Estimate the memory of a fit on the driver."""
    interactions = {"interactions": counts.interactions * als_blocks.INTERACTION_BYTES}
    ids = {"ids": ID_BYTES * (counts.users.rows + counts.tracks.rows)}
    return MemoryEstimate(
        "on the driver", interactions | _factors(counts, rank) | ids | _longest(counts, rank), DRIVER_BYTES, DRIVER_MORE
    )


def block_estimates(counts: Counts, rank: int, max_result_bytes: int) -> Iterator[MemoryEstimate]:
    """Estimate the memory of a fit in blocks: on the driver, of one result (limit: `max_result_bytes` bytes), in a task."""
    factors, ids = _factors(counts, rank), {"ids": ID_BYTES * counts.tracks.rows}
    yield MemoryEstimate("on the driver", factors | ids, DRIVER_BYTES, DRIVER_MORE)
    one_side = {"one side's factors": 4 * rank * max(counts.users.rows, counts.tracks.rows)}
    yield MemoryEstimate("in one result for the driver", one_side, max_result_bytes, "raise spark.driver.maxResultSize")
    # the last row of a block may be the longest
    block = {"a block": TASK_INTERACTION_BYTES * min(counts.interactions, ials.BLOCK_INTERACTIONS + counts.longest.longest)}
    wide = {"the tracks' factors once more, in float64": 8 * rank * counts.tracks.rows}
    parts = factors | wide | block | _longest(counts, rank)
    yield MemoryEstimate(
        "in a task", parts, TASK_BYTES, "raise TASK_BYTES (recommenders/memory_estimate.py) on workers with more memory"
    )


def _factors(counts: Counts, rank: int) -> dict[str, int]:
    return {"both sides' factors": 4 * rank * (counts.users.rows + counts.tracks.rows)}


def _longest(counts: Counts, rank: int) -> dict[str, int]:
    row = counts.longest
    return {f"the longest row, {row.name} with {row.longest:,} interactions": ROW_FACTOR_BYTES * rank * row.longest}


def on_driver(interactions: DataFrame, counts: Counts, config: IALSConfig) -> bool:
    """Return whether the interactions are fitted on the driver rather than in blocks; logs the estimate in one line.

    Raises LakeError, with the numbers and the settings to change, if neither way has enough memory.
    """
    spark, rank = interactions.sparkSession, config.rank
    on_driver_estimate = driver_estimate(counts, rank)
    here = on_driver_estimate.bytes <= on_driver_estimate.limit and als_blocks.fits_here(
        interactions, counts.interactions, ials.BLOCK_INTERACTIONS
    )
    estimates = [on_driver_estimate] if here else list(block_estimates(counts, rank, _max_result_bytes(spark)))
    LOG.info(
        "fit planned", mode="on the driver" if here else "in blocks", users=counts.users.rows, tracks=counts.tracks.rows,
        interactions=counts.interactions, longest_user=counts.users.longest, longest_track=counts.tracks.longest, rank=rank,
        estimates="; ".join(f"{_size(estimate.bytes)} {estimate.location}" for estimate in estimates),
    )  # fmt: skip
    for estimate in estimates:
        _require(estimate, counts, config)
    return here


def _require(estimate: MemoryEstimate, counts: Counts, config: IALSConfig) -> None:
    if estimate.bytes <= estimate.limit:
        return
    parts = ", ".join(
        f"{what} {_size(size)}" for what, size in sorted(estimate.parts.items(), key=lambda part: -part[1])
    )
    size = _size(estimate.bytes)
    raise LakeError(
        f"Factors of {counts.users.rows:,} users and {counts.tracks.rows:,} tracks by {config.rank} numbers, "
        f"of {counts.interactions:,} interactions, need {size} {estimate.location} ({parts}), "
        f"more than {_size(estimate.limit)}; take a lower rank than {config.rank} or a higher min_rating than "
        f"{config.min_rating:g} in the ranker's settings, or {estimate.more}."
    )


def _max_result_bytes(spark: SparkSession) -> int:
    """Return spark.driver.maxResultSize in bytes; 0 means no limit."""
    context: Any = spark.sparkContext._jsc
    return int(context.sc().conf().getSizeAsBytes("spark.driver.maxResultSize", "1g")) or 2**63


def require_lists(model_bytes: int, tracks: int, together: int, block_setting: str) -> None:
    """Raise LakeError if a task cannot hold the model (`model_bytes`, once per task) and its scores.

    `together`: users for whom all tracks are scored at once; 0 if the search needs no full scores. `block_setting`:
    name of the setting for it.
    """
    parts = {"the model": model_bytes, "the tracks' ids": ID_BYTES * tracks, "scores": SCORE_BYTES * together * tracks}
    estimate = MemoryEstimate(
        "in a task", parts, TASK_BYTES, "raise TASK_BYTES (recommenders/memory_estimate.py) on workers with more memory"
    )
    LOG.info(
        "lists planned", tracks=tracks, users_at_once=together, estimates=f"{_size(estimate.bytes)} {estimate.location}"
    )
    if estimate.bytes <= estimate.limit:
        return
    rest = estimate.limit - estimate.bytes + parts["scores"]
    max_users = rest // max(1, SCORE_BYTES * tracks)
    less = f"take {block_setting} = {max_users}" if together and max_users > 0 else "promote a smaller ranker"
    details = ", ".join(f"{what} {_size(size)}" for what, size in parts.items() if size)
    size = _size(estimate.bytes)
    raise LakeError(
        f"Lists of {tracks:,} tracks need {size} {estimate.location} ({details}), more than {_size(estimate.limit)}; "
        f"{less}, or {estimate.more}."
    )


def _size(many: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if many >= unit:
            return f"{many / unit:.1f} {name}"
    return f"{many} bytes"
