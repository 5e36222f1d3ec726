"""How was the night? What is out of the ordinary, in sentences with their numbers. Pure: facts in, findings out."""

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.lake.quarantine import QUARANTINE_DAY_LINES
from jobs.report import quality
from jobs.report.facts import Facts, ratio

OK, LOOK, BAD = "ok", "look", "bad"
HEADLINES = {OK: "All is well.", LOOK: "Worth a look.", BAD: "Something is wrong."}
"""The verdict in words."""


@dataclass(frozen=True)
class Limits:
    """From where on a figure is worth a look."""

    quarantined: float = 0.01
    """Share of a source's lines of the night that were refused. A fifth of the share that stops a night, so that a feed
    that gets worse is seen before it does."""
    refused_lines: int = QUARANTINE_DAY_LINES
    """Lines of a source that must be refused besides, as where a date may stop a night: one bad file of thirty is no bad feed."""
    lag_hours: float = 24.0
    """Hours from the newest event to the night's end. A whole day without a play is a feed that has stopped."""
    overlap: float = 0.3
    """Least mean share of the first 20 places that stay. One day's plays change a few places of a list; where most change,
    it is rather the catalogue, the settings or the model."""
    coverage_fall: float = 0.2
    """Fall of the offered tracks against the night before, as a share of them. Day by day it moves by a few percent."""
    lines: float = 0.5
    """Least share of the night before's lines. Listening swings by a third between a weekday and a holiday; half of it missing is
    a feed that has lost something."""
    listeners: float = 0.8
    """Least share of the night before's users with lists. Users leave one by one; a fifth at once is an input that is gone."""
    slower: float = 2.0
    """Times as long as in the night before."""
    slower_seconds: float = 30.0
    """Seconds by which a job must have got slower besides: short jobs double by chance."""


@dataclass(frozen=True)
class Finding:
    """One thing to look at."""

    level: str
    """look, or bad: what listeners get is worse for it."""
    text: str
    anchor: str
    """Section of the page that shows it."""


def judge(facts: Facts, limits: Limits, metric: str) -> list[Finding]:
    """What is out of the ordinary, the worst first, else in the order of the page. No finding names a user."""
    rules = (_state(facts), _lists(facts, limits), _difference(facts, limits), _quality(facts, metric), _freshness(facts, limits),
             _input(facts, limits), _times(facts, limits))  # fmt: skip
    return sorted((finding for found in rules for finding in found), key=lambda finding: finding.level != BAD)


def level(findings: list[Finding]) -> str:
    """The worst of them; ok where there is none."""
    return findings[0].level if findings else OK


def _state(facts: Facts) -> Iterator[Finding]:
    if not facts.seen.is_live:
        older = "" if facts.seen.newest else ", for a later night is published"
        yield Finding(LOOK, f"Readers do not see this night{older}: live is {facts.seen.live or 'none'}.", "top")


def _lists(facts: Facts, limits: Limits) -> Iterator[Finding]:
    lists = facts.lists
    audited, held = facts.seen.documents.get("lists", 0), facts.seen.documents.get("recommendations", 0)
    if held < audited:
        yield Finding(BAD, f"Readers find {held:,} lists; {audited:,} passed the audit.", "lists")
    before = facts.seen.before.get("users", 0)
    if lists["users"] < limits.listeners * before:
        yield Finding(BAD, f"Only {lists['users']:,} users have lists; in the night before {before:,} had.", "lists")
    if lists["listless"]:
        yield Finding(BAD, f"{lists['listless']:,} of {lists['listeners']:,} listeners have no overall list.", "lists")
    if lists["short"]:
        share = ratio(lists["short"], lists["users"])
        text = f"{lists['short']:,} overall lists ({share:.1%}) are shorter than {lists['length']}: the catalogue holds no more."
        yield Finding(LOOK, text, "lists")


def _difference(facts: Facts, limits: Limits) -> Iterator[Finding]:
    overlap = facts.lists["overlap_20"]
    if not facts.first and overlap is not None and overlap < limits.overlap:
        text = f"Lists changed a lot: of the first 20 places, {overlap:.0%} hold the tracks of the night before."
        yield Finding(LOOK, text, "difference")
    now, then = facts.coverage["offered"], facts.seen.before.get("offered", 0)
    if then and now < (1 - limits.coverage_fall) * then:
        text = f"Fewer tracks reach anybody: {now:,}, and {then:,} in the night before ({(now - then) / then:+.0%})."
        yield Finding(LOOK, text, "popularity")


def _quality(facts: Facts, metric: str) -> Iterator[Finding]:
    for row in quality.of_day(facts.quality, facts.seen.date, metric):
        if quality.side(row) < 0:
            yield Finding(BAD, f"By {metric}, the lists of the night before are {quality.against(row)}.", "quality")


def _freshness(facts: Facts, limits: Limits) -> Iterator[Finding]:
    events = next((product for product in facts.products if product["product"] == "events"), None)
    if events is not None and events["lag_hours"] > limits.lag_hours:
        at = events["newest_time"] or events["newest"]
        told = at if isinstance(at, str) else f"{at:%Y-%m-%d %H:%M} UTC"
        text = f"The newest event is {events['lag_hours']:.0f} hours older than the night's end: {told}."
        yield Finding(BAD, text, "freshness")


def _input(facts: Facts, limits: Limits) -> Iterator[Finding]:
    lines, before = sum(row["lines_in"] for row in facts.tonight), facts.seen.before.get("lines", 0)
    if lines < limits.lines * before:
        yield Finding(BAD, f"The night read {lines:,} lines; the night before {before:,}.", "input")
    for row in facts.tonight:
        share = ratio(row["quarantined"], row["lines_in"])
        if share > limits.quarantined and row["quarantined"] >= limits.refused_lines:
            number = f"{row['quarantined']:,} of {row['lines_in']:,}"
            yield Finding(LOOK, f"Of source {row['source']}, {share:.1%} of the lines were refused ({number}).", "refused")
        if row["truncated"]:
            yield Finding(LOOK, f"Of source {row['source']}, {_files(row['truncated'])} cut short.", "input")


def _files(number: int) -> str:
    return "1 file is" if number == 1 else f"{number:,} files are"


def _times(facts: Facts, limits: Limits) -> Iterator[Finding]:
    for stage in facts.seen.stages:
        before = stage.before
        if before and stage.seconds > limits.slower * before and stage.seconds - before > limits.slower_seconds:
            longer = f"{stage.seconds / before:.1f} times as long as in the night before ({before:,.0f} s)"
            yield Finding(LOOK, f"Job {stage.job} took {stage.seconds:,.0f} s, {longer}.", "times")
