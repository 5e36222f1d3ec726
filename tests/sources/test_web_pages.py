"""Web pages: recordings in schema.org trees, addresses, charsets, and hostile pages."""

from jobs.sources.parsing.crawl_pages import same_site_address
from jobs.sources.parsing.schema_org import Recording, parse_duration, recordings
from jobs.sources.parsing.web_pages import decode_body, read_page

SITE = "https://music.example"


def test_recordings_are_extracted_from_schema_org_trees() -> None:
    none = Recording(None, None, None, None, None, None, ())
    assert recordings(
        [{"@type": "MusicRecording", "name": 7, "byArtist": ["", {"name": ["A"]}], "duration": "5:05"}]
    ) == [Recording("7", "A", None, None, None, None, ())]
    group = {"@type": "http://schema.org/MusicGroup", "name": "G", "track": [{"@type": "MusicRecording", "name": "t"}]}
    assert recordings([group]) == [Recording("t", "G", None, None, None, None, ())]
    by_id = [{"@type": "MusicAlbum", "name": "Alb", "byArtist": "Y", "track": [{"@id": "/1"}]},
             {"@type": "MusicRecording", "@id": "/1", "name": "One"}]  # fmt: skip
    assert recordings([{"@graph": by_id}]) == [Recording("One", "Y", "Alb", None, None, "/1", ())]
    assert recordings([{"@type": "MusicRecording", "name": " \ud800 "}])[0].title == "?"
    assert recordings([{"@type": "MusicRecording", "name": "x" * 2000, "datePublished": "soon"}]) == [none]
    assert recordings([[], None, 3, {"@type": None}, {"@type": "MusicRecording", "url": "/reference"}]) == []
    assert [parse_duration(text) for text in ("PT3M45S", "pt1h", "P1DT0.5S", "PT0S", "P", "", "3:45", None)] == [
        225.0, 3600.0, 86400.5, None, None, None, None, None,
    ]  # fmt: skip


def test_equivalent_addresses_are_equal_and_other_sites_give_none() -> None:
    same = [f"http://{SITE[8:]}/a", f"{SITE}:443/a", f"{SITE.upper()}/a", f"{SITE}/a#top"]
    assert {same_site_address(url, SITE) for url in same} == {"music.example/a"}
    assert same_site_address("https://other.example/a", SITE) is None
    assert same_site_address("https://www.music.example/a?b=c#d", SITE, fragment=True) == "www.music.example/a?b=c#d"
    assert [same_site_address(url, SITE) for url in ("javascript:1", "http://[", "http://music.example:99999999/")] == [
        None
    ] * 3


def test_pages_are_decoded_by_their_charset() -> None:
    text = "<p>Sigur Rós"
    assert decode_body(text.encode(), "") == text
    assert decode_body(text.encode("latin-1"), "") == text
    assert decode_body(text.encode("latin-1"), "utf-8") == text
    assert decode_body(text.encode("utf-16"), "") == text
    czech = '<meta charset="windows-1250"><p>Dvořák'
    assert decode_body(czech.encode("cp1250"), "") == czech
    assert decode_body(czech.encode("cp1250"), "punycode") == czech
    assert decode_body(b"<p>x", "hex") == "<p>x"


def test_hostile_pages_are_parsed_in_linear_time() -> None:
    for body in (
        b"<!" * 10**6,
        b"<a " * 10**5,
        b"<b itemprop=x>" * 10**4 + b"</i>" * 10**4,
        b"<script>" + b"</" * 10**6,
    ):
        read_page(b"schema.org" + body, "")
