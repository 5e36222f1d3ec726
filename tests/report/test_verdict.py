"""Each threshold of the findings, from both sides."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from jobs.report.facts import Facts, Stage
from jobs.report.verdict import BAD, OK, WARN, Limits, find_problems, level
from tests.report import literal
from tests.report.literal import COVERAGE, LISTS, METRIC, account, night, product, quality_row, run_info


def findings_of(facts: Facts) -> list[tuple[str, str]]:
    return [(finding.level, finding.section) for finding in find_problems(facts, Limits(), METRIC)]


def test_quiet_night_has_no_findings() -> None:
    assert findings_of(night()) == []
    assert level([]) == OK


WITHIN_LIMITS: list[dict[str, Any]] = [
    {"current_counts": [account(lines_in=4_000, quarantined=40)]},
    {"current_counts": [account(lines_in=36, quarantined=1)], "run": run_info(previous={"lines": 40})},
    {"current_counts": [account(lines_in=2_050)]},
    {"run": run_info(previous={"users": 125})},
    {"lists": {**LISTS, "overlap_20": 0.3}},
    {"lists": {**LISTS, "first": True, "overlap_10": None, "overlap_20": None, "both": 0}},
    {"coverage": {**COVERAGE, "recommended": 40}},
    {"run": run_info(previous={})},
    {"quality": []},
    {"quality": [quality_row("live", 0.1), quality_row("popularity", 0.11, (-0.01, -0.03, 0.01))]},
    {"quality": [quality_row("popularity", 0.2, (-0.1, -0.2, -0.05), evaluated_on="2026-11-13")]},
    {"products": [product(lag_hours=24.0)]},
    {"products": []},
    {
        "run": run_info(
            stages=[Stage("rank", 61.0, False, 32.0), Stage("mel", 40.0, False, 12.0), Stage("new", 900.0, False)]
        )
    },
]


@pytest.mark.parametrize("change", WITHIN_LIMITS)
def test_figures_within_limits_give_no_finding(change: dict[str, Any]) -> None:
    assert findings_of(night(**change)) == []


BEYOND_LIMITS: list[tuple[dict[str, Any], str, str, list[str]]] = [
    ({"current_counts": [account(lines_in=2_049)]}, BAD, "input", ["2,049 lines", "the previous night read 4,100"]),
    ({"current_counts": []}, BAD, "input", ["read 0 lines"]),
    ({"run": run_info(previous={"users": 126})}, BAD, "lists", ["Only 100 users", "126"]),
    ({"run": run_info(documents={"recommendations": 80, "lists": 800})}, BAD, "lists", ["Only 80 lists are published", "800"]),
    ({"current_counts": [account(lines_in=4_000, quarantined=41)]}, WARN, "quarantine", ["app_log", "1.0%", "41 of 4,000"]),
    ({"current_counts": [account(truncated=2)]}, WARN, "input", ["app_log", "2 files are truncated"]),
    ({"run": run_info(live_run="20261115_1", is_newest=False)}, WARN, "top", ["20261115_1", "a later night"]),
    ({"lists": {**LISTS, "short": 3, "full": 97}}, WARN, "lists", ["3 overall lists", "3.0%", "20"]),
    ({"lists": {**LISTS, "listless": 1}}, BAD, "lists", ["1 of 100 users"]),
    ({"lists": {**LISTS, "overlap_20": 0.29}}, WARN, "difference", ["29%"]),
    ({"coverage": {**COVERAGE, "recommended": 39}}, WARN, "popularity", ["39", "50", "-22%"]),
    ({"quality": [quality_row("live", 0.05), quality_row("popularity", 0.12, (-0.07, -0.09, -0.05))]}, BAD, "quality",
     ["significantly worse than popularity", "-0.070", "-0.090 to -0.050"]),
    ({"products": [product(lag_hours=24.1, newest_time=dt.datetime(2026, 11, 13, 23, 54, tzinfo=dt.UTC))]}, BAD, "freshness",
     ["24 hours", "2026-11-13 23:54"]),
    ({"run": run_info(stages=[Stage("rank", 62.5, False, 31.0)])}, WARN, "times", ["rank", "62 s", "2.0 times", "31 s"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "level_", "section", "texts"), BEYOND_LIMITS)
def test_figures_beyond_limits_give_a_finding_with_numbers(
    change: dict[str, Any], level_: str, section: str, texts: list[str]
) -> None:
    findings = find_problems(night(**change), Limits(), METRIC)
    assert [(finding.level, finding.section) for finding in findings] == [(level_, section)]
    assert all(piece in findings[0].text for piece in texts), findings[0].text


def test_findings_are_ordered_by_level_and_name_no_user() -> None:
    facts = replace(night(current_counts=[account(truncated=1)], lists={**LISTS, "listless": 2, "overlap_20": 0.1}))
    findings = find_problems(facts, Limits(), METRIC)
    assert [finding.level for finding in findings] == [BAD, WARN, WARN]
    assert level(findings) == BAD
    assert literal.example()["user_id"] not in " ".join(finding.text for finding in findings)
