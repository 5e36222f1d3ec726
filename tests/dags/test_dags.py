"""The DAG parses in Airflow and has the settings of its docstring. Airflow has a separate environment."""

import datetime as dt
import json
import os
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import Template
from pydantic import SecretStr

from jobs.cli.airflow import BIN, airflow_environment, dags_test_command, spark_connection
from jobs.registry import FAMILIES
from jobs.settings import REPOSITORY, Settings

READER = r"""
import json, sys
from airflow.dag_processing.dagbag import DagBag

def facts(task):
    return {
        "type": type(task).__name__,
        "pool": task.pool,
        "retries": task.retries,
        "after": sorted(task.upstream_task_ids),
        "rule": task.trigger_rule.value,
        "timeout": task.execution_timeout and task.execution_timeout.total_seconds(),
        "arguments": getattr(task, "application_args", None),
        "application": getattr(task, "application", None),
    }

def described(dag):
    return {
        "doc": dag.doc_md,
        "active": dag.max_active_runs,
        "catchup": dag.catchup,
        "timetable": type(dag.timetable).__name__,
        "zone": str(dag.timetable.timezone),
        "tasks": {task.task_id: facts(task) for task in dag.tasks},
    }

bag = DagBag(sys.argv[1])
errors = {str(file): str(error) for file, error in bag.import_errors.items()}
print("FACTS" + json.dumps({"errors": errors, "dags": {dag.dag_id: described(dag) for dag in bag.dags.values()}}))
"""


@pytest.fixture(scope="module")
def dag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    facts: dict[str, Any] = read_dags(tmp_path_factory.mktemp("airflow"))["dags"]["nightly_recommendations"]
    return facts


@cache
def read_dags(var: Path) -> dict[str, Any]:
    """Return the facts of the DagBag of dags/, read in a fresh Airflow home."""
    environment = {**os.environ, **airflow_environment(Settings(var=var))}
    ran = subprocess.run(
        [str(BIN / "python"), "-c", READER, str(REPOSITORY / "dags")],
        env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert "FACTS" in ran.stdout, ran.stderr[-2000:]
    facts: dict[str, Any] = json.loads(ran.stdout.rpartition("FACTS")[2])
    assert facts["errors"] == {}
    return facts


def backfilled(template: str, run_type: str, conf: dict[str, Any]) -> str:
    """Return the argument as Airflow renders it for such a run."""
    return str(Template(template).render(dag_run=SimpleNamespace(run_type=run_type, conf=conf)))


def conf_of(backfill: bool) -> dict[str, Any]:
    """Return the configuration that `pmrs nightly` or `pmrs backfill` gives a run."""
    conf: dict[str, Any] = json.loads(dags_test_command(dt.date(2026, 11, 14), backfill)[-1])
    return conf


@pytest.mark.smoke
def test_one_run_at_a_time_over_explicit_utc_days(dag: dict[str, Any]) -> None:
    assert (dag["active"], dag["catchup"]) == (1, False)
    assert dag["timetable"] == "CronDataIntervalTimetable"
    assert "UTC" in dag["zone"]
    assert "spark_pmrs" in dag["doc"]


def test_families_run_in_the_order_of_the_registry(dag: dict[str, Any]) -> None:
    before = "begin"
    for family in FAMILIES:
        task = dag["tasks"][family]
        assert task["type"] == "SparkSubmitOperator"
        assert task["after"] == [before]
        assert task["arguments"][:3] == ["run", family, "--date"]
        assert backfilled(task["arguments"][-1], "scheduled", {}) == "--no-backfill"
        assert backfilled(task["arguments"][-1], "backfill", {}) == "--backfill"
        assert backfilled(task["arguments"][-1], "manual", conf_of(backfill=True)) == "--backfill"
        assert backfilled(task["arguments"][-1], "manual", conf_of(backfill=False)) == "--no-backfill"
        assert Path(task["application"]) == REPOSITORY / "jobs" / "__main__.py"
        before = family


def test_families_have_timeouts_and_one_retry_and_begin_has_none(dag: dict[str, Any]) -> None:
    for name, task in dag["tasks"].items():
        assert task["timeout"], f"{name} may hang for ever"
        assert task["retries"] == (1 if name in FAMILIES or name == "night_complete" else 0)


def test_end_runs_after_failures_and_the_last_task_fails_with_any_family(dag: dict[str, Any]) -> None:
    tasks = dag["tasks"]
    assert tasks["end"]["rule"] == "all_done"
    assert tasks["end"]["after"] == ["begin", "publish"]
    assert tasks["night_complete"]["rule"] == "all_success"
    assert set(tasks["night_complete"]["after"]) == {*FAMILIES, "end"}


def test_families_that_use_a_gpu_run_in_its_pool(dag: dict[str, Any]) -> None:
    pools = {name: task["pool"] for name, task in dag["tasks"].items()}
    assert {name: pool for name, pool in pools.items() if pool != "default_pool"} == {"genre": "gpu", "recommend": "gpu"}


def test_dags_import_nothing_from_this_repository() -> None:
    for file in (REPOSITORY / "dags").glob("*.py"):
        imports = [line for line in file.read_text().splitlines() if line.startswith(("import ", "from "))]
        assert not [line for line in imports if line.split()[1].split(".")[0] in {"jobs", "models"}]


def test_airflow_variables_have_no_secret(settings: Settings) -> None:
    with_secret = settings.model_copy(update={"mongo_uri": SecretStr("mongodb://pmrs:hidden-word@127.0.0.1/")})
    assert "hidden-word" not in json.dumps(airflow_environment(with_secret))


@pytest.mark.parametrize("master", ["local[*]", "local[2]", "spark://host:7077", "local-cluster[2,1,1024]"])
def test_spark_connection_has_the_master_unchanged(master: str) -> None:
    assert json.loads(spark_connection(master))["host"] == master
