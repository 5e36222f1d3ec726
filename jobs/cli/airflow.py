"""Set up Airflow for a night: its environment, its database (`python -m jobs.cli.airflow`), and the command of a night."""

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

from jobs.errors import PmrsError
from jobs.java import spark_environment
from jobs.settings import REPOSITORY, Settings
from jobs.spark_profile import SparkProfile

DAG_ID = "nightly_recommendations"
BIN = REPOSITORY / ".venv-airflow" / "bin"


def airflow_environment(settings: Settings, profile: SparkProfile = SparkProfile.LOCAL) -> dict[str, str]:
    """Return environment variables for Airflow and its tasks; they override `os.environ`."""
    home = settings.var.resolve() / "airflow"
    spark = spark_environment(settings, profile.java_flags)
    return {
        **spark,
        # `pmrs` and `spark-submit` of the pipeline environment precede those of Airflow's environment
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(BIN), spark["PATH"]]),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "utc",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # families run one after the other: more workers would only use memory
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(settings.var.resolve() / "logs" / "airflow"),
        "AIRFLOW__API__HOST": "127.0.0.1",
        # no usage data is sent
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "SCARF_ANALYTICS": "false",
        "AIRFLOW_CONN_SPARK_PMRS": spark_connection(settings.master),
        "PMRS_MASTER": settings.master,
        "PMRS_SPARK_PROFILE": profile.value,
        # Airflow's own Python must not see this project's packages
        "PYTHONPATH": "",
    }


def spark_connection(master: str) -> str:
    """Return the Airflow connection `spark_pmrs` as JSON, in which `local[*]` needs no escaping."""
    return json.dumps({"conn_type": "spark", "host": master, "extra": {"deploy-mode": "client"}})


def dags_test_command(date: dt.date, backfill: bool = False) -> list[str]:
    """Return the command that runs one night's DAG without a scheduler; it exits with 1 if the DAG run failed.

    The date is passed in the run's `conf`. With a logical date, a second run of the date would clear the first one's state.
    """
    conf = {"date": date.isoformat(), "backfill": backfill}
    return [str(BIN / "airflow"), "dags", "test", DAG_ID, "--conf", json.dumps(conf)]


def make_database(settings: Settings) -> None:
    """Create or migrate Airflow's database and the pool `gpu`. Raises PmrsError with the end of Airflow's output."""
    (settings.var.resolve() / "airflow").mkdir(parents=True, exist_ok=True)
    _airflow(settings, "db", "migrate")
    _airflow(settings, "pools", "set", "gpu", os.environ.get("PMRS_GPUS", "1"), "families that use a GPU")


def _airflow(settings: Settings, *arguments: str) -> None:
    environment = {**os.environ, **airflow_environment(settings)}
    process = subprocess.run(
        [str(BIN / "airflow"), *arguments], env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    if process.returncode != 0:
        raise PmrsError(f"`airflow {' '.join(arguments)}` failed:\n{(process.stdout + process.stderr)[-2000:]}")


if __name__ == "__main__":
    make_database(Settings())
