"""The facts of a night: the data of page, documents, metrics and verdict. Plain values, collected by gather.py."""

from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame

Row = dict[str, Any]
MAX_ROWS = 2_000


def rows_of(frame: DataFrame) -> list[Row]:
    """Collect aggregated rows: every caller groups by something small, or limits the rows."""
    return [row.asDict(recursive=True) for row in frame.limit(MAX_ROWS).collect()]


def ratio(part: float, total: float) -> float:
    """Return `part` / `total` to six digits; 0 if the total is 0."""
    return round(part / total, 6) if total else 0.0


@dataclass(frozen=True)
class Stage:
    """Run time of one job."""

    job: str
    seconds: float
    reused: bool
    """True if its inputs were unchanged, so that it reused its rows."""
    previous_seconds: float | None = None
    """Seconds in the previous night; None if it did not run then, or if one of the two nights reused its rows."""


@dataclass(frozen=True)
class RunInfo:
    """What MongoDB has about the run when its report is written."""

    date: str
    run_id: str
    sources: str
    synthetic: bool
    live_run: str | None
    """The run that readers see."""
    is_newest: bool
    """True if no later date is published."""
    stages: list[Stage]
    previous: Row
    """The summary that the previous night's report wrote into its run (see documents.summarize); empty if there is none."""
    documents: dict[str, int]
    """Number of documents per published view of this run."""
    genre_model: Row | None
    """Card of the genre model that classified the night's tracks; None if there is none."""
    code: str
    """Digest of the program text."""
    ranker: str
    """A sentence about the recommender that ranked the lists."""

    @property
    def is_live(self) -> bool:
        """True if readers see this night."""
        return self.live_run == self.run_id


@dataclass(frozen=True)
class Facts:
    """Everything that the report shows."""

    run: RunInfo
    accounts: list[Row]
    """Per source: files, lines_in, good, quarantined, blank, duplicates, late, over_limit, truncated (files)."""
    current_counts: list[Row]
    """The same for what the night itself read: of dated sources the files received on its date."""
    rejected: list[Row]
    """Per source and rule, of what the night itself read: count, and sample lines with file and line number."""
    join_drops: list[Row]
    activity: list[Row]
    """Events per day and kind up to the night; `newest`: time of the last one."""
    genre_sources: list[Row]
    """Origins of the tracks' genres: source, tracks, plays."""
    genres: list[Row]
    """Per genre: tracks, slots in overall lists."""
    tiers: list[Row]
    """Per tier, for overall lists and lists per genre: slots."""
    coverage: Row
    """Sums over the catalogue; see music.coverage."""
    popularity: list[Row]
    """Per tenth of the played tracks, most played first: tracks, plays, slots."""
    lists: Row
    """Counts of users, and the comparison of their overall lists with the previous night; see difference.compare."""
    artists: Row
    """Artists in and out of overall lists, and those with the largest changes; see music.artists."""
    quality: list[Row]
    """Rows of table `quality`: one metric over the last nights, and all metrics of this night."""
    products: list[Row]
    """Freshness and completeness of every product; see products.py."""
    confidence: list[Row] = field(default_factory=list)
    """PMRS's confidence score per genre over the last nights; see genre.confidence."""
    examples: list[Row] = field(default_factory=list)
    """A few example users; the only part with user ids."""

    @property
    def is_first(self) -> bool:
        """True if the previous night has no lists."""
        return bool(self.lists["first"])
