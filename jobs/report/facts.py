"""The facts of a night: all that page, documents, metrics and verdict are made of. Plain values, gathered by gather.py."""

from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame

Row = dict[str, Any]


def rows_of(frame: DataFrame) -> list[Row]:
    """A few hundred aggregated rows at most: every caller groups by something small or limits."""
    return [row.asDict(recursive=True) for row in frame.limit(2_000).collect()]


def ratio(part: float, whole: float) -> float:
    """0 to 1, to six digits; 0 where there is nothing to be a part of."""
    return round(part / whole, 6) if whole else 0.0


@dataclass(frozen=True)
class Stage:
    """How long one job took."""

    job: str
    seconds: float
    reused: bool
    """It found its inputs unchanged and took its rows over."""
    before: float | None = None
    """Seconds in the night before; None: it did not run then, or either of the two only took its rows over."""


@dataclass(frozen=True)
class Seen:
    """What MongoDB knows of the run when its report is made."""

    date: str
    run_id: str
    sources: str
    synthetic: bool
    live: str | None
    """The run that readers see."""
    newest: bool
    """No later date is published."""
    stages: list[Stage]
    before: Row
    """What the report of the night before noted in its run (see documents.compact); empty where there is none."""
    documents: dict[str, int]
    """Documents by published view, of this run."""
    model: Row | None
    """Card of the genre model that the night's tracks were heard with, or None where there is none."""
    code: str
    """Digest of the program text."""
    ranker: str
    """What made the lists, in a sentence."""

    @property
    def is_live(self) -> bool:
        """True where readers see this very night."""
        return self.live == self.run_id


@dataclass(frozen=True)
class Facts:
    """Everything that the report shows."""

    seen: Seen
    accounts: list[Row]
    """Per source that is read: files, lines_in, good, quarantined, blank, duplicates, late, over_limit, truncated (files)."""
    tonight: list[Row]
    """The same, of what the night itself read: of timed sources the files received on its date."""
    rejected: list[Row]
    """Of what the night itself read, per source and rule: count, and a few samples with file and line."""
    losses: list[Row]
    activity: list[Row]
    """Per day: events by kind, of the days up to the night; `newest`: time of the last one."""
    genre_sources: list[Row]
    """Where tracks have their genre from: source, tracks, plays."""
    genres: list[Row]
    """Per genre: tracks, places in overall lists."""
    tiers: list[Row]
    """Per tier, overall and per genre apart: places."""
    coverage: Row
    """Sums over the catalogue; see music.coverage."""
    popularity: list[Row]
    """Per tenth of the played tracks, most played first: tracks, plays, places in overall lists."""
    lists: Row
    """Listeners, and how their overall lists compare with those of the night before; see difference.compare."""
    artists: Row
    """Artists in and out, and who gained or lost most places; see music.artists."""
    quality: list[Row]
    """Rows of table `quality`: one metric over the last nights, and all metrics of this one."""
    products: list[Row]
    """Freshness and completeness of every product; see products.py."""
    confidence: list[Row] = field(default_factory=list)
    """PMRS's confidence score per genre, over the last nights; see genre.confidence."""
    examples: list[Row] = field(default_factory=list)
    """A few listeners; the only part that names users."""

    @property
    def first(self) -> bool:
        """True where the night before has no lists."""
        return bool(self.lists["first"])
