"""The night's verdict: findings about unusual figures. Pure: facts in, findings out."""

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.lake.quarantine import QUARANTINE_DAY_LINES
from jobs.report import quality
from jobs.report.facts import Facts, ratio

OK, WARN, BAD = "ok", "warn", "bad"
HEADLINES = {OK: "All is well.", WARN: "There are warnings.", BAD: "Something is wrong."}


@dataclass(frozen=True)
class Limits:
    """Thresholds of the findings."""

    max_quarantined_ratio: float = 0.01
    """Quarantined share of a source's lines. A fifth of the share that stops a night, so that a feed that gets worse is
    noticed earlier."""
    min_quarantined_lines: int = QUARANTINE_DAY_LINES
    """Smallest number of quarantined lines for a finding, as for stopping a night: one bad line of thirty is no bad feed."""
    max_lag_hours: float = 24.0
    """Hours from the newest event to the night's end. A full day without a play means that the feed has stopped."""
    min_overlap: float = 0.3
    """Mean share of the first 20 tracks that stay. One day's plays change a few tracks of a list; if most of them change, the
    cause is the catalogue, the settings or the model."""
    max_coverage_drop: float = 0.2
    """Relative drop of the number of recommended tracks since the previous night. The usual change is a few percent."""
    min_lines_ratio: float = 0.5
    """Share of the previous night's lines. Listening varies by a third between a weekday and a holiday; a drop by half means
    missing input."""
    min_users_ratio: float = 0.8
    """Share of the previous night's users with lists. Users leave one by one; a loss of a fifth means missing input."""
    max_slowdown: float = 2.0
    """Ratio of a job's seconds to those of the previous night."""
    min_slowdown_seconds: float = 30.0
    """Smallest increase of a job's seconds for a finding: short jobs double by chance."""


@dataclass(frozen=True)
class Finding:
    """One unusual figure."""

    level: str
    """WARN, or BAD if users get worse lists."""
    text: str
    section: str
    """Id of the page's section that shows it."""


def find_problems(facts: Facts, limits: Limits, metric: str) -> list[Finding]:
    """Return the findings, the worst first, otherwise in the order of the page. No finding contains a user id."""
    checks = (
        _check_state(facts), _check_lists(facts, limits), _check_difference(facts, limits), _check_quality(facts, metric),
        _check_freshness(facts, limits), _check_input(facts, limits), _check_times(facts, limits),
    )  # fmt: skip
    return sorted((finding for findings in checks for finding in findings), key=lambda finding: finding.level != BAD)


def level(findings: list[Finding]) -> str:
    """Return the level of the worst finding; OK without findings."""
    return findings[0].level if findings else OK


def _check_state(facts: Facts) -> Iterator[Finding]:
    if not facts.run.is_live:
        reason = "" if facts.run.is_newest else ", because a later night is published"
        yield Finding(WARN, f"Readers do not see this night{reason}: live is {facts.run.live_run or 'none'}.", "top")


def _check_lists(facts: Facts, limits: Limits) -> Iterator[Finding]:
    lists = facts.lists
    audited, published = facts.run.documents.get("lists", 0), facts.run.documents.get("recommendations", 0)
    if published < audited:
        yield Finding(BAD, f"Only {published:,} lists are published; {audited:,} passed the audit.", "lists")
    previous = facts.run.previous.get("users", 0)
    if lists["users"] < limits.min_users_ratio * previous:
        yield Finding(
            BAD, f"Only {lists['users']:,} users have lists; in the previous night {previous:,} had.", "lists"
        )
    if lists["listless"]:
        yield Finding(BAD, f"{lists['listless']:,} of {lists['eligible']:,} users have no overall list.", "lists")
    if lists["short"]:
        share = ratio(lists["short"], lists["users"])
        text = f"{lists['short']:,} overall lists ({share:.1%}) are shorter than {lists['length']}: the catalogue has no more."
        yield Finding(WARN, text, "lists")


def _check_difference(facts: Facts, limits: Limits) -> Iterator[Finding]:
    overlap = facts.lists["overlap_20"]
    if not facts.is_first and overlap is not None and overlap < limits.min_overlap:
        text = f"Lists changed a lot: only {overlap:.0%} of the first 20 tracks are those of the previous night."
        yield Finding(WARN, text, "difference")
    current, previous = facts.coverage["recommended"], facts.run.previous.get("recommended", 0)
    if previous and current < (1 - limits.max_coverage_drop) * previous:
        change = (current - previous) / previous
        text = f"Fewer tracks are recommended: {current:,}; in the previous night {previous:,} ({change:+.0%})."
        yield Finding(WARN, text, "popularity")


def _check_quality(facts: Facts, metric: str) -> Iterator[Finding]:
    for row in quality.evaluated_on(facts.quality, facts.run.date, metric):
        if quality.significance(row) < 0:
            text = f"By {metric}, the lists of the previous night are {quality.describe_difference(row)}."
            yield Finding(BAD, text, "quality")


def _check_freshness(facts: Facts, limits: Limits) -> Iterator[Finding]:
    events = next((product for product in facts.products if product["product"] == "events"), None)
    if events is not None and events["lag_hours"] > limits.max_lag_hours:
        newest = events["newest_time"] or events["newest"]
        time = newest if isinstance(newest, str) else f"{newest:%Y-%m-%d %H:%M} UTC"
        text = f"The newest event is {events['lag_hours']:.0f} hours older than the night's end: {time}."
        yield Finding(BAD, text, "freshness")


def _check_input(facts: Facts, limits: Limits) -> Iterator[Finding]:
    lines, previous = sum(row["lines_in"] for row in facts.current_counts), facts.run.previous.get("lines", 0)
    if lines < limits.min_lines_ratio * previous:
        yield Finding(BAD, f"The night read {lines:,} lines; the previous night read {previous:,}.", "input")
    for row in facts.current_counts:
        share = ratio(row["quarantined"], row["lines_in"])
        if share > limits.max_quarantined_ratio and row["quarantined"] >= limits.min_quarantined_lines:
            counts = f"{row['quarantined']:,} of {row['lines_in']:,}"
            yield Finding(
                WARN, f"Source {row['source']}: {share:.1%} of the lines were quarantined ({counts}).", "quarantine"
            )
        if row["truncated"]:
            yield Finding(WARN, f"Source {row['source']}: {_count_files(row['truncated'])} truncated.", "input")


def _count_files(number: int) -> str:
    return "1 file is" if number == 1 else f"{number:,} files are"


def _check_times(facts: Facts, limits: Limits) -> Iterator[Finding]:
    for stage in facts.run.stages:
        previous = stage.previous_seconds
        if previous is None or not previous:
            continue
        if stage.seconds > limits.max_slowdown * previous and stage.seconds - previous > limits.min_slowdown_seconds:
            slowdown = f"{stage.seconds / previous:.1f} times as long as in the previous night ({previous:,.0f} s)"
            yield Finding(WARN, f"Job {stage.job} took {stage.seconds:,.0f} s, {slowdown}.", "times")
