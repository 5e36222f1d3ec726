"""The report's pictures, as SVG text to be put into the page: no file beside it, no network.

Drawn as narrow as a phone, so that their letters are readable there; a wide screen shows them a little larger.
"""

import datetime as dt
import io
import math
import re
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: there is no screen where this runs

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from jobs.report.facts import Row
from jobs.report.quality import LIVE, NAMES

BLUE, ORANGE, GREY, GREEN = "#3465a4", "#e08a1e", "#8d959c", "#4f9d69"
COLOURS = {"live": BLUE, "popularity": ORANGE, "popularity_window": GREEN}
WIDTH = 3.8
"""Inches: 274 pt. A phone leaves some 330 CSS pixels between the margins, so that letters of 9 pt are nearly 11 pixels there."""
STYLE: dict[Any, Any] = {
    "font.size": 9, "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False,
    "svg.fonttype": "none", "svg.hashsalt": "pmrs", "axes.titlelocation": "left", "axes.titleweight": "bold",
    "axes.edgecolor": GREY, "xtick.color": "#4a535b", "ytick.color": "#4a535b",
}


def to_svg(figure: Figure, name: str, told: str) -> str:
    """The figure as an <svg> element that scales with the page. `told`: what it shows.

    Its ids begin with `name`, or those of two figures in one page would be the same; they do not depend on the time.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    return re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', rf'\1 role="img" aria-label="{told}"', svg, count=1)


def _number(day: dt.date) -> float:
    """Place of a day on the axis."""
    return float(day.toordinal())


def _days(axes: Axes, first: dt.date, last: dt.date) -> None:
    """Few ticks, on whole days; few days stand in the middle of what a week would take."""
    days = (last - first).days + 1
    room = max(0.7, (7 - days) / 2)
    axes.set_xlim(_number(first) - room, _number(last) + room)
    step = max(1, math.ceil(days / 5))
    # counted back from the night, which is the day that one looks for
    shown = [last - dt.timedelta(days=step * n) for n in range(6) if last - dt.timedelta(days=step * n) >= first]
    axes.set_xticks([_number(day) for day in shown], [f"{day:%d %b}".lstrip("0") for day in shown])


def activity(rows: list[Row]) -> str:
    """Events per day, plays and the rest stacked."""
    plays: dict[str, int] = {}
    others: dict[str, int] = {}
    for row in rows:
        kind = plays if row["event"] == "play" else others
        kind[row["day"]] = kind.get(row["day"], 0) + row["count"]
    days = sorted({row["day"] for row in rows})
    dates = [dt.date.fromisoformat(day) for day in days]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 2.0), layout="constrained")
        at = [_number(date) for date in dates]
        low = [plays.get(day, 0) for day in days]
        axes.bar(at, low, 0.8, color=BLUE, label="plays")
        axes.bar(at, [others.get(day, 0) for day in days], 0.8, bottom=low, color=ORANGE, label="skips, likes, ratings")
        _days(axes, dates[0], dates[-1])
        axes.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4, integer=True))
        figure.legend(frameon=False, ncols=2, loc="outside upper left", handlelength=1.2, borderaxespad=0.2)
        return to_svg(figure, "activity", "Events per day")


def quality(rows: list[Row], metric: str) -> str:
    """One metric per day that judged, our lists with their 95 % interval; a day without a figure leaves a gap.

    `rows`: of table `quality` with `judged`; at least one of this metric.
    """
    found = {(row["model"], dt.date.fromisoformat(row["judged"])): row for row in rows if row["metric"] == metric}
    first, last = min(day for _, day in found), max(day for _, day in found)
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(WIDTH, 2.2), layout="constrained")
        for number, model in enumerate(sorted({model for model, _ in found}, key=lambda name: (name == LIVE, name))):
            _series(axes, model, [found.get((model, day)) for day in days], days, number)
        _days(axes, first, last)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles[::-1], names[::-1], frameon=False, ncols=3, loc="outside upper left", handlelength=1.4,
                      columnspacing=1.1, borderaxespad=0.2)  # fmt: skip
        return to_svg(figure, "quality", f"{metric} per day, our lists and what they are held against")


def _series(axes: Axes, model: str, rows: list[Row | None], days: list[dt.date], number: int) -> None:
    """A line with a band; where days are few or stand alone, dots with bars, side by side so that none hides another."""
    colour, live = COLOURS.get(model, GREY), model == LIVE
    few = len(days) <= 3
    at = [_number(day) + (0.18 * (number - 1) if few else 0.0) for day in days]
    mean, low, high = ([row[key] if row else math.nan for row in rows] for key in ("mean", "low", "high"))
    name = NAMES.get(model, model)
    axes.plot(at, mean, color=colour, marker="o", markersize=4 if live or few else 2.5, linewidth=1.8 if live else 1.2, label=name)
    if few:
        axes.vlines(at, low, high, color=colour, linewidth=1.6, alpha=0.75)
    elif live:
        axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)


def confusion(counts: NDArray[np.float64], genres: list[str], name: str, title: str, shares: bool = False) -> str:
    """Of the tracks of each genre (rows), how many a model gave each genre (columns), from counts [G, G]; or the share of the row.

    Darker: a larger share of the row, so that genres of few tracks are told as clearly as others.
    """
    of_row = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 9 if len(genres) <= 8 else 8 if len(genres) <= 11 else 6.5
    with plt.rc_context({**STYLE, "font.size": size, "axes.spines.left": False, "axes.spines.bottom": False}):
        figure, axes = plt.subplots(figsize=(WIDTH, WIDTH), layout="constrained")
        # cells and not an image: the page holds no bytes but text
        axes.pcolormesh(of_row, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=0.8)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        middle = np.arange(len(genres)) + 0.5
        axes.set_xticks(middle, genres, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(middle, genres)
        axes.tick_params(length=0)
        for (is_, called), share in np.ndenumerate(of_row):
            if counts[is_, called] and (share >= 0.005 or not shares):
                told = f"{share:.0%}" if shares else f"{counts[is_, called]:,.0f}"
                axes.text(called + 0.5, is_ + 0.5, told, ha="center", va="center", color="white" if share > 0.5 else "#23292f")
        axes.set(xlabel="called", ylabel="is")
        if title:
            axes.set_title(title)
        return to_svg(figure, name, f"Confusion matrix: {title or 'tracks by their genre and the one they were given'}")
