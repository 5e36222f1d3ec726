"""The page itself: it needs nothing beside it, is whole HTML, shows what is typed as text, and has each listener apart."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from jobs.erasure.reports import EXAMPLE, LINK, without_examples
from jobs.lake.deletion_requests import DeletionRequest, DeletionRequests, sha256
from jobs.report.facts import Facts
from jobs.report.page import count, hours, move, percent, render, tiles
from jobs.report.verdict import Limits, judge
from tests.report.literal import CARD, COVERAGE, LISTS, METRIC, account, example, item, judged, night, product, seen

VOID = {"meta", "br", "use", "path", "rect", "line", "hr", "img", "link"}
FIRST = {**LISTS, "first": True, "both": 0, "overlap_10": None, "overlap_20": None, "stayed": 0, "unchanged": 0}


def page_of(facts: Facts) -> str:
    return render(facts, judge(facts, Limits(), METRIC), METRIC)


class Balanced(HTMLParser):
    """Raises where a tag is closed that is not the last one open; notes ids, and what the page links to or asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.shown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._note(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(attrs)

    def _note(self, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        asking = {"src", "href", "xlink:href", "data", "action", "srcset", "poster"}
        self.asked += [(name, value or "") for name, value in attrs if name in asking or name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def read(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


STATES: list[dict[str, Any]] = [
    {},
    {"lists": FIRST, "quality": [], "examples": [], "seen": seen(before={}, live=None, model=None, stages=[])},
    {"lists": {**LISTS, "both": 0, "overlap_10": None, "overlap_20": None}, "rejected": [], "losses": [], "activity": []},
    {"coverage": dict.fromkeys(COVERAGE, 0), "popularity": [], "genres": [], "tiers": [], "genre_sources": [], "products": []},
    {"tonight": [account(quarantined=100, truncated=1)], "products": [product(lag_hours=70.0)], "accounts": []},
    {"seen": seen(model=CARD), "confidence": [{"genre": "Rock", "users": 40, "live": 0.4, "popularity": None}]},
    {"quality": [judged("live", 0.1, judged=f"2026-11-{day:02}") for day in (1, 2, 3, 4, 9, 14)]},
]


@pytest.mark.parametrize("state", STATES)
def test_the_page_is_whole_and_needs_nothing_beside_it(state: dict[str, Any]) -> None:
    page = page_of(night(**state))
    found = read(page)
    assert len(found.ids) == len(set(found.ids))
    assert all(value.startswith("#") for _, value in found.asked), found.asked
    links = {value[1:] for name, value in found.asked if name == "href"}
    assert links <= set(found.ids), links - set(found.ids)
    assert "<script" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_what_is_typed_is_shown_and_not_obeyed() -> None:
    bad = '<script>alert("x")</script></section><a href="http://evil">'
    facts = night(
        examples=[example(
            user=bad, items=[item(1, None, title=bad, artist=bad, why=bad, genre=bad)], out=[item(None, 1, title=bad)],
        )],
        rejected=[{"source": bad, "rule": bad, "count": 1, "samples": [{"file": bad, "line": 1, "reason": bad}]}],
        artists={"in": 1, "out": 0, "both": 0, "gained": [{"artist": bad, "places": 3, "before": 0}], "lost": []},
        genres=[{"genre": bad, "tracks": 1, "places": 1}], tonight=[account(bad, quarantined=400)],
    )  # fmt: skip
    page = page_of(facts)
    found = read(page)
    assert "<script" not in page
    assert not [value for _, value in found.asked if "evil" in value]
    assert "".join(found.shown).count(bad) >= 8
    assert len(EXAMPLE.findall(page)) == 1
    assert bad not in without_examples(page, DeletionRequests({sha256(bad): DeletionRequest(True)}))
    assert "Cut out" in without_examples(page, DeletionRequests({sha256(bad): DeletionRequest(True)}))


def test_listeners_are_named_in_their_own_sections_and_nowhere_else() -> None:
    facts = night(examples=[example(1, "listener-one"), example(2, "listener-two", returning=False)])
    page = page_of(facts)
    assert re.findall(LINK.format("example-2"), page)
    rest = EXAMPLE.sub("", page)
    assert "listener-one" not in rest
    assert "listener-two" not in rest
    cut = without_examples(page, DeletionRequests({sha256("listener-one"): DeletionRequest(True)}))
    assert "listener-one" not in cut
    assert "listener-two" in cut
    read(cut)


def test_the_banner_says_how_the_night_was() -> None:
    assert "All is well." in page_of(night())
    page = page_of(night(lists={**LISTS, "listless": 3}))
    assert "Something is wrong." in page
    assert '<a href="#lists">3 of 100 listeners have no overall list.</a>' in page
    assert page.index("Something is wrong.") < page.index('class="tile"')


def test_tiles_tell_the_change_since_the_night_before() -> None:
    told = {tile.name: (tile.value, tile.change) for tile in tiles(night(), METRIC)}
    assert told["listeners with lists"] == ("100", "+1 since last night")
    assert told["of 120 tracks are offered"] == ("50 %", "")
    assert told["of overall places are top-100 hits"] == ("20 %", "")
    assert told["input lines, 10 of them refused"] == ("4,000", "-100 since last night")
    assert told["of the top 20 stayed"] == ("75 %", "")
    assert told["NDCG@20 of last night's lists"] == ("0.120", "95 %: 0.110 to 0.130")
    first = {tile.name: tile.change for tile in tiles(night(lists=FIRST, seen=seen(before={})), METRIC)}
    assert set(first.values()) <= {"", "95 %: 0.110 to 0.130"}
    assert "of the top 20 stayed" not in first


def test_figures_are_written_for_people() -> None:
    assert [percent(share) for share in (0, 0.00001, 0.042, 0.0994, 0.0996, 0.5, 0.917, 0.99999, 1)] == [
        "0 %", "0.1 %", "4.2 %", "9.9 %", "10 %", "50 %", "91.7 %", "99.9 %", "100 %",
    ]  # fmt: skip
    assert [hours(0.04), hours(47.9), hours(120)] == ["0.0 h", "47.9 h", "5.0 days"]
    assert count(1234567.0) == "1,234,567"
    assert [move(item(2, before)) for before in (None, 5, 1, 2)] == ["new", "▲ 3", "▼ 1", "="]
