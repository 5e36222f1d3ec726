"""The DAG as Airflow reads it: it parses, and what its docstring promises is set. Airflow has an environment of its own."""

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
    found: dict[str, Any] = read_dags(tmp_path_factory.mktemp("airflow"))["dags"]["nightly_recommendations"]
    return found


@cache
def read_dags(var: Path) -> dict[str, Any]:
    """Airflow's DagBag of dags/, in a fresh Airflow home."""
    environment = {**os.environ, **airflow_environment(Settings(var=var))}
    ran = subprocess.run(
        [str(BIN / "python"), "-c", READER, str(REPOSITORY / "dags")],
        env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert "FACTS" in ran.stdout, ran.stderr[-2000:]
    found: dict[str, Any] = json.loads(ran.stdout.rpartition("FACTS")[2])
    assert found["errors"] == {}
    return found


def backfilled(template: str, run_type: str, conf: dict[str, Any]) -> str:
    """What Airflow makes of the argument for such a run."""
    return str(Template(template).render(dag_run=SimpleNamespace(run_type=run_type, conf=conf)))


def conf_of(backfill: bool) -> dict[str, Any]:
    """The configuration that `pmrs nightly` or `pmrs backfill` gives a run."""
    found: dict[str, Any] = json.loads(dags_test_command(dt.date(2026, 11, 14), backfill)[-1])
    return found


@pytest.mark.smoke
def test_one_run_at_a_time_over_explicit_utc_days(dag: dict[str, Any]) -> None:
    assert (dag["active"], dag["catchup"]) == (1, False)
    assert dag["timetable"] == "CronDataIntervalTimetable"
    assert "UTC" in dag["zone"]
    assert "spark_pmrs" in dag["doc"]


def test_families_follow_each_other_as_the_registry_orders_them(dag: dict[str, Any]) -> None:
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


def test_a_family_is_tried_again_and_ends_in_time_but_open_is_not_tried_again(dag: dict[str, Any]) -> None:
    for name, task in dag["tasks"].items():
        assert task["timeout"], f"{name} may hang for ever"
        assert task["retries"] == (1 if name in FAMILIES or name == "night_is_whole" else 0)


def test_close_runs_whatever_happened_and_no_failure_is_lost(dag: dict[str, Any]) -> None:
    tasks = dag["tasks"]
    assert tasks["end"]["rule"] == "all_done"
    assert tasks["end"]["after"] == ["begin", "publish"]
    assert tasks["night_is_whole"]["rule"] == "all_success"
    assert set(tasks["night_is_whole"]["after"]) == {*FAMILIES, "end"}


def test_what_uses_a_gpu_waits_for_one(dag: dict[str, Any]) -> None:
    pools = {name: task["pool"] for name, task in dag["tasks"].items()}
    assert {name: pool for name, pool in pools.items() if pool != "default_pool"} == {"genre": "gpu", "recommend": "gpu"}


def test_the_dag_imports_no_house_code() -> None:
    for file in (REPOSITORY / "dags").glob("*.py"):
        imports = [line for line in file.read_text().splitlines() if line.startswith(("import ", "from "))]
        assert not [line for line in imports if line.split()[1].split(".")[0] in {"jobs", "models"}]


def test_no_secret_is_in_airflows_variables(settings: Settings) -> None:
    with_secret = settings.model_copy(update={"mongo_uri": SecretStr("mongodb://pmrs:hidden-word@127.0.0.1/")})
    assert "hidden-word" not in json.dumps(airflow_environment(with_secret))


@pytest.mark.parametrize("master", ["local[*]", "local[2]", "spark://host:7077", "local-cluster[2,1,1024]"])
def test_the_connection_keeps_the_master_as_it_is(master: str) -> None:
    assert json.loads(spark_connection(master))["host"] == master
