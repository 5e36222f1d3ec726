"""The gate: whether a candidate may replace the live recommender. Pure: figures go in, a verdict with its reasons comes out."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jobs.evaluate import metrics
from jobs.evaluate.intervals import difference
from jobs.evaluate.limits import Gate
from jobs.evaluate.result import Result


@dataclass(frozen=True)
class Check:
    """One thing that was held against the candidate."""

    what: str
    passed: bool
    said: str
    """In a sentence, with the numbers."""


@dataclass(frozen=True)
class Verdict:
    """All checks of one candidate against one other model."""

    against: str
    """The live model's digest, or the shipped method's name."""
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True where it was checked, and nothing speaks against it."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def reasons(self) -> list[str]:
        """Why it was refused; empty where it passed."""
        return [check.said for check in self.checks if not check.passed]

    def to_json(self) -> dict[str, Any]:
        """For the card."""
        return {"against": self.against, "passed": self.passed, "checks": [asdict(check) for check in self.checks]}


def judge(
    ours: Sequence[Result], live: Sequence[Result], popular: Sequence[Result], churn: dict[str, float], gate: Gate, against: str
) -> Verdict:
    """The candidate's results, those of what ranks now, and popularity's, on the same tasks; `churn` by task (see `churn_of`).

    Popularity must be beaten whatever is live, so that a row of promotions that are each "not worse" cannot lead below it.
    `against`: what ranks now, in words.
    """
    checks: list[Check] = []
    for one in ours:
        now, floor = (next(result for result in some if result.task == one.task) for some in (live, popular))
        checks += [_enough(one, gate), *_metrics(one, floor, gate, beat=True), *_metrics(one, now, gate, beat=False)]
        checks += [_coverage(one, now, gate), _lift(one, now, gate), _churn(one.task, churn[one.task], gate)]
    return Verdict(against, tuple(checks))


def _enough(one: Result, gate: Gate) -> Check:
    said = f"{one.task}: {one.users:,} users were asked, {gate.fewest_users:,} are needed"
    return Check("users", one.users >= gate.fewest_users, said)


def _metrics(one: Result, other: Result, gate: Gate, beat: bool) -> Iterator[Check]:
    places = metrics.names()
    for name in gate.metrics:
        gap = difference(one.per_user[:, places.index(name)], other.per_user[:, places.index(name)])
        means = f"{one.metrics[name].mean:.4f} against {other.metrics[name].mean:.4f}"
        interval = f"{gap.mean:+.4f}, 95 % from {gap.low:+.4f} to {gap.high:+.4f}"
        wanted = "must beat popularity" if beat else "must not be worse than what ranks now"
        passed = gap.low > 0 if beat else gap.high >= 0
        yield Check(name, passed, f"{one.task}, {name}: {means} ({interval}); {wanted}")


def _coverage(one: Result, other: Result, gate: Gate) -> Check:
    ours, theirs = one.beyond["coverage"], other.beyond["coverage"]
    shown = f"its lists show {ours:.1%} of the catalogue, the other's {theirs:.1%}"
    said = f"{one.task}: {shown}; at least {gate.keep_coverage:.0%} of that"
    return Check("coverage", ours >= gate.keep_coverage * theirs, said)


def _lift(one: Result, other: Result, gate: Gate) -> Check:
    ours, theirs = (result.beyond.get("popularity_lift", float("nan")) for result in (one, other))
    said = f"{one.task}: popularity lift {ours:+.2f}, the other's {theirs:+.2f}; at most {gate.more_lift:.2f} more"
    # where nobody played anything that others play there is no lift, and nothing to hold against it
    return Check("popularity lift", not ours > theirs + gate.more_lift, said)


def _churn(task: str, churn: float, gate: Gate) -> Check:
    said = f"{task}: {churn:.1%} of the live lists' places would change at once; at most {gate.most_churn:.0%}"
    return Check("churn", churn <= gate.most_churn, said)


def churn_of(shared: Sequence[tuple[int, int]]) -> float:
    """Mean over lists of the share of places that change. `shared`: per list of the live model (its places, those also in ours)."""
    counts = np.array(shared, dtype=np.float64)
    return float(1 - (counts[:, 1] / counts[:, 0]).mean()) if len(counts) else 0.0
