"""The report's pictures, as SVG text to be put into the page: no file beside it, no network."""

import io
import re
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: there is no screen where this runs

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

Row = dict[str, Any]
BLUE, ORANGE, GREY, GREEN = "#3465a4", "#e08a1e", "#a9b0b7", "#4f9d69"
STYLE: dict[Any, Any] = {
    "font.size": 10, "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False,
    "svg.fonttype": "none", "svg.hashsalt": "pmrs", "axes.titlelocation": "left", "axes.titleweight": "bold",
}


def to_svg(figure: Figure) -> str:
    """The figure as an <svg> element that scales with the page; its ids do not depend on the time."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    return re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)


def _bars(names: list[str], series: dict[str, list[float]], title: str, colours: list[str]) -> str:
    """Horizontal bars, the first name on top; one group per name where there are several series."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 0.9 + 0.36 * len(names) * max(1, len(series) * 0.7)))
        height = 0.8 / len(series)
        for number, (label, values) in enumerate(series.items()):
            at = [place + number * height for place in range(len(names))]
            bars = axes.barh(at, values, height * 0.92, color=colours[number], label=label)
            texts = [f"{value:.0%}" if value <= 1 and max(values) <= 1 else f"{value:,.0f}" for value in values]
            axes.bar_label(bars, texts, padding=3, fontsize=9)
        axes.set_yticks([place + height * (len(series) - 1) / 2 for place in range(len(names))], names)
        axes.invert_yaxis()
        axes.set_title(title)
        axes.margins(x=0.12)
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)
        if len(series) > 1:
            axes.legend(frameon=False, loc="lower right")
        return to_svg(figure)


def genre_sources(rows: list[Row]) -> str:
    """Where genres come from, by tracks and by plays."""
    series = {"of tracks": [r["track_share"] or 0.0 for r in rows], "of plays": [r["play_share"] or 0.0 for r in rows]}
    return _bars([r["source"] for r in rows], series, "Where a track's genre comes from", [BLUE, ORANGE])


def genres(rows: list[Row]) -> str:
    """The catalogue's genres beside those of the places in overall lists."""
    tracks, places = sum(r["tracks"] for r in rows) or 1, sum(r["places"] for r in rows) or 1
    series = {"of the catalogue": [r["tracks"] / tracks for r in rows], "of overall lists": [r["places"] / places for r in rows]}
    return _bars([r["genre"] for r in rows], series, "Genres", [GREY, BLUE])


def tiers(rows: list[Row]) -> str:
    """How far lists had to reach."""
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["lists"]] = totals.get(row["lists"], 0) + row["places"]
    names = [f"{r['lists']}: {r['tier']}" for r in rows]
    return _bars(names, {"share": [r["places"] / totals[r["lists"]] for r in rows]}, "How far the lists reach", [GREEN])


def stage_times(stages: list[tuple[str, float]]) -> str:
    """Seconds per job."""
    return _bars([name for name, _ in stages], {"seconds": [max(1.01, s) for _, s in stages]}, "Seconds per job", [GREY])


def activity(rows: list[Row]) -> str:
    """Events per day, plays and the rest stacked."""
    days = sorted({r["day"] for r in rows})
    plays = {r["day"]: r["count"] for r in rows if r["event"] == "play"}
    others = {d: sum(r["count"] for r in rows if r["day"] == d and r["event"] != "play") for d in days}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 2.6))
        low = [plays.get(d, 0) for d in days]
        axes.bar(days, low, color=BLUE, label="plays")
        axes.bar(days, [others[d] for d in days], bottom=low, color=ORANGE, label="skips, likes, ratings")
        step = max(1, len(days) // 7)
        axes.set_xticks(range(0, len(days), step), [d[5:] for d in days[::step]])
        axes.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        axes.set_title("Events per day")
        axes.legend(frameon=False, fontsize=9, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
        return to_svg(figure)
