"""The night's page: self-contained, balanced HTML, escaped input, and user ids in example sections only."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from jobs.erasure.reports import EXAMPLE, LINK, without_examples
from jobs.lake.deletion_requests import DeletionRequest, DeletionRequests, sha256
from jobs.report.facts import Facts
from jobs.report.page import count, hours, percent, rank_change, render, tiles
from jobs.report.verdict import Limits, find_problems
from tests.report.literal import (
    CARD,
    COVERAGE,
    LISTS,
    METRIC,
    account,
    example,
    item,
    night,
    product,
    quality_row,
    run_info,
)

VOID = {"meta", "br", "use", "path", "rect", "line", "hr", "img", "link"}
FIRST = {**LISTS, "first": True, "both": 0, "overlap_10": None, "overlap_20": None, "stayed": 0, "unchanged": 0}


def page_of(facts: Facts) -> str:
    return render(facts, find_problems(facts, Limits(), METRIC), METRIC)


class Balanced(HTMLParser):
    """Fails on unbalanced tags; collects ids, links and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._note(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(attrs)

    def _note(self, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        link_attributes = {"src", "href", "xlink:href", "data", "action", "srcset", "poster"}
        self.links += [(name, value or "") for name, value in attrs if name in link_attributes or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


STATES: list[dict[str, Any]] = [
    {},
    {
        "lists": FIRST,
        "quality": [],
        "examples": [],
        "run": run_info(previous={}, live_run=None, genre_model=None, stages=[]),
    },
    {
        "lists": {**LISTS, "both": 0, "overlap_10": None, "overlap_20": None},
        "rejected": [],
        "join_drops": [],
        "activity": [],
    },
    {
        "coverage": dict.fromkeys(COVERAGE, 0),
        "popularity": [],
        "genres": [],
        "tiers": [],
        "genre_sources": [],
        "products": [],
    },
    {"current_counts": [account(quarantined=100, truncated=1)], "products": [product(lag_hours=70.0)], "accounts": []},
    {
        "run": run_info(genre_model=CARD),
        "confidence": [{"genre": "Rock", "users": 40, "live": 0.4, "popularity": None}],
    },
    {"quality": [quality_row("live", 0.1, evaluated_on=f"2026-11-{day:02}") for day in (1, 2, 3, 4, 9, 14)]},
]


@pytest.mark.parametrize("state", STATES)
def test_page_is_balanced_html_without_external_resources(state: dict[str, Any]) -> None:
    page = page_of(night(**state))
    parsed = read(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(value.startswith("#") for _, value in parsed.links), parsed.links
    links = {value[1:] for name, value in parsed.links if name == "href"}
    assert links <= set(parsed.ids), links - set(parsed.ids)
    assert "<script" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_input_text_is_escaped() -> None:
    bad = '<script>alert("x")</script></section><a href="http://evil">'
    facts = night(
        examples=[example(
            user=bad, items=[item(1, None, title=bad, artist=bad, why=bad, genre=bad)], out=[item(None, 1, title=bad)],
        )],
        rejected=[{"source": bad, "rule": bad, "count": 1, "samples": [{"file": bad, "line": 1, "reason": bad}]}],
        artists={"in": 1, "out": 0, "both": 0, "gained": [{"artist": bad, "slots": 3, "previous": 0}], "lost": []},
        genres=[{"genre": bad, "tracks": 1, "slots": 1}], current_counts=[account(bad, quarantined=400)],
    )  # fmt: skip
    page = page_of(facts)
    parsed = read(page)
    assert "<script" not in page
    assert not [value for _, value in parsed.links if "evil" in value]
    assert "".join(parsed.text).count(bad) >= 8
    assert len(EXAMPLE.findall(page)) == 1
    assert bad not in without_examples(page, DeletionRequests({sha256(bad): DeletionRequest(True)}))
    assert "Removed: this user requested deletion" in without_examples(page, DeletionRequests({sha256(bad): DeletionRequest(True)}))


def test_user_ids_are_in_example_sections_only() -> None:
    facts = night(examples=[example(1, "user-one"), example(2, "user-two", had_list=False)])
    page = page_of(facts)
    assert re.findall(LINK.format("example-2"), page)
    rest = EXAMPLE.sub("", page)
    assert "user-one" not in rest
    assert "user-two" not in rest
    remaining = without_examples(page, DeletionRequests({sha256("user-one"): DeletionRequest(True)}))
    assert "user-one" not in remaining
    assert "user-two" in remaining
    read(remaining)


def test_banner_shows_the_verdict() -> None:
    assert "All is well." in page_of(night())
    page = page_of(night(lists={**LISTS, "listless": 3}))
    assert "Something is wrong." in page
    assert '<a href="#lists">3 of 100 users have no overall list.</a>' in page
    assert page.index("Something is wrong.") < page.index('class="tile"')


def test_tiles_show_changes_since_the_previous_night() -> None:
    values = {tile.name: (tile.value, tile.change) for tile in tiles(night(), METRIC)}
    assert values["users with lists"] == ("100", "+1 since last night")
    assert values["of 120 tracks are recommended"] == ("50 %", "")
    assert values["of overall slots are top-100 hits"] == ("20 %", "")
    assert values["input lines, 10 of them quarantined"] == ("4,000", "-100 since last night")
    assert values["of the top 20 stayed"] == ("75 %", "")
    assert values["NDCG@20 of last night's lists"] == ("0.120", "95 %: 0.110 to 0.130")
    first = {tile.name: tile.change for tile in tiles(night(lists=FIRST, run=run_info(previous={})), METRIC)}
    assert set(first.values()) <= {"", "95 %: 0.110 to 0.130"}
    assert "of the top 20 stayed" not in first


def test_number_formats() -> None:
    assert [percent(share) for share in (0, 0.00001, 0.042, 0.0994, 0.0996, 0.5, 0.917, 0.99999, 1)] == [
        "0 %", "0.1 %", "4.2 %", "9.9 %", "10 %", "50 %", "91.7 %", "99.9 %", "100 %",
    ]  # fmt: skip
    assert [hours(0.04), hours(47.9), hours(120)] == ["0.0 h", "47.9 h", "5.0 days"]
    assert count(1234567.0) == "1,234,567"
    assert [rank_change(item(2, previous)) for previous in (None, 5, 1, 2)] == ["new", "▲ 3", "▼ 1", "="]
