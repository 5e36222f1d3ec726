"""A line with a deleted id matches, whatever quoting or garbage surrounds the id."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.erasure.tokens import LONG_LINE, names_erased_user, tokens
from jobs.lake.deletion_requests import DeletionRequest, DeletionRequests, sha256

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(lambda t: t.strip() == t)
PLAIN = st.from_regex(r"[A-Za-z0-9]{1,12}([-_.@:][A-Za-z0-9]{1,12}){0,4}", fullmatch=True)
GARBAGE = st.binary(max_size=40)
BREAKS = st.sampled_from([b"\t", b",", b" ", b";", b"|", b'"', b"'", b"<SEP>", b"=", b"/", b"\xff", b"\x00", b"{", b"("])


def request_for(user: str, *tracks: str) -> DeletionRequests:
    return DeletionRequests({sha256(user): DeletionRequest(not tracks, frozenset(tracks))})


@settings(derandomize=True, deadline=None)
@given(user=NAMES, other=NAMES, ascii_only=st.booleans(), cut=st.integers(0, 30), before=GARBAGE)
def test_id_in_json_matches_in_truncated_lines_and_after_garbage(
    user: str, other: str, ascii_only: bool, cut: int, before: bytes
) -> None:
    line = json.dumps({"user_id": user, "track_id": other, "event": "teleport"}, ensure_ascii=ascii_only).encode()
    tail = line[: len(line) - min(cut, 20)]
    assert names_erased_user(request_for(user), ())(before + b" " + tail)


@settings(derandomize=True, deadline=None)
@given(user=PLAIN, before=GARBAGE, after=GARBAGE, left=BREAKS, right=BREAKS)
def test_id_between_any_two_separators_matches(user: str, before: bytes, after: bytes, left: bytes, right: bytes) -> None:
    assert names_erased_user(request_for(user), ())(before + left + user.encode() + right + after)


@settings(derandomize=True, deadline=None)
@given(user=NAMES.filter(lambda t: "\t" not in t), others=st.lists(NAMES.filter(lambda t: "\t" not in t), max_size=4))
@pytest.mark.parametrize("code", ["utf-8", "latin-1"])
def test_field_between_tabs_matches_in_either_encoding(code: str, user: str, others: list[str]) -> None:
    try:
        line = "\t".join([*others, user, "many"]).encode(code)
    except UnicodeEncodeError:
        return
    assert names_erased_user(request_for(user), ())(line)


@settings(derandomize=True, deadline=None)
@given(line=st.binary(max_size=300))
def test_random_bytes_match_no_id(line: bytes) -> None:
    assert not names_erased_user(request_for("nobody whom any bytes would name"), ("ns",))(line)
    assert "" not in tokens(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"user_id": "anna b.", "event"', b"anna b.", b' "anna b." ', b"x,'anna b.',3", b'x,"anna b.",3', b"9\tanna b.\tmany",
        b'{\\"user\\": \\"anna b.\\"}', b"a<SEP>anna b.<SEP>c", b'stray " quote, "user_id": "anna b."', "anna b.".encode("utf-16"),
        b'{"user_id": "\\u0061nna\\u0020b."}', b"anna b.\r",
    ],
)  # fmt: skip
def test_quotings_of_an_id_match(line: bytes) -> None:
    assert names_erased_user(request_for("anna b."), ())(line)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /u?name=x\tbj%C3%B6rk+g.\t1", "x\tbjörk g.\t".encode("latin-1"),
        "a,bj\N{LATIN SMALL LETTER O}\N{COMBINING DIAERESIS}rk g.,b".encode(),
        "ár\t".encode() + "björk g.\t1".encode("latin-1"), b"\0" + "björk g.\t7".encode("utf-16-le"),
        '{"u": "björk g."}'.encode("utf-16-le"), '\0{"u": "björk g."}'.encode("utf-16-be"),
        b"{\"user_id\": \"bjo\\u0308rk g.\"", b"{\"track\":\"x\",\"user_id\":\"bj\\u00f6rk g.",
        b"u\tbj%F6rk g.\t1", b"u\tbj%25C3%25B6rk%20g.\t1",
    ],
)  # fmt: skip
def test_encodings_of_an_id_match(line: bytes) -> None:
    assert names_erased_user(request_for("björk g."), ())(line)


def test_plus_in_a_url_is_a_plus_or_a_space() -> None:
    assert names_erased_user(request_for("a+b@x.com"), ())(b"u=a+b%40x.com&t=1")
    assert names_erased_user(request_for("a b@x.com"), ())(b"u=a+b%40x.com&t=1")


def test_long_escaped_id_matches() -> None:
    user = "é b" * 100
    assert names_erased_user(request_for(user), ())(json.dumps({"user_id": user}).encode())


def test_ids_match_with_their_namespace_and_pairs_need_both_ids() -> None:
    assert names_erased_user(request_for("lastfm:7"), ("lastfm",))(b'{"user_id": 7}')
    assert not names_erased_user(request_for("lastfm:7"), ("other",))(b'{"user_id": 7}')
    pair = names_erased_user(request_for("lastfm:7", "lastfm:t1"), ("lastfm",))
    assert pair(b"7\tt1\tmany")
    assert not pair(b"7\tt2\tmany")


def test_many_quotes_take_linear_time() -> None:
    matches = names_erased_user(request_for("u"), ())
    assert not matches(b'"' * 100_000)
    assert not matches(b'\\"' * 50_000)


def test_line_over_the_limit_matches_without_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.erasure.tokens.tokens", lambda line: pytest.fail("it was taken apart"))
    line = b'{"user_id": "somebody"},' * (LONG_LINE // 24 + 1)
    assert names_erased_user(DeletionRequests({sha256("another"): DeletionRequest(True)}), ())(line)
    assert not names_erased_user(DeletionRequests({}), ())(line)
