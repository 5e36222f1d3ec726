"""What is worth a look, and what is not: each threshold from both sides."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from jobs.report.facts import Facts, Stage
from jobs.report.verdict import BAD, LOOK, OK, Limits, judge, level
from tests.report import literal
from tests.report.literal import COVERAGE, LISTS, METRIC, account, judged, night, product, seen


def found(facts: Facts) -> list[tuple[str, str]]:
    return [(finding.level, finding.anchor) for finding in judge(facts, Limits(), METRIC)]


def test_a_quiet_night_is_well() -> None:
    assert found(night()) == []
    assert level([]) == OK


QUIET: list[dict[str, Any]] = [
    {"tonight": [account(lines_in=4_000, quarantined=40)]},
    {"tonight": [account(lines_in=36, quarantined=1)], "seen": seen(before={"lines": 40})},
    {"tonight": [account(lines_in=2_050)]},
    {"seen": seen(before={"users": 125})},
    {"lists": {**LISTS, "overlap_20": 0.3}},
    {"lists": {**LISTS, "first": True, "overlap_10": None, "overlap_20": None, "both": 0}},
    {"coverage": {**COVERAGE, "offered": 40}},
    {"seen": seen(before={})},
    {"quality": []},
    {"quality": [judged("live", 0.1), judged("popularity", 0.11, (-0.01, -0.03, 0.01))]},
    {"quality": [judged("popularity", 0.2, (-0.1, -0.2, -0.05), judged="2026-11-13")]},
    {"products": [product(lag_hours=24.0)]},
    {"products": []},
    {"seen": seen(stages=[Stage("rank", 61.0, False, 32.0), Stage("mel", 40.0, False, 12.0), Stage("new", 900.0, False)])},
]


@pytest.mark.parametrize("change", QUIET)
def test_what_is_within_its_limits_is_not_told(change: dict[str, Any]) -> None:
    assert found(night(**change)) == []


LOUD: list[tuple[dict[str, Any], str, str, list[str]]] = [
    ({"tonight": [account(lines_in=2_049)]}, BAD, "input", ["2,049 lines", "the night before 4,100"]),
    ({"tonight": []}, BAD, "input", ["read 0 lines"]),
    ({"seen": seen(before={"users": 126})}, BAD, "lists", ["Only 100 users", "126"]),
    ({"seen": seen(documents={"recommendations": 80, "lists": 800})}, BAD, "lists", ["Readers find 80 lists", "800"]),
    ({"tonight": [account(lines_in=4_000, quarantined=41)]}, LOOK, "refused", ["app_log", "1.0%", "41 of 4,000"]),
    ({"tonight": [account(truncated=2)]}, LOOK, "input", ["app_log", "2 files are cut short"]),
    ({"seen": seen(live="20261115_1", newest=False)}, LOOK, "top", ["20261115_1", "a later night"]),
    ({"lists": {**LISTS, "short": 3, "full": 97}}, LOOK, "lists", ["3 overall lists", "3.0%", "20"]),
    ({"lists": {**LISTS, "listless": 1}}, BAD, "lists", ["1 of 100 listeners"]),
    ({"lists": {**LISTS, "overlap_20": 0.29}}, LOOK, "difference", ["29%"]),
    ({"coverage": {**COVERAGE, "offered": 39}}, LOOK, "popularity", ["39", "50", "-22%"]),
    ({"quality": [judged("live", 0.05), judged("popularity", 0.12, (-0.07, -0.09, -0.05))]}, BAD, "quality",
     ["significantly behind popularity", "-0.070", "-0.090 to -0.050"]),
    ({"products": [product(lag_hours=24.1, newest_time=dt.datetime(2026, 11, 13, 23, 54, tzinfo=dt.UTC))]}, BAD, "freshness",
     ["24 hours", "2026-11-13 23:54"]),
    ({"seen": seen(stages=[Stage("rank", 62.5, False, 31.0)])}, LOOK, "times", ["rank", "62 s", "2.0 times", "31 s"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "how", "anchor", "told"), LOUD)
def test_what_is_beyond_its_limits_is_told_with_its_numbers(change: dict[str, Any], how: str, anchor: str, told: list[str]) -> None:
    findings = judge(night(**change), Limits(), METRIC)
    assert [(finding.level, finding.anchor) for finding in findings] == [(how, anchor)]
    assert all(piece in findings[0].text for piece in told), findings[0].text


def test_the_worst_comes_first_and_no_finding_names_a_listener() -> None:
    facts = replace(night(tonight=[account(truncated=1)], lists={**LISTS, "listless": 2, "overlap_20": 0.1}))
    findings = judge(facts, Limits(), METRIC)
    assert [finding.level for finding in findings] == [BAD, LOOK, LOOK]
    assert level(findings) == BAD
    assert literal.example()["user_id"] not in " ".join(finding.text for finding in findings)
