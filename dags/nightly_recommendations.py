"""One night: from play logs, catalogue and audio to published top-N lists.

**When.** Every night at 03:00 UTC for the UTC day that ended three hours before: the late evening's events have arrived by
then. A run for another date is triggered with the configuration `{"date": "2026-11-14"}`. Missed nights are not caught up by
themselves; `make backfill FROM= TO=` or `airflow backfill create` runs them upwards by date.

**What.** `open` takes the night's lease in MongoDB and gives the run its id. Then each family of jobs is one spark-submit, in
the order data flows: `ingest` (which ends with forgetting whoever asked for it), `prepare`, `audio`, `genre`, `recommend`,
`publish`. `close` gives the lease back whatever happened, and fails unless the night was published. `night_is_whole` fails if
any task did, so that a night whose report failed after publishing is seen too.

**When it fails.** A failed task leaves yesterday's lists live. Clear the failed family's task to go on with the same run, or
trigger the night again: what was computed from equal inputs is taken over. A family is tried again once
(`PMRS_TASK_RETRIES`), and a task that hangs is ended after `PMRS_TASK_TIMEOUT_MIN` minutes (180). `open` is never tried again:
if the lease is held, another run is at work on this very night.

**Where.** Connection `spark_pmrs` (variable `AIRFLOW_CONN_SPARK_PMRS`) names the Spark master. `pmrs` and `spark-submit` of the
pipeline environment must be on the workers' PATH, with SPARK_CONF_DIR, PYSPARK_PYTHON and JAVA_HOME set. MongoDB's URI
reaches the jobs as PMRS_MONGO_URI_FILE, never as an argument. The pool `gpu` has one slot per GPU.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable

APPLICATION = Path(__file__).resolve().parents[1] / "jobs" / "__main__.py"
FAMILIES = ("ingest", "prepare", "audio", "genre", "recommend", "publish")
# Families that hold a GPU where there is one: as many of them at once as the pool has slots.
POOLS = {"genre": "gpu", "recommend": "gpu"}
DATE = "{{ dag_run.conf.get('date') or (data_interval_start | ds) }}"
BACKFILL = "{{ '--backfill' if dag_run.run_type == 'backfill' or dag_run.conf.get('backfill') else '--no-backfill' }}"
RUN_ID = "{{ ti.xcom_pull(task_ids='open') }}"
RETRIES = int(os.environ.get("PMRS_TASK_RETRIES", "1"))
TIMEOUT = timedelta(minutes=float(os.environ.get("PMRS_TASK_TIMEOUT_MIN", "180")))

with DAG(
    dag_id="nightly_recommendations",
    description="From play logs, catalogue and audio to published top-N lists",
    doc_md=__doc__,
    # a plain cron string would give an interval of no length, and so the wrong day
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it in the timetable's zone, UTC
    catchup=False,
    # nights look back at the night before them
    max_active_runs=1,
    default_args={"retries": RETRIES, "retry_delay": timedelta(seconds=20), "execution_timeout": TIMEOUT},
    tags=["pmrs"],
):
    # Dates and ids go by environment, which no shell parses.
    before = opened = BashOperator(
        task_id="open",
        bash_command='set -o pipefail; pmrs open --date "$NIGHT" | tail -n 1',
        env={"NIGHT": DATE},
        append_env=True,
        do_xcom_push=True,
        retries=0,
        execution_timeout=timedelta(minutes=10),
    )
    closed = BashOperator(
        task_id="close",
        bash_command='if [ "$RUN_ID" = None ]; then echo "no run was opened" >&2; exit 1; fi; pmrs close --run-id "$RUN_ID"',
        env={"RUN_ID": RUN_ID},
        append_env=True,
        retries=0,
        execution_timeout=timedelta(minutes=10),
        trigger_rule="all_done",
    )
    complete = EmptyOperator(task_id="night_is_whole")
    for family in FAMILIES:
        task = SparkSubmitOperator(
            task_id=family,
            application=str(APPLICATION),
            application_args=["run", family, "--date", DATE, "--run-id", RUN_ID, BACKFILL],
            conn_id="spark_pmrs",
            spark_binary="spark-submit",
            name=f"pmrs {family}",
            pool=POOLS.get(family, "default_pool"),
        )
        before >> task >> complete
        before = task
    opened >> closed
    before >> closed >> complete
