"""One night: from play logs, catalogue and audio to published top-N lists.

**When.** At 03:00 UTC for the UTC day that ended three hours before; late events have arrived by then. To run another
date, trigger the DAG with the configuration `{"date": "2026-11-14"}`. The scheduler does not catch up missed nights;
`make backfill FROM= TO=` or `airflow backfill create` runs them in ascending order.

**What.** `begin` takes the night's lease in MongoDB and creates the run id. Each family of jobs is one spark-submit, in
the order of the data flow: `ingest` (its last job, `erase`, applies deletion requests), `prepare`, `audio`, `genre`,
`recommend`, `publish`. `end` always releases the lease, and fails unless the night was published. `night_complete`
fails if any task failed, for example the report after publishing.

**Failures.** A failed task leaves yesterday's lists live. Clear the failed family's task to continue the run, or
trigger the night again: rows of equal inputs are reused. A family is retried once (`PMRS_TASK_RETRIES`). A task is
ended after `PMRS_TASK_TIMEOUT_MIN` minutes (180). `begin` is not retried: if the lease is taken, another run of the
same night is active.

**Where.** The connection `spark_pmrs` (variable `AIRFLOW_CONN_SPARK_PMRS`) names the Spark master. The pool
`gpu` has one slot per GPU. The section "Run every night" of `docs/operations.md` lists what the workers need: the
programs on the PATH, and the environment variables.
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
RUN_ID = "{{ ti.xcom_pull(task_ids='begin') }}"
RETRIES = int(os.environ.get("PMRS_TASK_RETRIES", "1"))
TIMEOUT = timedelta(minutes=float(os.environ.get("PMRS_TASK_TIMEOUT_MIN", "180")))

with DAG(
    dag_id="nightly_recommendations",
    description="From play logs, catalogue and audio to published top-N lists",
    doc_md=__doc__,
    # a plain cron string gives an interval of zero length, and thus the wrong day
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it in the timetable's zone, UTC
    catchup=False,
    # a night reads the night before it
    max_active_runs=1,
    default_args={"retries": RETRIES, "retry_delay": timedelta(seconds=20), "execution_timeout": TIMEOUT},
    tags=["pmrs"],
):
    # dates and ids are passed in the environment, which no shell parses
    previous = begin = BashOperator(
        task_id="begin",
        bash_command='set -o pipefail; pmrs night begin --date "$NIGHT" | tail -n 1',
        env={"NIGHT": DATE},
        append_env=True,
        do_xcom_push=True,
        retries=0,
        execution_timeout=timedelta(minutes=10),
    )
    end = BashOperator(
        task_id="end",
        bash_command='if [ "$RUN_ID" = None ]; then echo "no run was opened" >&2; exit 1; fi; pmrs night end --run-id "$RUN_ID"',
        env={"RUN_ID": RUN_ID},
        append_env=True,
        retries=0,
        execution_timeout=timedelta(minutes=10),
        trigger_rule="all_done",
    )
    complete = EmptyOperator(task_id="night_complete")
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
        previous >> task >> complete
        previous = task
    begin >> end
    previous >> end >> complete
