"""A program: the job `collaborative` on executors that are processes of their own, of which some are killed while it runs.

`python -m tests.collaborative.on_a_cluster VAR SOURCES DATE`; its last line is JSON: the digests of what it wrote, and what was
killed.
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
from jobs.context import JobContext, Night
from jobs.recommenders import als_blocks
from jobs.settings import Settings
from jobs.sources.config import load_sources
from jobs.spark import session
from models import ials as model

MASTER = "local-cluster[2,1,1024]"
CLUSTER = {
    # neither kill shall find an executor that has nothing yet
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.scheduler.maxRegisteredResourcesWaitingTime": "300s",
    # small partitions stay apart, so that both executors hold some
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.buffer.pageSize": "1m",
    "spark.eventLog.enabled": "false",
}
PATIENCE = 120.0
"""Seconds until Spark must have noticed a death, or have put another executor in its place."""


class Killer:
    """Kills an executor when the first iteration is told, and another one in a later iteration without waiting for anything."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark: Any = spark
        self.killed: list[int] = []
        self.kept: list[int] = []
        """Partitions of blocks that Spark keeps: before the first kill, behind it, and when the last iteration was told."""

    def __call__(self, step: str, done: int, total: int) -> None:
        if not step.startswith("fitting"):
            return
        if done == 1:
            self._kill_and_see()
        elif done == 3:
            self._wait(lambda: len(self._executors()) == 2)
            self._kill()
        elif done == total:
            self.kept.append(self._cached())

    def _kill_and_see(self) -> None:
        self.kept.append(self._cached())
        self._kill()
        self._wait(lambda: self._cached() < self.kept[0])
        self.kept.append(self._cached())

    def _kill(self) -> None:
        pid = self._executors()[0]
        os.kill(pid, signal.SIGKILL)
        self.killed.append(pid)

    def _executors(self) -> list[int]:
        """The driver's JVM has them for children."""
        driver = int(self._spark._jvm.java.lang.ProcessHandle.current().pid())
        return sorted(pid for pid in _children(driver) if b"CoarseGrainedExecutorBackend" in _read(pid, "cmdline"))

    def _cached(self) -> int:
        kept = self._spark.sparkContext._jsc.sc().getRDDStorageInfo()
        return sum(rdd.numCachedPartitions() for rdd in kept if "FlatMapGroupsInArrow" in rdd.name())

    @staticmethod
    def _wait(until: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not until():
            if time.monotonic() > end:
                raise TimeoutError("Spark has not noticed")
            time.sleep(0.2)


def _children(parent: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    # behind the name, which may hold anything: the state, and the parent
    return [pid for pid in pids if (told := _read(pid, "stat").rpartition(b")")[2].split()) and int(told[1]) == parent]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def main(var: str, sources: str, date: str) -> dict[str, Any]:
    """Fit in blocks, however few the likes are."""
    als_blocks.LIKE_BYTES, model.BLOCK_INTERACTIONS = 2**40, 60
    settings = Settings(var=Path(var), master=MASTER, driver_memory="1g")
    spark = session("a fit on a cluster", settings, CLUSTER)
    app = Path(os.environ["SPARK_HOME"]) / "work" / spark.sparkContext.applicationId
    killer = Killer(spark)
    night = Night(dt.date.fromisoformat(date), "r", load_sources(Path(sources)), settings, spark, killer)
    ctx = JobContext(night, "collaborative", factors.Config())
    try:
        factors.run(ctx)
        return {"digests": {m.table: m.digest for m in ctx.pending}, "killed": killer.killed, "kept": killer.kept}
    finally:
        spark.stop()
        # executors work beside Spark's own files, whatever it is told
        shutil.rmtree(app, ignore_errors=True)
        with contextlib.suppress(OSError):
            app.parent.rmdir()


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
