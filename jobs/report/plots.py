"""Plots of the night's report: events per day, and quality per day."""

import datetime as dt
import math

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from jobs.plots import GREY, STYLE, WIDTH, to_svg
from jobs.report.facts import Row
from jobs.report.quality import LIVE, NAMES

BLUE, ORANGE, GREEN = "#3465a4", "#e08a1e", "#4f9d69"
COLORS = {"live": BLUE, "popularity": ORANGE, "popularity_window": GREEN}
MAX_DAYS_AS_DOTS = 3


def _x(day: dt.date) -> float:
    """Return the position of a day on the axis."""
    return float(day.toordinal())


def _set_day_axis(axes: Axes, first: dt.date, last: dt.date) -> None:
    """Set at most six ticks on full days; a few days are centred in the width of a week."""
    n_days = (last - first).days + 1
    margin = max(0.7, (7 - n_days) / 2)
    axes.set_xlim(_x(first) - margin, _x(last) + margin)
    step = max(1, math.ceil(n_days / 5))
    # counted back from the night, so that it has a tick
    ticks = [last - dt.timedelta(days=step * n) for n in range(6) if last - dt.timedelta(days=step * n) >= first]
    axes.set_xticks([_x(day) for day in ticks], [f"{day:%d %b}".lstrip("0") for day in ticks])


def activity(rows: list[Row]) -> str:
    """Return an SVG of events per day: plays and other events, stacked."""
    plays: dict[str, int] = {}
    others: dict[str, int] = {}
    for row in rows:
        counts = plays if row["event"] == "play" else others
        counts[row["day"]] = counts.get(row["day"], 0) + row["count"]
    days = sorted({row["day"] for row in rows})
    dates = [dt.date.fromisoformat(day) for day in days]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 2.0), layout="constrained")
        x = [_x(date) for date in dates]
        n_plays = [plays.get(day, 0) for day in days]
        axes.bar(x, n_plays, 0.8, color=BLUE, label="plays")
        axes.bar(
            x, [others.get(day, 0) for day in days], 0.8, bottom=n_plays, color=ORANGE, label="skips, likes, ratings"
        )
        _set_day_axis(axes, dates[0], dates[-1])
        axes.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4, integer=True))
        figure.legend(frameon=False, ncols=2, loc="outside upper left", handlelength=1.2, borderaxespad=0.2)
        return to_svg(figure, "activity", "Events per day")


def quality(rows: list[Row], metric: str) -> str:
    """Return an SVG of one metric per day, with the 95 % interval of the live lists; a day without a figure is a gap.

    `rows`: of table `quality` with `evaluated_on`; at least one of this metric.
    """
    by_day = {
        (row["model"], dt.date.fromisoformat(row["evaluated_on"])): row for row in rows if row["metric"] == metric
    }
    first, last = min(day for _, day in by_day), max(day for _, day in by_day)
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 2.2), layout="constrained")
        for number, model in enumerate(sorted({model for model, _ in by_day}, key=lambda name: (name == LIVE, name))):
            _plot_series(axes, model, [by_day.get((model, day)) for day in days], days, number)
        _set_day_axis(axes, first, last)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles[::-1], names[::-1], frameon=False, ncols=3, loc="outside upper left", handlelength=1.4,
                      columnspacing=1.1, borderaxespad=0.2)  # fmt: skip
        return to_svg(figure, "quality", f"{metric} per day, live lists and baselines")


def _plot_series(axes: Axes, model: str, rows: list[Row | None], days: list[dt.date], number: int) -> None:
    """Plot a line with a band; for a few days dots with bars, side by side so that none covers another."""
    color, live = COLORS.get(model, GREY), model == LIVE
    dots = len(days) <= MAX_DAYS_AS_DOTS
    x = [_x(day) + (0.18 * (number - 1) if dots else 0.0) for day in days]
    mean, low, high = ([row[key] if row else math.nan for row in rows] for key in ("mean", "low", "high"))
    label, size, width = NAMES.get(model, model), 4 if live or dots else 2.5, 1.8 if live else 1.2
    axes.plot(x, mean, color=color, marker="o", markersize=size, linewidth=width, label=label)
    if dots:
        axes.vlines(x, low, high, color=color, linewidth=1.6, alpha=0.75)
    elif live:
        axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
