"""Create the Spark session, under spark-submit or in plain Python, with the settings of spark_conf/."""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext, inheritable_thread_target
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from jobs.errors import PmrsError
from jobs.java import spark_environment
from jobs.settings import Settings
from jobs.spark_profile import SparkProfile, choose_profile, configuration, is_local

REQUIRED_PYSPARK = "4.3.0"
JAVA_CLASSES = (
    "org.apache.spark.sql.functions", "functions", "org.apache.spark.sql.classic.SparkSession", "PythonUtils", "PythonSQLUtils",
    "PythonRDD", "SerDeUtil", "SimplePythonFunction",
)  # fmt: skip
"""Names by which pyspark looks up Java classes for every column expression."""


def session(
    app_name: str,
    settings: Settings,
    overrides: Mapping[str, str] | None = None,
    profile: SparkProfile | None = None,
    log_file: Path | None = None,
    java_flags: str = "",
) -> SparkSession:
    """Return the Spark session of this process. `overrides` have precedence over spark_conf/.

    `log_file`: file for the warnings of Java and of Python workers, instead of stderr; it is overwritten.
    `java_flags`: flags of the driver, in addition to those of the profile.

    Under spark-submit the JVM already runs, with spark-submit's master. In plain Python it is started here, in the same
    environment. Raises PmrsError for another version of pyspark.
    """
    _require_own_pyspark()
    profile = profile or choose_profile(settings, [])
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if submitted:
        _end_with_the_jvm()
        if settings.spark_profile == "auto" and not is_local(_submitted_master(settings)):
            profile = SparkProfile.CLUSTER
    else:
        os.environ.update(spark_environment(settings, f"{profile.java_flags} {java_flags}".strip()))
        if log_file is not None:
            _start_java(log_file)
    os.environ["TZ"] = "UTC"
    time.tzset()
    builder = SparkSession.builder.appName(app_name)
    if not submitted:
        builder = builder.master(settings.master)
    for key, value in {**configuration(profile), **_folders(settings), **(overrides or {})}.items():
        builder = builder.config(key, value)
    running = builder.getOrCreate()
    _cache_java_classes(running)
    return running


def _start_java(log_file: Path) -> None:
    """Start the JVM of this process with stderr in a file, unless it runs already."""
    if SparkContext._gateway is None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("wb") as stderr:
            SparkContext._ensure_initialized(gateway=launch_gateway(popen_kwargs={"stderr": stderr}))  # type: ignore[no-untyped-call]


def run_parallel(spark: SparkSession, *calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in parallel and return their results: a small Spark job, and planning, leave cores idle.

    Waits for all calls. If several fail, the error of the first in the given order is raised.
    """
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(inheritable_thread_target(spark)(call)) for call in calls]
    return [future.result() for future in futures]


@contextmanager
def rows_per_batch(spark: SparkSession, rows: int) -> Iterator[None]:
    """Set the rows per Arrow batch within the context; spark_conf/ sets few, because rows with audio are large.

    Applies to Spark jobs that run in the context, not to those that are only planned in it.
    """
    key = "spark.sql.execution.arrow.maxRecordsPerBatch"
    previous = spark.conf.get(key)
    spark.conf.set(key, str(rows))
    try:
        yield
    finally:
        spark.conf.set(key, str(previous))


def _cache_java_classes(spark: SparkSession) -> None:
    """Cache Java classes in py4j. Otherwise every column expression looks them up, and the JVM searches all its jars."""
    view: Any = spark._jvm
    for name in JAVA_CLASSES:
        setattr(view, name, getattr(view, name))


def _submitted_master(settings: Settings) -> str:
    """Return the master of spark-submit; PMRS_MASTER may differ."""
    SparkContext._ensure_initialized()
    return SparkConf().get("spark.master", settings.master) or settings.master


def _end_with_the_jvm() -> None:
    """Let the kernel end this process with the JVM. Otherwise it would continue after Airflow has ended a task."""
    pr_set_pdeathsig = 1
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        # the JVM ended before prctl
        os.kill(os.getpid(), signal.SIGKILL)


def _folders(settings: Settings) -> dict[str, str]:
    """Return the settings that name folders below var/, and create the folders."""
    var = settings.var.resolve()
    events = var / "spark-events"
    for folder in (events, var / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "spark.eventLog.dir": events.as_uri(),
        # otherwise Spark creates spark-warehouse/ in the working directory
        "spark.sql.warehouse.dir": (var / "tmp" / "warehouse").as_uri(),
    }


def _require_own_pyspark() -> None:
    """Raise PmrsError for another version: another package (pyspark-client) can overwrite the files of pyspark."""
    import pyspark

    if pyspark.__version__ != REQUIRED_PYSPARK:
        where = Path(pyspark.__file__).parent
        raise PmrsError(
            f"pyspark {REQUIRED_PYSPARK} is required; {where} has {pyspark.__version__}. Remove .venv and run `make setup`."
        )
