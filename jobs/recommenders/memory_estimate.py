"""Before a fit, and before lists: what they will need, reckoned from counts, so that what cannot end well does not begin.

What is reckoned is what a fit holds all the while. What it copies for a moment comes on top: the limits are meant for that.
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
"""Of an id on the driver."""
TASK_BYTES = 2 * 1024**3
"""Most bytes that the Python worker of one task may need: 2 GiB. As many tasks as a machine has cores run beside each other."""
TASK_LIKE_BYTES = 48
"""Of a like in a block, while the block is sorted and packed; solving it takes half of that."""
ROW_FACTOR_BYTES = 12
"""Of a factor that the longest row fetches: float64, and half as many rows again (models/als_kernel.py)."""
SCORE_BYTES = 20
"""Of a user and a track where all tracks of a block of users are scored: the score, its percentile, and three arrays made of
them; measured at 100,000 and 200,000 tracks."""
DRIVER_MORE = "raise DRIVER_BYTES (jobs/lake/collect.py) together with PMRS_DRIVER_MEMORY"


@dataclass(frozen=True)
class Side:
    """The rows of one side of the likes."""

    rows: int
    likes: int
    longest: int
    """Likes of the longest row."""
    name: str
    """Whose that is. A user is named by the SHA-256 of the id: errors stay in logs, where nobody could be forgotten."""


@dataclass(frozen=True)
class Counts:
    """What there is to fit."""

    users: Side
    tracks: Side
    digest: str = ""
    """Of the likes, whatever their order."""

    @property
    def likes(self) -> int:
        """How many pairs there are."""
        return self.users.likes

    @property
    def longest(self) -> Side:
        """The side with the longest row."""
        return max(self.users, self.tracks, key=lambda side: side.longest)


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a fit needs in one place, and the most that there may be."""

    location: str
    parts: dict[str, int]
    limit: int
    more: str
    """What to do for a higher limit."""

    @property
    def bytes(self) -> int:
        """All parts together."""
        return sum(self.parts.values())


def counted(users: DataFrame, tracks: DataFrame) -> Counts:
    """Users, tracks, likes and the longest row of either side, from what `strengths.numbered` gives of either."""

    def side(rows: DataFrame, key: str) -> DataFrame:
        longest = F.max(F.struct("likes", F.col(key).alias("name"))).alias("longest")
        return rows.agg(
            F.count("*").alias("rows"), F.sum("likes").alias("likes"), longest, F.bit_xor("hashed").alias("hashed")
        )

    # one row of each side, which comes in the order of the union; no like is there twice, which an exclusive or would not see
    side_rows = side(users, "user_id").union(side(tracks, "track_id")).collect()
    user_side, track_side = (
        Side(row["rows"], row["likes"], row["longest"]["likes"], row["longest"]["name"]) for row in side_rows
    )
    whose = f"the user of SHA-256 {sha256(user_side.name.encode()).hexdigest()[:12]}..."
    digest = f"{side_rows[0]['hashed'] % 2**64:016x}"
    return Counts(replace(user_side, name=whose), replace(track_side, name=f"track {track_side.name}"), digest)


def driver_estimate(counts: Counts, rank: int) -> MemoryEstimate:
    """Estimate the memory of a fit on the driver."""
    likes = {"likes": counts.likes * als_blocks.LIKE_BYTES}
    ids = {"ids": ID_BYTES * (counts.users.rows + counts.tracks.rows)}
    return MemoryEstimate(
        "on the driver", likes | _factors(counts, rank) | ids | _longest(counts, rank), DRIVER_BYTES, DRIVER_MORE
    )


def block_estimates(counts: Counts, rank: int, most_result: int) -> Iterator[MemoryEstimate]:
    """Estimate the memory of a fit in blocks: on the driver, of one result (at most `most_result` bytes), and in a task."""
    factors, ids = _factors(counts, rank), {"ids": ID_BYTES * counts.tracks.rows}
    yield MemoryEstimate("on the driver", factors | ids, DRIVER_BYTES, DRIVER_MORE)
    one_side = {"one side's factors": 4 * rank * max(counts.users.rows, counts.tracks.rows)}
    yield MemoryEstimate("in one result for the driver", one_side, most_result, "raise spark.driver.maxResultSize")
    # the last row of a block may be the longest
    block = {"a block": TASK_LIKE_BYTES * min(counts.likes, ials.BLOCK_INTERACTIONS + counts.longest.longest)}
    wide = {"the tracks' factors once more, in float64": 8 * rank * counts.tracks.rows}
    parts = factors | wide | block | _longest(counts, rank)
    yield MemoryEstimate(
        "in a task", parts, TASK_BYTES, "raise TASK_BYTES (recommenders/memory_estimate.py) on workers with more memory"
    )


def _factors(counts: Counts, rank: int) -> dict[str, int]:
    return {"both sides' factors": 4 * rank * (counts.users.rows + counts.tracks.rows)}


def _longest(counts: Counts, rank: int) -> dict[str, int]:
    row = counts.longest
    return {f"the longest row, {row.name} with {row.longest:,} likes": ROW_FACTOR_BYTES * rank * row.longest}


def on_driver(strengths: DataFrame, counts: Counts, config: IALSConfig) -> bool:
    """Whether the likes are fitted whole on the driver, or in als_blocks. Logs in one line what the way taken needs.

    Raises LakeError, with the numbers and the settings to change, where neither way would end well.
    """
    spark, rank = strengths.sparkSession, config.rank
    on_driver_estimate = driver_estimate(counts, rank)
    here = on_driver_estimate.bytes <= on_driver_estimate.limit and als_blocks.fits_here(
        strengths, counts.likes, ials.BLOCK_INTERACTIONS
    )
    estimates = [on_driver_estimate] if here else list(block_estimates(counts, rank, _most_result(spark)))
    LOG.info(
        "fit planned", way="on the driver" if here else "in blocks", users=counts.users.rows, tracks=counts.tracks.rows,
        likes=counts.likes, longest_user=counts.users.longest, longest_track=counts.tracks.longest, rank=rank,
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
        f"Factors of {counts.users.rows:,} users and {counts.tracks.rows:,} tracks by {config.rank} numbers, of {counts.likes:,} "
        f"likes, need {size} {estimate.location} ({parts}), more than {_size(estimate.limit)}; take a lower rank than "
        f"{config.rank} or a higher min_rating than {config.min_rating:g} in the recipe, or {estimate.more}."
    )


def _most_result(spark: SparkSession) -> int:
    """Return spark.driver.maxResultSize in bytes; 0 means no limit."""
    context: Any = spark.sparkContext._jsc
    return int(context.sc().conf().getSizeAsBytes("spark.driver.maxResultSize", "1g")) or 2**63


def require_lists(model_bytes: int, tracks: int, together: int, block_setting: str) -> None:
    """Raise LakeError where a task could not hold the model (`model_bytes`, once for each task) and the scores that it makes.

    `together`: users of whom all tracks are scored at once, 0 where lists are found without; `block_setting`: its name.
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
    less = f"take {block_setting} = {max_users}" if together and max_users > 0 else "promote a smaller recipe"
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
