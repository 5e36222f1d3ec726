"""Facts and findings to one HTML page: tiles, bars and sentences are made here, and their places are the template's."""

from dataclasses import dataclass, replace

from jobs.report import genre, plots, quality
from jobs.report.documents import compact
from jobs.report.facts import Facts, Row, Stage, ratio
from jobs.report.templates import templates
from jobs.report.verdict import HEADLINES, Finding, level

TENTHS = ("most played tenth", "2nd", "3rd", *(f"{number}th" for number in range(4, 10)), "least played tenth")
"""Of the played tracks, by number of listeners."""


@dataclass(frozen=True)
class Tile:
    """One figure at a glance."""

    value: str
    name: str
    change: str = ""
    """Against the night before; empty where that is not known, or nothing changed."""


@dataclass(frozen=True)
class Bar:
    """One bar: its length as a share of the chart's longest, and what is written beside it."""

    length: float
    text: str
    kind: int = 0
    """Which of the chart's series, by number."""


@dataclass(frozen=True)
class Chart:
    """Horizontal bars, drawn by the browser: as sharp and as large as the page's own letters."""

    title: str
    rows: list[tuple[str, list[Bar]]]
    series: tuple[str, ...] = ()
    room: float = 3.6
    """Width that is left for the words behind the longest bar, in rem."""


def render(facts: Facts, findings: list[Finding], metric: str) -> str:
    """The page."""
    pages = templates()
    pages.filters |= FILTERS
    drawn = [row for row in facts.quality if row["metric"] == metric]
    return pages.get_template("night.html.j2").render(
        facts=facts, seen=facts.seen, findings=findings, headline=HEADLINES[level(findings)], level=level(findings),
        tiles=tiles(facts, metric), charts=charts(facts), metric=metric,
        judged=quality.of_day(facts.quality, facts.seen.date, metric), names=quality.NAMES,
        judgement=quality.sentence(facts.quality, facts.seen.date, metric, facts.first),
        activity=plots.activity(facts.activity) if facts.activity else "",
        quality=plots.quality(drawn, metric) if drawn else "", model=genre.told(facts.seen.model),
    )  # fmt: skip


def count(number: float) -> str:
    """With thousands."""
    return f"{number:,.0f}"


def percent(share: float) -> str:
    """As a person reads it: no digits that say nothing, and never 100 % or 0 % of what is not all or nothing."""
    if 0 < share < 0.0995 or 0.9 < share < 1:
        return f"{min(max(share, 0.001), 0.999):.1%}".replace("%", " %")
    return f"{share:.0%}".replace("%", " %")


def hours(value: float) -> str:
    """Hours up to two days, then days."""
    return f"{value:.1f} h" if abs(value) < 48 else f"{value / 24:.1f} days"


def move(item: Row) -> str:
    """How a place changed against the night before: new, a rise or a fall by so many ranks, or an equals sign."""
    if item["before"] is None:
        return "new"
    by = item["before"] - item["rank"]
    return f"▲ {by}" if by > 0 else f"▼ {-by}" if by < 0 else "="


def tiles(facts: Facts, metric: str) -> list[Tile]:
    """The figures that answer "how was the night?" at a glance."""
    now, then = compact(facts, [], metric), facts.seen.before
    lag, judged = now["lag_hours"], now["quality"]
    found = [
        Tile(count(now["users"]), "listeners with lists", _more(now, then, "users")),
        Tile(percent(ratio(now["full"], now["listeners"])), "have a full overall list"),
        Tile(percent(now["offered_share"]), f"of {count(now['tracks'])} tracks are offered", _points(now, then, "offered_share")),
        Tile(percent(now["hit_share"]), "of overall places are top-100 hits", _points(now, then, "hit_share")),
        Tile(count(now["lines"]), f"input lines, {count(now['quarantined'])} of them refused", _more(now, then, "lines")),
    ]
    if not facts.first and now["overlap_20"] is not None:
        found.insert(2, Tile(percent(now["overlap_20"]), "of the top 20 stayed"))
    if judged is not None:
        interval = f"95 %: {judged['low']:.3f} to {judged['high']:.3f}"
        found.insert(3, Tile(f"{judged['mean']:.3f}", f"{metric} of last night's lists", interval))
    if lag is not None:
        found.append(Tile(hours(lag), "from the newest event to the night's end"))
    return found


def _more(now: Row, then: Row, key: str) -> str:
    change = now[key] - then.get(key, now[key])
    return f"{change:+,} since last night" if change else ""


def _points(now: Row, then: Row, key: str) -> str:
    change = round(100 * (now[key] - then.get(key, now[key])), 1)
    return f"{change:+.1f} points since last night" if change else ""


def charts(facts: Facts) -> dict[str, Chart]:
    """All bars of the page, by name."""
    return {
        "tiers": _tiers(facts.tiers),
        "genres": _shares("Genres: catalogue and lists", facts.genres, "genre", {"tracks": "of tracks", "places": "of places"}),
        "genre_sources": _shares(
            "Where a track's genre comes from", facts.genre_sources, "source", {"tracks": "of tracks", "plays": "of plays"}
        ),
        "confidence": _confidence(facts.confidence),
        "popularity": _popularity(facts),
        "stages": _stages(facts.seen.stages),
    }


def _shares(title: str, rows: list[Row], name: str, columns: dict[str, str]) -> Chart:
    """Columns as shares of their sums, side by side."""
    sums = {column: sum(row[column] or 0 for row in rows) for column in columns}
    shares = [(row[name], [ratio(row[column] or 0, sums[column]) for column in columns]) for row in rows]
    return _scaled(title, [(label, [(value, percent(value)) for value in some]) for label, some in shares], tuple(columns.values()))


def _scaled(title: str, rows: list[tuple[str, list[tuple[float, str]]]], series: tuple[str, ...] = ()) -> Chart:
    longest = max((value for _, values in rows for value, _ in values), default=0) or 1
    bars = [(name, [Bar(value / longest, told, kind) for kind, (value, told) in enumerate(values)]) for name, values in rows]
    return Chart(title, bars, series)


def _tiers(rows: list[Row]) -> Chart:
    sums = {lists: sum(row["places"] for row in rows if row["lists"] == lists) for lists in {row["lists"] for row in rows}}
    shares = [(f"{row['lists']}: {row['tier']}", ratio(row["places"], sums[row["lists"]])) for row in rows]
    return _scaled("How far the lists reach", [(name, [(share, percent(share))]) for name, share in shares])


def _popularity(facts: Facts) -> Chart:
    """Tenths of the played tracks, and behind them those that nobody played."""
    rows: list[Row] = [{"name": TENTHS[row["tenth"] - 1], **row} for row in facts.popularity]
    rows.append({"name": "played by nobody", "plays": 0, "places": facts.coverage["unplayed_places"]})
    return _shares("By popularity", rows, "name", {"plays": "of plays", "places": "of places"})


def _confidence(rows: list[Row]) -> Chart:
    """From 0 to 1, as the paper draws it: the longest bar is no measure."""
    series = {"popularity": "by popularity", "live": "our lists"}
    bars = [
        (row["genre"], [Bar(row[key], f"{row[key]:.2f}", kind) for kind, key in enumerate(series) if row[key] is not None])
        for row in rows
    ]
    return Chart("PMRS's confidence score by genre", bars, tuple(series.values()))


def _stages(stages: list[Stage]) -> Chart:
    rows: list[tuple[str, list[tuple[float, str]]]] = []
    for stage in stages:
        before = f" (was {stage.before:.0f} s)" if stage.before is not None else ""
        rows.append((stage.job, [(stage.seconds, "taken over" if stage.reused else f"{stage.seconds:.0f} s{before}")]))
    return replace(_scaled(f"Time per job: {sum(stage.seconds for stage in stages):,.0f} s in all", rows), room=8.5)


def track(item: Row) -> str:
    """Title and artist, as far as they are known; else the id."""
    title = item["title"] or item["track_id"]
    return f"{title} · {item['artist']}" if item["artist"] else str(title)


FILTERS = {"count": count, "percent": percent, "hours": hours, "move": move, "track": track}
"""What the templates call to write figures for people."""
