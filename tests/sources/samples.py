"""One small file per registered format, with the expected result of each line, counted by hand.

`both` writes a line twice, in UTF-8 and in latin-1: either must give the name Björk.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sources.builders import database, hdf5, record, sound, warc
from tests.sources.expected_lines import BLANK, GOOD

Lines = list[tuple[bytes, str]]
SONG, TRACK, SHA = "SOAAAAA12A00000001", "TRAAAAA128F0000001", "00000c289a1829a808ac09c00daf10bc3c4e223b"
TIME = "2026-11-14T10:00:00Z"


@dataclass(frozen=True)
class Sample:
    """A file's name, and either its lines or a function that writes it."""

    file: str
    lines: Lines = field(default_factory=list)
    """Bytes, and GOOD, BLANK or the broken rule."""
    write: Callable[[Path], Any] | None = None
    good: int = 0
    """For files that are not text: the number of good lines (rows, members, records, files),"""
    blank: int = 0
    bad: tuple[str, ...] = ()
    """and the rules that the others break."""
    names: int = 2
    """Number of rows that must contain `word`."""
    word: str = "Björk"
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, path: Path) -> None:
        """Write the file."""
        if self.write:
            self.write(path)
        else:
            path.write_bytes(b"".join(text + b"\n" for text, _ in self.lines))

    @property
    def rules(self) -> list[str]:
        """A rule for each rejected line or record, sorted."""
        return sorted(self.bad or (rule for _, rule in self.lines if rule not in (GOOD, BLANK)))

    @property
    def account(self) -> tuple[int, int, int, int]:
        """`lines_in`, `good`, `quarantined`, `blank`; a record of two lines counts as two."""
        if self.write:
            return self.good + len(self.bad) + self.blank, self.good, len(self.bad), self.blank
        spans = [(rule, text.count(b"\n") + 1) for text, rule in self.lines]
        good, blank = (sum(span for rule, span in spans if rule == kind) for kind in (GOOD, BLANK))
        total = sum(span for _, span in spans)
        return total, good, total - good - blank, blank


def both(line: str) -> Lines:
    return [(line.encode(), GOOD), (line.encode("latin-1"), GOOD)]


def text(*lines: tuple[str, str]) -> Lines:
    return [(line.encode(), rule) for line, rule in lines]


def event(**more: Any) -> str:
    return json.dumps(
        {"user_id": "Björk", "track_id": "t", "event": "play", "played_at": TIME} | more, ensure_ascii=False
    )


def triplets() -> Lines:
    return [*both(f"Björk\t{SONG}\t3"), *text((f"u {SONG} 0", "bad_count"), ("", BLANK), ("u\tsong\t1", "bad_song"))]


def idomaar(kind: str, properties: str, linked: str = "{}", seconds: int = -1) -> str:
    return f"{kind}\t1\t{seconds}\t{properties}\t{linked}"


def page(title: str) -> bytes:
    recording = {
        "@context": "https://schema.org",
        "@type": "MusicRecording",
        "name": title,
        "byArtist": {"name": "Björk"},
    }
    return f'<meta charset="X"><script type="application/ld+json">{json.dumps(recording, ensure_ascii=False)}</script>'.encode(
        "latin-1"
    )


LINKED = '{"subjects":[{"type":"user","id":7}],"objects":[{"type":"track","id":1,"playstart":0,"playtime":10}]}'
PERSON, NO_JSON = ("person\t1\t-1\t{}\t{}", "other_type"), '{"name":'
SONGS = "CREATE TABLE songs (track_id, title, song_id, release, artist_id, artist_name, duration, year)"
LATIN = "Björk".encode("latin-1")
SAMPLES = {
    "app_log": Sample(
        "a.jsonl", [(event().encode(), GOOD), (event().encode("latin-1"), "invalid_utf8"), (b"{", "not_json"), (b" ", BLANK)],
        names=1,
    ),
    "table": Sample(
        "a.csv", [*text(("u,t,s", BLANK)), *both(f"Björk,t,{TIME}"), *text((f",t,{TIME}", "missing_user"), ("u,t", "fields"))],
        options={"columns": {"user": "u", "track": "t", "time": "s"}},
    ),
    "taste_profile": Sample("a.txt", triplets()),
    "msd_challenge_visible": Sample("a.txt", triplets()),
    "msd_challenge_hidden": Sample("a.txt", triplets()),
    "lastfm_1k": Sample(
        "a.tsv", [*text(("user\ttimestamp\tartist_id\tartist\ttrack_id\tsong", BLANK)), *both(f"Björk\t{TIME}\ta\tB\tt\tUndo"),
                  *text((f"u\t{TIME}\ta\tB\tt", "fields"), ("u\tsoon\ta\tB\tt\tUndo", "bad_time"))]
    ),
    "lastfm_1k_tracks": Sample(
        "a.tsv", [*both(f"u\t{TIME}\ta\tBjörk\tt\tUndo"), *text((f"u\t{TIME}\ta\tBjörk\t\t", "missing_track"))]
    ),
    "lastfm_360k": Sample(
        "a.tsv", [*both(f"{SHA}\ta\tBjörk\t7"), *text(("u\ta\tB\t7", "bad_user"), (f"{SHA}\ta\tB\t0", "bad_count"), ("\r", BLANK))]
    ),
    "lastfm_360k_profiles": Sample(
        "a.tsv", [*text(("user\tgender\tage\tcountry\tsignup", BLANK)), *both(f"{SHA}\tf\t22\tBjörk\tFeb 1, 2007"),
                  *text((f"{SHA}\tf\told\tX\tFeb 1, 2007", "bad_age"), ("u\tf\t22\tX\t", "bad_user"))]
    ),
    "user_profiles": Sample(
        "a.tsv", [*text(("#id\tgender\tage\tcountry\tregistered", BLANK)), *both("u\tm\t\tBjörk\tFeb 24, 2006"),
                  *text(("u\tm\tx\tX\t", "bad_age"), ("u\tm\t7\tX\t2006", "bad_date"), ("\tm\t7\tX\t", "missing_user"),
                        ("u", "fields"))]
    ),
    "deletions": Sample(
        "a.txt", [*both("Björk"), *text(("u\tt", GOOD), ("# u", BLANK), ("\tt", "missing_user"), ("u\tt\tx", "fields"),
                                             ("u\t", "missing_track"), ("u\t  ", "missing_track"), (" u ", GOOD))],
        word=hashlib.sha256("Björk".encode()).hexdigest(),
    ),
    "genre_labels": Sample(
        "a.cls", [*text(("# tagtraum", BLANK)), *both(f"{TRACK}\tBjörk"), *text((f"{TRACK}\tRock\tPop", GOOD), (TRACK, "fields"),
                  ("\tRock", "missing_track"), ("TR\tRock", "bad_track"), (f"{TRACK}\tRock\t", "missing_label"))]
    ),
    "msd_unique_tracks": Sample(
        "a.txt", [*both(f"{TRACK}<SEP>{SONG}<SEP>Björk<SEP>Undo"), *text(("", BLANK), (f"{TRACK}<SEP><SEP>B<SEP>U", "missing_song"),
                  (f"TR<SEP>{SONG}<SEP>B<SEP>U", "bad_track"), (f"<SEP>{SONG}<SEP>B<SEP>U", "missing_track"), (TRACK, "fields"))]
    ),
    "msd_unique_artists": Sample(
        "a.txt", [*both("AR1<SEP>m<SEP>TR1<SEP>Björk"), *text(("AR1<SEP>m<SEP>TR1<SEP>", "missing_name"),
                  ("<SEP>m<SEP>TR1<SEP>B", "missing_artist"), ("AR1<SEP>m<SEP>TR1", "fields"), ("\t", BLANK))]
    ),
    "msd_artist_terms": Sample(
        "a.csv", [*text(("artist_id,term", BLANK)), *both('AR1,"Björk"'), *text(('AR1,"say ""hi"""', GOOD),
                  ('AR1,""', "missing_term"), (",rock", "missing_artist"), ("AR1", "fields"), ('AR1,"a"b"', "fields"))],
        word="björk",
    ),
    "msd_artist_location": Sample(
        "a.txt", [*both("AR1<SEP>42.7<SEP>-84.5<SEP>TR1<SEP>Björk"),
                  *text(("AR1<SEP>91<SEP>0<SEP>TR1<SEP>B", "bad_place"), ("", BLANK))]
    ),
    "msd_artist_similarity": Sample("a.csv", [*text(("target,similar", BLANK)), *both("AR1,Björk"), *text(("AR1", "fields"))]),
    "msd_song_to_tracks": Sample(
        "a.txt", text((f"{SONG}\t{TRACK}", GOOD), (SONG, GOOD), (f"{SONG}\tTR", "bad_track"), (TRACK, "bad_song"), (" ", BLANK)),
        names=0,
    ),
    "msd_mismatches": Sample(
        "a.txt", [*both(f"ERROR: <{SONG} {TRACK}> Björk  -  Undo  !=  Björk  -  Hunter"),
                  *text((f"<{SONG} {TRACK}>", "fields"), ("", BLANK))],
        word=TRACK,
    ),
    "msd_summary_csv": Sample(
        "a.csv", [*text(("track_id,song_id,title,artist_id,artist_name,release,year,duration", BLANK)),
                  *both(f'{TRACK},{SONG},"Hello, you",AR1,Björk,Debut,1993,61.5'),
                  *text((f"{TRACK},,,,,,1,1", "missing_song"), (f"{TRACK},{SONG},,,,,x,1", "bad_year"), (TRACK, "fields"))]
    ),
    "kkbox_train": Sample(
        "train.csv", [*text(("msno,song_id,source_system_tab,source_screen_name,source_type,target", BLANK)),
                      *both("Björk,s,explore,Explore,online,1"), *text(("u,s,,,,2", "bad_target"), ('u,s,"x', "not_csv"))]
    ),
    "kkbox_songs": Sample(
        "songs.csv", [*text(("song_id,song_length,genre_ids,artist_name,composer,lyricist,language", BLANK)),
                      *both("a,247640,465,Björk,x,y,3"), *text(("a,long,465,,,,3", "bad_length"), ("a", "fields"))]
    ),
    "kkbox_song_extra_info": Sample(
        "extra.csv", [*text(("song_id,name,isrc", BLANK)), *both('a,"Björk\nlive",TWUM71200043'), *text((",x,TW", "missing_track"))]
    ),
    "kkbox_members": Sample(
        "members.csv", [*text(("msno,city,bd,gender,registered_via,registration_init_time,expiration_date", BLANK)),
                        *both("Björk,1,27,female,7,20110820,20170920"), *text(("b,13,old,male,9,20150628,20170622", "bad_age"))]
    ),
    "fma_genres": Sample(
        "genres.csv", [*text(("genre_id,#tracks,parent,title,top_level", BLANK)), *both("21,12730,0,Björk,21"),
                       *text(("x,1,0,Jazz,4", "bad_genre"), ("4,1,,Jazz,4", "bad_parent"), ("4,1,0,,4", "missing_name"))]
    ),
    "fma_tracks": Sample(
        "tracks.csv", [*text((",album,album,artist,artist,track,track,track,track", BLANK),
                             (",date_released,title,id,name,duration,genre_top,genres_all,title", BLANK),
                             ("track_id,,,,,,,,", BLANK)),
                       *both('2,2009-01-05,"Debut\n(again)",1,Björk,168,Rock,[12],Undo'),
                       *text(("x,,,,,,,,", "bad_track"), ("3,x", "fields"))]
    ),
    "thirty_music_sessions": Sample(
        "a.idomaar", text((idomaar("event.session", "{}", LINKED, 1390262390), GOOD),
                          (idomaar("event.session", "{}", "{}", 1), "missing_user"), PERSON, ("", BLANK)), names=0
    ),
    "thirty_music_loves": Sample(
        "a.idomaar", text((idomaar("preference", '{"value":"love"}', LINKED, 1390262390), GOOD),
                          (idomaar("preference", '{"value":"love"}', LINKED), "no_time"), PERSON, ("", BLANK)), names=0
    ),
    "thirty_music_playlists": Sample(
        "a.idomaar", text((idomaar("playlist", '{"ID":10}', LINKED, 1216316974), GOOD), (idomaar("playlist", "{}", ""), "not_json"),
                          PERSON, ("", BLANK)), names=0
    ),
    "thirty_music_tracks": Sample(
        "a.idomaar", [*both(idomaar("track", '{"duration":274000,"name":"Björk/_/Undo"}', '{"artists":[]}')),
                      *text((idomaar("track", NO_JSON), "not_json"), PERSON, ("", BLANK))]
    ),
    "thirty_music_persons": Sample(
        "a.idomaar", [*both(idomaar("person", '{"name":"Björk"}')),
                      *text((idomaar("person", '{"name":""}'), "missing_name"), ("", BLANK))]
    ),
    "thirty_music_users": Sample(
        "a.idomaar", [*both(idomaar("user", '{"gender":"f","age":24,"country":"Björk"}')), *text(PERSON, ("", BLANK))]
    ),
    "msd_h5": Sample("a.h5", write=lambda path: path.write_bytes(hdf5(TRACK, "", f"{TRACK[:-1]}2")), good=2, bad=("missing_id",)),
    "msd_track_metadata_db": Sample(
        "a.db", good=2, bad=("missing_id",), write=lambda path: database(path, SONGS, rows=[("songs", [
            (TRACK, "Undo", SONG, "", "AR1", "Björk", 1.5, 2001), (TRACK, "Undo", SONG, "", "AR1", LATIN, 1.5, 0),
            ("", *[None] * 7)])])
    ),
    "msd_artist_term_db": Sample(
        "a.db", good=3, bad=("missing_term",), word="björk", write=lambda path: database(
            path, "CREATE TABLE artist_term (artist_id, term)", "CREATE TABLE artist_mbtag (artist_id, mbtag)",
            rows=[("artist_term", [("AR1", "Björk"), ("AR1", "")]), ("artist_mbtag", [("AR1", LATIN), ("AR1", "uk")])])
    ),
    "msd_artist_similarity_db": Sample(
        "a.db", good=2, bad=("missing_artist",), write=lambda path: database(
            path, "CREATE TABLE similarity (target, similar)",
            rows=[("similarity", [("AR1", "Björk"), ("AR1", LATIN), ("AR1", None)])])
    ),
    "lastfm_tags_db": Sample(
        "a.db", good=2, bad=("bad_weight", "missing_id"), write=lambda path: database(
            path, "CREATE TABLE tids (tid)", "CREATE TABLE tags (tag)", "CREATE TABLE tid_tag (tid, tag, val)",
            rows=[("tids", [("TRA",)]), ("tags", [("Björk",), (LATIN,)]),
                  ("tid_tag", [(1, 1, 100), (1, 2, 7.5), (1, 1, "x"), (9, 1, 1)])])
    ),
    "lastfm_similars_db": Sample(
        "a.db", good=1, bad=("bad_similars",), names=0, write=lambda path: database(
            path, "CREATE TABLE similars_src (tid, target)", "CREATE TABLE similars_dest (tid, target)",
            rows=[("similars_src", [("TRA", "TRB,1,TRC,0.5")]), ("similars_dest", [("TRB", "TRA")])])
    ),
    "crawl": Sample(
        "a.warc", good=2, blank=2, bad=("no_audio_folder",), write=lambda path: warc(
            path, record("https://a.example/1", page("Undo").replace(b"X", b"iso-8859-1"), mime="text/html"),
            record("https://a.example/2", page("Hunter").decode("latin-1").replace("X", "utf-8").encode(), mime="text/html"),
            record("https://a.example/3", b"<p>nothing"), record("https://a.example/4.mp3", b"ID3", mime="audio/mpeg"))
    ),
    "audio_tree": Sample("Björk.wav", write=sound, good=1, names=1),
}  # fmt: skip
