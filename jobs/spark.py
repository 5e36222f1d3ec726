"""The one way to a Spark session: under spark-submit as in plain Python, with the settings of spark_conf/."""

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

WANTED_PYSPARK = "4.3.0"
NAMED_OFTEN = (
    "org.apache.spark.sql.functions", "functions", "org.apache.spark.sql.classic.SparkSession", "PythonUtils", "PythonSQLUtils",
    "PythonRDD", "SerDeUtil", "SimplePythonFunction",
)  # fmt: skip
"""Java classes by the names under which pyspark asks for them."""


def session(
    app_name: str,
    settings: Settings,
    overrides: Mapping[str, str] | None = None,
    profile: SparkProfile | None = None,
    log_file: Path | None = None,
    java_flags: str = "",
) -> SparkSession:
    """Return the process's Spark session. `overrides` win over spark_conf/.

    `log_file`: file for the warnings of Java and of Python workers, instead of stderr; it is overwritten.
    `java_flags`: of the driver, besides those of the profile.

    Under spark-submit the JVM runs already, with spark-submit's master; in plain Python it is started here, in the same
    environment. Raises PmrsError where another Spark than this project's answers.
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
    _remember_classes(running)
    return running


def _start_java(log_file: Path) -> None:
    """Start the process's JVM with stderr in a file, unless it runs already."""
    if SparkContext._gateway is None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("wb") as stderr:
            SparkContext._ensure_initialized(gateway=launch_gateway(popen_kwargs={"stderr": stderr}))  # type: ignore[no-untyped-call]


def run_parallel(spark: SparkSession, *calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in parallel and return their results: a small Spark job leaves a core idle, and planning leaves both.

    All are waited for; of those that fail, the first in the order given is raised.
    """
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(inheritable_thread_target(spark)(call)) for call in calls]
    return [future.result() for future in futures]


@contextmanager
def rows_per_batch(spark: SparkSession, rows: int) -> Iterator[None]:
    """While it is open, as many rows go to Python and back at once: spark_conf/ has few, because of rows that hold audio.

    It holds for what is run, and not for what is only planned, meanwhile.
    """
    key = "spark.sql.execution.arrow.maxRecordsPerBatch"
    usual = spark.conf.get(key)
    spark.conf.set(key, str(rows))
    try:
        yield
    finally:
        spark.conf.set(key, str(usual))


def _remember_classes(spark: SparkSession) -> None:
    """Have py4j look up once what every column expression names: it asks the JVM each time, which then searches all its jars."""
    view: Any = spark._jvm
    for name in NAMED_OFTEN:
        setattr(view, name, getattr(view, name))


def _submitted_master(settings: Settings) -> str:
    """Return the master that spark-submit was given; PMRS_MASTER may be another."""
    SparkContext._ensure_initialized()
    return SparkConf().get("spark.master", settings.master) or settings.master


def _end_with_the_jvm() -> None:
    """Die with the JVM: if Airflow ends a task for its time, this child process would continue for nobody."""
    pr_set_pdeathsig = 1
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        # it went in between
        os.kill(os.getpid(), signal.SIGKILL)


def _folders(settings: Settings) -> dict[str, str]:
    """Return the settings that name folders below var/, and create the folders."""
    var = settings.var.resolve()
    events = var / "spark-events"
    for folder in (events, var / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "spark.eventLog.dir": events.as_uri(),
        # Spark would make a spark-warehouse/ in whatever folder it was started from
        "spark.sql.warehouse.dir": (var / "tmp" / "warehouse").as_uri(),
    }


def _require_own_pyspark() -> None:
    """Another package (pyspark-client) can overwrite pyspark's files without pip noticing."""
    import pyspark

    if pyspark.__version__ != WANTED_PYSPARK:
        where = Path(pyspark.__file__).parent
        raise PmrsError(
            f"pyspark {WANTED_PYSPARK} is wanted, and {where} holds {pyspark.__version__}: remove .venv and run `make setup`."
        )
