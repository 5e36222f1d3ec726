"""Quality of the previous night's lists: table `quality` of the last nights, and sentences about it."""

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.report.facts import Row, rows_of

LIVE = "live"
NAMES = {"live": "live lists", "popularity": "popularity", "popularity_window": "recent popularity"}
"""Display names of models."""


def recent_quality(table: DataFrame, date: dt.date, metric: str, nights: int) -> list[Row]:
    """Return `metric` over the last `nights` days, and all metrics of `date`; `evaluated_on` is the day of the test plays."""
    last, first = (date - dt.timedelta(days=1)).isoformat(), (date - dt.timedelta(days=nights)).isoformat()
    in_series = (F.col("metric") == metric) & F.col("lists_date").between(first, last)
    rows = rows_of(table.where(in_series | (F.col("lists_date") == last)).orderBy("lists_date", "model", "metric"))
    return [{**row, "evaluated_on": day_after(row["lists_date"])} for row in rows]


def day_after(date: str) -> str:
    """Return the next date (ISO)."""
    return (dt.date.fromisoformat(date) + dt.timedelta(days=1)).isoformat()


def evaluated_on(rows: list[Row], date: str, metric: str | None = None) -> list[Row]:
    """Return the rows that were evaluated on a date, the live lists first."""
    selected = [row for row in rows if row["evaluated_on"] == date and metric in {None, row["metric"]}]
    return sorted(selected, key=lambda row: (row["model"] != LIVE, row["model"], row["metric"]))


def significance(row: Row) -> int:
    """Return 1 if the live lists are significantly better than this model, -1 if worse, 0 if the interval includes 0."""
    if row["delta"] is None:
        return 0
    return 1 if row["delta_ci_low"] > 0 else -1 if row["delta_ci_high"] < 0 else 0


def describe_difference(row: Row) -> str:
    """Return a sentence about the difference from one baseline."""
    name = NAMES.get(row["model"], row["model"])
    interval = f"95 % interval {row['delta_ci_low']:+.3f} to {row['delta_ci_high']:+.3f}"
    relation = {1: "significantly better than", -1: "significantly worse than", 0: "not significantly different from"}
    return f"{relation[significance(row)]} {name} ({row['delta']:+.3f}, {interval})"


def quality_sentence(rows: list[Row], date: str, metric: str, is_first: bool) -> str:
    """Return the night's result in a sentence, or the reason why there is none."""
    baselines = [row for row in evaluated_on(rows, date, metric) if row["delta"] is not None]
    if baselines:
        users = f"{baselines[0]['users']:,} user" + ("s" if baselines[0]["users"] != 1 else "")
        differences = " and ".join(describe_difference(row) for row in baselines)
        return f"By {metric}, the lists of the previous night are {differences}; {users}."
    if is_first:
        return "No lists are evaluated: this is the first night, and lists are evaluated by the plays of the next day."
    if rows:
        newest = max(row["evaluated_on"] for row in rows)
        return f"No lists were evaluated on this day; the newest figures are of {newest}."
    return "No lists are evaluated yet: no user with a list discovered a track, or the job quality has not run."
