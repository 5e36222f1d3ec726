"""What became of the lists of the night before: table `quality` of the last nights, and the words for it."""

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.report.facts import Row, rows_of

LIVE = "live"
NAMES = {"live": "our lists", "popularity": "popularity", "popularity_window": "recent popularity"}
"""Models as a reader calls them."""


def recent(table: DataFrame, date: dt.date, metric: str, nights: int) -> list[Row]:
    """`metric` over the last `nights` days, and all metrics of `date`, each with `judged`: the day that judged the lists."""
    last, first = (date - dt.timedelta(days=1)).isoformat(), (date - dt.timedelta(days=nights)).isoformat()
    series = (F.col("metric") == metric) & F.col("lists_date").between(first, last)
    found = rows_of(table.where(series | (F.col("lists_date") == last)).orderBy("lists_date", "model", "metric"))
    return [{**row, "judged": day_after(row["lists_date"])} for row in found]


def day_after(date: str) -> str:
    """The next date, ISO."""
    return (dt.date.fromisoformat(date) + dt.timedelta(days=1)).isoformat()


def of_day(rows: list[Row], date: str, metric: str | None = None) -> list[Row]:
    """What was judged on a date, our lists first."""
    mine = [row for row in rows if row["judged"] == date and metric in {None, row["metric"]}]
    return sorted(mine, key=lambda row: (row["model"] != LIVE, row["model"], row["metric"]))


def side(row: Row) -> int:
    """1: our lists are significantly ahead of this model, -1: behind, 0: not told apart (the 95 % interval holds 0)."""
    if row["delta"] is None:
        return 0
    return 1 if row["delta_ci_low"] > 0 else -1 if row["delta_ci_high"] < 0 else 0


def against(row: Row) -> str:
    """One baseline in words."""
    name = NAMES.get(row["model"], row["model"])
    interval = f"95 % interval {row['delta_ci_low']:+.3f} to {row['delta_ci_high']:+.3f}"
    words = {1: "ahead of", -1: "behind", 0: "not told apart from"}[side(row)]
    sure = "significantly " if side(row) else ""
    return f"{sure}{words} {name} ({row['delta']:+.3f}, {interval})"


def sentence(rows: list[Row], date: str, metric: str, first: bool) -> str:
    """The night's judgement, or why there is none."""
    shown = of_day(rows, date, metric)
    others = [row for row in shown if row["delta"] is not None]
    if others:
        users = f"{others[0]['users']:,} listener" + ("s" if others[0]["users"] != 1 else "")
        return f"By {metric}, the lists of the night before are {' and '.join(against(row) for row in others)}; {users}."
    if first:
        return "No lists are judged: this is the first night, and lists are held against what is played on the day after."
    if rows:
        return f"Nothing was judged on this day; the newest figures are of {max(row['judged'] for row in rows)}."
    return "No lists are judged yet: nobody who had lists played anything new to them, or the job that judges has not run."
