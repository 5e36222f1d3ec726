"""A fit that exceeds the memory limit raises before it starts, with the numbers and the settings to change."""

from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import LakeError
from jobs.lake.files import FileStore
from jobs.recommenders import als_blocks, ials, memory_estimate
from jobs.recommenders.confidence import numbered
from jobs.recommenders.memory_estimate import Counts, Side, block_estimates, counted, driver_estimate, on_driver
from models.ials import IALSConfig

CONFIG = IALSConfig(rank=8, min_rating=2.0)
ANNA = sha256(b"anna").hexdigest()[:12]
TASTE_PROFILE = Counts(Side(1_019_318, 48_373_586, 4_400, "user"), Side(384_546, 48_373_586, 110_479, "track"))


@pytest.fixture(scope="module")
def interactions(spark: SparkSession) -> DataFrame:
    """Nine interactions: user anna has four of them, track `hit` three."""
    pairs = [("anna", t) for t in ("hit", "b", "c", "d")] + [("bert", "hit"), ("bert", "b"), ("carl", "hit")]
    pairs += [("dora", "c"), ("emil", "d")]
    return spark.createDataFrame([(u, t, 1.0) for u, t in pairs], "user_id string, track_id string, confidence float")


def counts_of(interactions: DataFrame) -> Counts:
    return counted(numbered(interactions, "user_id", "user"), numbered(interactions, "track_id", "item"))


def test_counts_include_the_longest_rows(interactions: DataFrame) -> None:
    actual = counts_of(interactions)
    assert (actual.users, actual.tracks) == (Side(5, 9, 4, f"the user of SHA-256 {ANNA}..."), Side(4, 9, 3, "track hit"))


def test_digest_depends_on_the_interactions_and_not_on_their_order(interactions: DataFrame) -> None:
    digest = counts_of(interactions).digest
    assert counts_of(interactions.orderBy("track_id").repartition(3)).digest == digest
    stronger = F.when(F.col("user_id") == "emil", F.lit(2.0)).otherwise(F.col("confidence")).cast("float")
    swapped = F.when(F.col("user_id") == "emil", "c").when(F.col("user_id") == "dora", "d").otherwise(F.col("track_id"))
    for other in (interactions.withColumn("confidence", stronger), interactions.withColumn("track_id", swapped)):
        assert counts_of(other).digest != digest


def test_fitting_plan_logs_one_line_with_its_estimate(interactions: DataFrame) -> None:
    with patch.object(memory_estimate.LOG, "info") as info:
        assert on_driver(interactions, counts_of(interactions), CONFIG)
    (line,) = info.call_args_list
    assert {"users": 5, "tracks": 4, "interactions": 9, "longest_user": 4, "longest_track": 3}.items() <= line.kwargs.items()
    # interactions, factors of nine rows, ids, and the longest row
    needed = 9 * als_blocks.INTERACTION_BYTES + 4 * 8 * 9 + 60 * 9 + 12 * 8 * 4
    assert line.kwargs["estimates"] == f"{needed / 1024:.1f} KiB on the driver"


def test_fit_runs_in_tasks_when_the_driver_is_one_byte_short(
    interactions: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counts_of(interactions)
    monkeypatch.setattr(memory_estimate, "DRIVER_BYTES", driver_estimate(counts, CONFIG.rank).bytes)
    assert on_driver(interactions, counts, CONFIG)
    monkeypatch.setattr(memory_estimate, "DRIVER_BYTES", driver_estimate(counts, CONFIG.rank).bytes - 1)
    assert not on_driver(interactions, counts, CONFIG)


@pytest.mark.parametrize(
    ("limit", "location", "setting"),
    [
        ("DRIVER_BYTES", "528 bytes on the driver", "raise DRIVER_BYTES .* together with PMRS_DRIVER_MEMORY"),
        ("TASK_BYTES", r"1.3 KiB in a task \(a block 432 bytes, the longest row, .*", "raise TASK_BYTES"),
    ],
)
def test_too_large_plan_raises_with_numbers_and_settings_before_collecting(
    interactions: DataFrame, limit: str, location: str, setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    users, items = numbered(interactions, "user_id", "user"), numbered(interactions, "track_id", "item")
    monkeypatch.setattr(als_blocks, "INTERACTION_BYTES", 2**40)
    monkeypatch.setattr(memory_estimate, limit, 500)
    iterations: list[int] = []
    store = FileStore(str(tmp_path))
    message = f"Factors of 5 users and 4 tracks by 8 numbers, of 9 interactions, need {location}.*, more than 500 bytes; "
    message += f"take a lower rank than 8 or a higher min_rating than 2 in the ranker's settings, or {setting}"
    with (
        patch.object(ials, "collect_arrow", side_effect=AssertionError("collected")),
        pytest.raises(LakeError, match=message),
        ials.factorize(interactions, users, items, CONFIG, iterations.append, store),
    ):
        pass
    assert not iterations


def test_message_names_a_much_longer_row(interactions: DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(als_blocks, "INTERACTION_BYTES", 2**40)
    monkeypatch.setattr(memory_estimate, "TASK_BYTES", 500)
    with pytest.raises(LakeError, match=f"the longest row, the user of SHA-256 {ANNA}[.]{{3}} with 4 interactions 384 bytes"):
        on_driver(interactions, counts_of(interactions), CONFIG)
    loved = Counts(Side(90_000_000, 400_000_000, 5, "user"), Side(9, 400_000_000, 60_000_000, "track hit"))
    *_, task = block_estimates(loved, 8, 2**63)
    largest = max(task.parts, key=lambda part: task.parts[part])
    assert largest == "the longest row, track hit with 60,000,000 interactions"


def test_result_larger_than_the_limit_of_spark_raises(
    spark: SparkSession, interactions: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(als_blocks, "INTERACTION_BYTES", 2**40)
    assert memory_estimate._max_result_bytes(spark) == 3 * 2**30, "spark_conf/local.conf"
    monkeypatch.setattr(memory_estimate, "_max_result_bytes", lambda _: 100)
    with pytest.raises(
        LakeError, match=r"need 160 bytes in one result for the driver .* raise spark.driver.maxResultSize"
    ):
        on_driver(interactions, counts_of(interactions), CONFIG)


def test_taste_profile_fits_and_ten_times_as_many_users_do_not() -> None:
    assert all(
        need.bytes <= need.limit for need in [driver_estimate(TASTE_PROFILE, 64), *block_estimates(TASTE_PROFILE, 64, 2**30)]
    )
    users = Side(10_193_180, 483_735_860, 4_400, "user")
    driver, result, task = block_estimates(Counts(users, TASTE_PROFILE.tracks), 64, 2**30)
    assert driver.bytes > driver.limit
    assert result.bytes > result.limit
    assert task.bytes > task.limit


def test_too_large_lists_raise_with_a_block_size_that_fits() -> None:
    setting = "users_per_block"
    memory_estimate.require_lists(100_000_000, 384_546, 250, setting)
    with pytest.raises(LakeError, match=r"2,000,000 tracks need 9\.\d GiB .* take users_per_block = (\d+)") as refused:
        memory_estimate.require_lists(100_000_000, 2_000_000, 250, setting)
    fitting = int(str(refused.value).partition("users_per_block = ")[2].partition(",")[0])
    memory_estimate.require_lists(100_000_000, 2_000_000, fitting, setting)
    with pytest.raises(LakeError, match="take users_per_block"):
        memory_estimate.require_lists(100_000_000, 2_000_000, fitting + 1, setting)
    with pytest.raises(LakeError, match="a smaller ranker"):
        memory_estimate.require_lists(3 * 2**30, 1_000, 0, setting)
