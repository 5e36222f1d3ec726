"""Run the job `collaborative` on executors in separate processes and kill some of them meanwhile.

Usage: `python -m tests.collaborative.on_a_cluster VAR SOURCES DATE`. The last line printed is JSON: the tables' digests, the
killed process ids and the numbers of cached partitions.
"""

import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from jobs.collaborative import factors
from jobs.collaborative.config import CollaborativeConfig
from jobs.context import JobContext, Night
from jobs.recommenders import als_blocks
from jobs.settings import Settings
from jobs.sources.config import load_sources
from jobs.spark import session
from models import ials as model

MASTER = "local-cluster[2,1,1024]"
CLUSTER = {
    # the job starts when both executors are registered, so that each one killed has data
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "300s",
    # small partitions are not merged, so that both executors have some
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.buffer.pageSize": "1m",
    "spark.eventLog.enabled": "false",
}
TIMEOUT_S = 120.0
"""Seconds within which Spark must notice a lost executor, or start another."""


class Killer:
    """Progress callback that kills an executor after iterations 1 and 3."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark: Any = spark
        self.killed: list[int] = []
        self.cached_counts: list[int] = []
        """Cached partitions of blocks: before the first kill, after it, and after the last iteration."""

    def __call__(self, step: str, done: int, total: int) -> None:
        if not step.startswith("fitting"):
            return
        if done == 1:
            self._kill_and_wait()
        elif done == 3:
            self._wait(lambda: len(self._executors()) == 2)
            self._kill()
        elif done == total:
            self.cached_counts.append(self._count_cached_partitions())

    def _kill_and_wait(self) -> None:
        self.cached_counts.append(self._count_cached_partitions())
        self._kill()
        self._wait(lambda: self._count_cached_partitions() < self.cached_counts[0])
        self.cached_counts.append(self._count_cached_partitions())

    def _kill(self) -> None:
        pid = self._executors()[0]
        os.kill(pid, signal.SIGKILL)
        self.killed.append(pid)

    def _executors(self) -> list[int]:
        """Return the process ids of the executors, which are children of the driver's JVM."""
        driver = int(self._spark._jvm.java.lang.ProcessHandle.current().pid())
        return sorted(pid for pid in _children(driver) if b"CoarseGrainedExecutorBackend" in _read(pid, "cmdline"))

    def _count_cached_partitions(self) -> int:
        rdds = self._spark.sparkContext._jsc.sc().getRDDStorageInfo()
        return sum(rdd.numCachedPartitions() for rdd in rdds if "FlatMapGroupsInArrow" in rdd.name())

    @staticmethod
    def _wait(until: Any) -> None:
        end = time.monotonic() + TIMEOUT_S
        while not until():
            if time.monotonic() > end:
                raise TimeoutError("Spark has not noticed")
            time.sleep(0.2)


def _children(parent: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    # the name may contain anything; the state and the parent follow it
    return [pid for pid in pids if (fields := _read(pid, "stat").rpartition(b")")[2].split()) and int(fields[1]) == parent]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def main(var: str, sources: str, date: str) -> dict[str, Any]:
    """Fit in blocks of tasks, even with few interactions, and return the report."""
    als_blocks.INTERACTION_BYTES, model.BLOCK_INTERACTIONS = 2**40, 60
    settings = Settings(var=Path(var), master=MASTER, driver_memory="1g")
    spark = session("a fit on a cluster", settings, CLUSTER)
    app = Path(os.environ["SPARK_HOME"]) / "work" / spark.sparkContext.applicationId
    killer = Killer(spark)
    night = Night(dt.date.fromisoformat(date), "r", load_sources(Path(sources)), settings, spark, killer)
    ctx = JobContext(night, "collaborative", CollaborativeConfig())
    try:
        factors.run(ctx)
        return {"digests": {m.table: m.digest for m in ctx.pending}, "killed": killer.killed, "cached": killer.cached_counts}
    finally:
        spark.stop()
        # executors write below SPARK_HOME, whatever the settings
        shutil.rmtree(app, ignore_errors=True)
        with contextlib.suppress(OSError):
            app.parent.rmdir()


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
