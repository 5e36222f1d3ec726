"""Render facts and findings as an HTML page: this module builds tiles, bars and sentences, the template the layout."""

from dataclasses import dataclass, replace

from jobs.report import genre, plots, quality
from jobs.report.documents import summarize
from jobs.report.facts import Facts, Row, Stage, ratio
from jobs.report.templates import templates
from jobs.report.verdict import HEADLINES, Finding, level

TENTHS = ("most played tenth", "2nd", "3rd", *(f"{number}th" for number in range(4, 10)), "least played tenth")
"""Names of the tenths of the played tracks, by number of users."""


@dataclass(frozen=True)
class Tile:
    """One figure at a glance."""

    value: str
    name: str
    change: str = ""
    """Change since the previous night; empty if it is unknown or 0."""


@dataclass(frozen=True)
class Bar:
    """One bar: its length relative to the longest bar, and its label."""

    length: float
    text: str
    series: int = 0
    """Index of the chart's series."""


@dataclass(frozen=True)
class Chart:
    """Horizontal bars, drawn by the browser at the size of the page's text."""

    title: str
    rows: list[tuple[str, list[Bar]]]
    series: tuple[str, ...] = ()
    label_width: float = 3.6
    """Width for the label of the longest bar [rem]."""


def render(facts: Facts, findings: list[Finding], metric: str) -> str:
    """Return the page as HTML."""
    pages = templates()
    pages.filters |= FILTERS
    plotted = [row for row in facts.quality if row["metric"] == metric]
    return pages.get_template("night.html.j2").render(
        facts=facts, run=facts.run, findings=findings, headline=HEADLINES[level(findings)], level=level(findings),
        tiles=tiles(facts, metric), charts=charts(facts), metric=metric,
        evaluated=quality.evaluated_on(facts.quality, facts.run.date, metric), names=quality.NAMES,
        quality_sentence=quality.quality_sentence(facts.quality, facts.run.date, metric, facts.is_first),
        activity=plots.activity(facts.activity) if facts.activity else "",
        quality=plots.quality(plotted, metric) if plotted else "", model=genre.model_section(facts.run.genre_model),
    )  # fmt: skip


def count(number: float) -> str:
    """Return a number with thousands separators."""
    return f"{number:,.0f}"


def percent(share: float) -> str:
    """Return a share as a percentage: few digits, and 0 % or 100 % only for exactly none or all."""
    if 0 < share < 0.0995 or 0.9 < share < 1:
        return f"{min(max(share, 0.001), 0.999):.1%}".replace("%", " %")
    return f"{share:.0%}".replace("%", " %")


def hours(value: float) -> str:
    """Return hours up to two days, then days."""
    return f"{value:.1f} h" if abs(value) < 48 else f"{value / 24:.1f} days"


def rank_change(item: Row) -> str:
    """Return the change of a track's rank since the previous night: "new", a rise, a fall, or an equals sign."""
    if item["previous_rank"] is None:
        return "new"
    rise = item["previous_rank"] - item["rank"]
    return f"▲ {rise}" if rise > 0 else f"▼ {-rise}" if rise < 0 else "="


def tiles(facts: Facts, metric: str) -> list[Tile]:
    """Return the tiles: the main figures of the night."""
    current, previous = summarize(facts, [], metric), facts.run.previous
    lag, evaluated = current["lag_hours"], current["quality"]
    tiles = [
        Tile(count(current["users"]), "users with lists", _change(current, previous, "users")),
        Tile(percent(ratio(current["full"], current["eligible"])), "of users have a full overall list"),
        Tile(
            percent(current["recommended_share"]),
            f"of {count(current['tracks'])} tracks are recommended",
            _points(current, previous, "recommended_share"),
        ),
        Tile(
            percent(current["hit_share"]), "of overall slots are top-100 hits", _points(current, previous, "hit_share")
        ),
        Tile(
            count(current["lines"]),
            f"input lines, {count(current['quarantined'])} of them quarantined",
            _change(current, previous, "lines"),
        ),
    ]
    if not facts.is_first and current["overlap_20"] is not None:
        tiles.insert(2, Tile(percent(current["overlap_20"]), "of the top 20 stayed"))
    if evaluated is not None:
        interval = f"95 %: {evaluated['low']:.3f} to {evaluated['high']:.3f}"
        tiles.insert(3, Tile(f"{evaluated['mean']:.3f}", f"{metric} of last night's lists", interval))
    if lag is not None:
        tiles.append(Tile(hours(lag), "from the newest event to the night's end"))
    return tiles


def _change(current: Row, previous: Row, key: str) -> str:
    change = current[key] - previous.get(key, current[key])
    return f"{change:+,} since last night" if change else ""


def _points(current: Row, previous: Row, key: str) -> str:
    change = round(100 * (current[key] - previous.get(key, current[key])), 1)
    return f"{change:+.1f} points since last night" if change else ""


def charts(facts: Facts) -> dict[str, Chart]:
    """Return the page's charts by name."""
    return {
        "tiers": _tiers(facts.tiers),
        "genres": _shares(
            "Genres: catalogue and lists", facts.genres, "genre", {"tracks": "of tracks", "slots": "of slots"}
        ),
        "genre_sources": _shares(
            "Origin of the tracks' genres", facts.genre_sources, "source", {"tracks": "of tracks", "plays": "of plays"}
        ),
        "confidence": _confidence(facts.confidence),
        "popularity": _popularity(facts),
        "stages": _stages(facts.run.stages),
    }


def _shares(title: str, rows: list[Row], name: str, columns: dict[str, str]) -> Chart:
    """Return a chart of columns as shares of their sums, side by side."""
    sums = {column: sum(row[column] or 0 for row in rows) for column in columns}
    shares = [(row[name], [ratio(row[column] or 0, sums[column]) for column in columns]) for row in rows]
    return _scaled(
        title,
        [(label, [(value, percent(value)) for value in values]) for label, values in shares],
        tuple(columns.values()),
    )


def _scaled(title: str, rows: list[tuple[str, list[tuple[float, str]]]], series: tuple[str, ...] = ()) -> Chart:
    longest = max((value for _, values in rows for value, _ in values), default=0) or 1
    bars = [
        (name, [Bar(value / longest, label, n) for n, (value, label) in enumerate(values)]) for name, values in rows
    ]
    return Chart(title, bars, series)


def _tiers(rows: list[Row]) -> Chart:
    sums = {
        lists: sum(row["slots"] for row in rows if row["lists"] == lists) for lists in {row["lists"] for row in rows}
    }
    shares = [(f"{row['lists']}: {row['tier']}", ratio(row["slots"], sums[row["lists"]])) for row in rows]
    return _scaled("Tiers of the lists", [(name, [(share, percent(share))]) for name, share in shares])


def _popularity(facts: Facts) -> Chart:
    """Return a chart of the tenths of the played tracks, and of the unplayed tracks."""
    rows: list[Row] = [{"name": TENTHS[row["tenth"] - 1], **row} for row in facts.popularity]
    rows.append({"name": "unplayed", "plays": 0, "slots": facts.coverage["unplayed_slots"]})
    return _shares("By popularity", rows, "name", {"plays": "of plays", "slots": "of slots"})


def _confidence(rows: list[Row]) -> Chart:
    """Return a chart from 0 to 1, as in the paper, and not relative to the longest bar."""
    series = {"popularity": "by popularity", "live": "live lists"}
    bars = [
        (row["genre"], [Bar(row[key], f"{row[key]:.2f}", n) for n, key in enumerate(series) if row[key] is not None])
        for row in rows
    ]
    return Chart("PMRS's confidence score by genre", bars, tuple(series.values()))


def _stages(stages: list[Stage]) -> Chart:
    rows: list[tuple[str, list[tuple[float, str]]]] = []
    for stage in stages:
        previous = f" (was {stage.previous_seconds:.0f} s)" if stage.previous_seconds is not None else ""
        rows.append((stage.job, [(stage.seconds, "reused" if stage.reused else f"{stage.seconds:.0f} s{previous}")]))
    return replace(
        _scaled(f"Time per job: {sum(stage.seconds for stage in stages):,.0f} s in all", rows), label_width=8.5
    )


def track(item: Row) -> str:
    """Return title and artist if they are known; otherwise the id."""
    title = item["title"] or item["track_id"]
    return f"{title} · {item['artist']}" if item["artist"] else str(title)


FILTERS = {"count": count, "percent": percent, "hours": hours, "rank_change": rank_change, "track": track}
"""Filters of the templates."""
