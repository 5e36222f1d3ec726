"""Sides of the ingest benchmarks, one per process: `python -m bench.ingest_sides SIDE INPUT HEAP TIMES`. Prints a JSON line."""

import datetime as dt
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from pyspark.sql import SparkSession

from bench.harness import WORK
from jobs.context import JobContext, Night
from jobs.job_config import NoSettings
from jobs.settings import Settings
from jobs.sources.config import load_sources
from jobs.sources.ingest import events, snapshots
from jobs.spark import session

LOG_SCHEMA = (
    "user_id string, track_id string, event string, rating double, ms_played long, played_at timestamp, "
    "received_at timestamp, session_id string"
)


def peer_log(spark: SparkSession, path: str) -> None:
    """Read JSON with Spark's reader and a schema, and write Parquet: no validation, quarantine, counts or deduplication."""
    spark.read.schema(LOG_SCHEMA).json(path).write.mode("overwrite").parquet(str(WORK / "peer"))


def peer_counts(spark: SparkSession, path: str) -> None:
    """Read CSV with Spark's reader and a schema, and write Parquet."""
    schema = "user_id string, song_id string, plays long"
    spark.read.schema(schema).option("sep", "\t").csv(path).write.mode("overwrite").parquet(str(WORK / "peer"))


def ours_log(spark: SparkSession, path: str) -> None:
    """Run the job `events` on all received days, from an empty lake."""
    shutil.rmtree(WORK / "lake", ignore_errors=True)
    _job(spark, events, "app_log", path)


def ours_next_night(spark: SparkSession, path: str) -> None:
    """Run the job `events` after a night that read all days but one (1 % of the lines)."""
    for partition in WORK.glob("lake/bench/*/it/dt=2026-11-15"):
        shutil.rmtree(partition)
    _job(spark, events, "app_log", path, dt.date(2026, 11, 15))


def ours_counts(spark: SparkSession, path: str) -> None:
    """Run the job `snapshots` from an empty lake."""
    shutil.rmtree(WORK / "lake", ignore_errors=True)
    _job(spark, snapshots, "taste_profile", path)


def _job(spark: SparkSession, job: ModuleType, kind: str, path: str, date: dt.date = dt.date(2026, 11, 14)) -> None:
    file = WORK / "sources.toml"
    as_of = "" if kind == "app_log" else "as_of = 2026-11-01\n"
    file.write_text(f'name = "bench"\ngenres = "pmrs7"\n[[source]]\nname = "it"\nformat = "{kind}"\npath = "{path}"\n{as_of}')
    settings = Settings(var=WORK, lake=str(WORK / "lake"))
    ctx = JobContext(Night(date, "bench", load_sources(file), settings, spark), "bench", NoSettings())
    job.run(ctx)
    ctx.commit()


SIDES: dict[str, Callable[[SparkSession, str], None]] = {
    "peer_log": peer_log, "peer_counts": peer_counts, "ours_log": ours_log, "ours_next_night": ours_next_night,
    "ours_counts": ours_counts,
}  # fmt: skip


def main(side: str, path: str, heap: str, times: str) -> None:
    """Start Spark on two cores, run the side `times` times, and print the seconds of each."""
    spark = session("bench", Settings(var=WORK, master="local[2]", driver_memory=heap))
    spark.range(1).count()
    seconds = []
    for _ in range(int(times)):
        shutil.rmtree(WORK / "peer", ignore_errors=True)
        start = time.monotonic()
        SIDES[side](spark, str(Path(path).resolve()))
        seconds.append(round(time.monotonic() - start, 2))
    spark.stop()
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
