"""30Music in its own files (Idomaar): sessions to plays, loves to likes, playlists, and the catalogue."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS
from jobs.sources.options import validated
from tests.sources.expected_lines import BLANK, GOOD, rows_of

SESSION = (
    'event.session\t287144\t1390262390\t{"numtracks":3,"playtime":4547} {"subjects":[{"type":"user","id":44361}],"objects":['
    '{"type":"track","id":4698874,"playstart":0,"playtime":172,"playratio":0.9,"action":"play"},'
    '{"type":"track","id":838286,"playstart":173,"playtime":-1,"playratio":null,"action":"play"},'
    '{"type":"track","id":838286,"playstart":90000,"playtime":5,"playratio":0.02,"action":"skip"}]}'
)


def session(objects: str, seconds: str = "1390262390", subjects: str = '[{"type":"user","id":7}]') -> str:
    return (
        f'event.session\t5\t{seconds}\t{{"numtracks":1,"playtime":10}}\t{{"subjects":{subjects},"objects":{objects}}}'
    )


def test_a_session_gives_a_play_per_track(spark: SparkSession, tmp_path: Path) -> None:
    track = '[{"type":"track","id":1,"playstart":0,"playtime":10}]'
    lines = [
        (SESSION, GOOD),
        (session('[{"type":"track","id":9,"playstart":0}]'), GOOD),
        (session('[{"type":"track","id":10,"playstart":0,"playtime":1e300}]'), GOOD),
        ("", BLANK),
        ("event.session\t5\t1390262390", "fields"),
        (session(track, seconds="soon"), "fields"),
        (session(track).replace("event.session", "event.play"), "other_type"),
        (session(track) + "{}", "not_json"),
        (session(track)[:-2], "not_json"),
        ('event.session\t5\t1390262390\t{"numtracks":1}', "not_json"),
        (session(track, subjects="[]"), "missing_user"),
        (session(track, subjects='[{"type":"user","id":{"a":1}}]'), "missing_user"),
        (session("[]"), "missing_track"),
        (session("[[]]"), "missing_track"),
        (session('[{"type":"track","id":1,"playstart":0},{"type":"track"}]'), "missing_track"),
        (session(track, seconds="-1"), "bad_time"),
        (session('[{"type":"track","id":1}]'), "bad_time"),
        (session('[{"type":"track","id":1,"playstart":1e300}]'), "bad_time"),
        (session(track, seconds="946684799"), "before_2000"),
        (session(track.replace(":0", ':"now"')), "bad_time"),
    ]
    rows = rows_of(spark, "thirty_music_sessions", tmp_path / "sessions.idomaar", lines, namespace="30music")
    plays = [
        (r["user_id"], r["track_id"], r["ms_played"], r["played_at"].isoformat(), r["dt"].isoformat()) for r in rows
    ]
    assert plays == [
        ("30music:44361", "30music:4698874", 172_000, "2014-01-20T23:59:50", "2014-01-20"),
        ("30music:44361", "30music:838286", None, "2014-01-21T00:02:43", "2014-01-21"),
        ("30music:44361", "30music:838286", 5_000, "2014-01-22T00:59:50", "2014-01-22"),
        ("30music:7", "30music:10", None, "2014-01-20T23:59:50", "2014-01-20"),
        ("30music:7", "30music:9", None, "2014-01-20T23:59:50", "2014-01-20"),
    ]
    assert {(row["event"], row["within_late_window"], row["rating"]) for row in rows} == {("play", True, None)}
    assert {row["session_id"] for row in rows} == {"30music:287144", "30music:5"}


def test_newest_date_is_that_of_the_last_play(tmp_path: Path) -> None:
    file = tmp_path / "sessions.idomaar"
    file.write_text(f"{SESSION}\ngarbage\n" + session("[]", seconds="-1") + "\n")
    assert FORMATS["thirty_music_sessions"].newest_date(Source("s", "thirty_music_sessions", str(file))) == date(
        2014, 1, 22
    )


LOVE = 'preference\t3\t-1 {"value":"love"} {"subjects":[{"type":"user","id":44361}],"objects":[{"type":"track","id":4698874}]}'


def test_loves_become_likes_of_the_option_undated(spark: SparkSession, tmp_path: Path) -> None:
    timed = LOVE.replace("\t-1 {", "\t1390262390\t{")
    two = LOVE.replace('"objects":[', '"objects":[{"type":"track","id":1},')
    lines = [
        (timed, GOOD),
        (LOVE, "no_time"),
        (two.replace("-1", "1390262390"), "missing_track"),
        ("preference", "fields"),
    ]
    (row,) = rows_of(spark, "thirty_music_loves", tmp_path / "love.idomaar", lines)
    assert (row["event"], row["user_id"], row["track_id"], row["dt"]) == ("like", "44361", "4698874", date(2014, 1, 20))
    options = {"undated": date(2015, 1, 21)}
    (_, row) = rows_of(spark, "thirty_music_loves", tmp_path / "love.idomaar", [(timed, GOOD), (LOVE, GOOD)], **options)
    assert (row["played_at"], row["dt"]) == (datetime(2015, 1, 21), date(2015, 1, 21))  # noqa: DTZ001
    source = Source("s", "thirty_music_loves", str(tmp_path / "love.idomaar"), options=options)
    assert FORMATS["thirty_music_loves"].newest_date(source) == date(2015, 1, 21)


@pytest.mark.parametrize("undated", ["2015-01-21", datetime(2015, 1, 21, tzinfo=UTC), 7])
def test_undated_must_be_a_date(undated: object) -> None:
    with pytest.raises(SourceError, match="undated"):
        validated(FORMATS["thirty_music_loves"].options, {"undated": undated}, "sources.toml, source 1")


def test_track_names_are_url_decoded(spark: SparkSession, tmp_path: Path) -> None:
    properties = '{"duration":274000,"playcount":917,"MBID":"0f4857e4-7f73-4ae1-93fe-c08bf4d5ce4d","name":"%s"}'
    linked = '{"artists":[{"type":"person","id":53}],"albums":[[]],"tags":[{"type":"tag","id":254186}]}'
    lines = [
        (f"track\t1\t-1\t{properties % '009+Sound+System/_/Number+Two'}\t{linked}", GOOD),
        (f"track\t2\t-1\t{properties.replace('274000', '-1') % 'Bj%C3%B6rk/_/Dj%27s+50%25/_/Rock'}\t{linked}", GOOD),
        (f"track\t3\t-1\t{properties % '100%+Hits'}\t" + '{"artists":[],"albums":[],"tags":[]}', GOOD),
        (f"person\t3\t-1\t{properties % 'a'}\t{linked}", "other_type"),
        ('track\t4\t-1\t{"name":"a"b"}\t' + linked, "not_json"),
        (f"track\t{{}}\t-1\t{properties % 'a'}\t{linked}", "fields"),
    ]
    rows = rows_of(spark, "thirty_music_tracks", tmp_path / "tracks.idomaar", lines, namespace="30music")
    assert [(row["track_id"], row["title"], row["artist_id"], row["artist"], row["duration_s"]) for row in rows] == [
        ("30music:1", "Number Two", "30music:53", "009 Sound System", 274.0),
        ("30music:2", "Dj's 50%/_/Rock", "30music:53", "Björk", None),
        ("30music:3", "100% Hits", None, None, 274.0),
    ]


def test_persons_and_users_give_artists_and_profiles(spark: SparkSession, tmp_path: Path) -> None:
    persons = [
        ('person\t53\t-1\t{"MBID":null,"name":"009+Sound+System"}\t{}', GOOD),
        ('person\t54\t-1\t{"MBID":null,"name":""}\t{}', "missing_name"),
    ]
    rows = rows_of(spark, "thirty_music_persons", tmp_path / "persons.idomaar", persons, namespace="30music")
    assert rows == [{"artist_id": "30music:53", "name": "009 Sound System", "latitude": None, "longitude": None}]
    properties = (
        '{"lastfm_username":"000123","gender":"f","age":%s,"country":"US","playcount":221012,"subscribertype":"base"}'
    )
    users = [
        (f"user\t41504\t1116715959\t{properties % 24}", GOOD),
        (f"user\t41505\t-1\t{properties % 0}\t{{}}".replace('"f"', '""').replace('"US"', "null"), GOOD),
        ('user\t41506\t-1\t{"gender":', "not_json"),
        ("", BLANK),
    ]
    rows = rows_of(spark, "thirty_music_users", tmp_path / "users.idomaar", users)
    assert rows == [
        {"user_id": "41504", "gender": "f", "age": 24, "country": "US", "registered": date(2005, 5, 21)},
        {"user_id": "41505", "gender": None, "age": None, "country": None, "registered": None},
    ]


def test_playlists_keep_their_order(spark: SparkSession, tmp_path: Path) -> None:
    start = 'playlist\t%s\t1216316974\t{"ID":10,"Title":"this "is" Goth\\ic","numtracks":2,"duration":-1}\t'
    user = '{"subjects":[{"type":"user","id":9}],"objects":'
    lines = [
        (start % 1 + user + '[{"type":"track","id":8},{"type":"track","id":2}]}', GOOD),
        (start % 2 + user + "[[]]}", GOOD),
        (start % 3 + user + '[{"type":"track"}]}', "missing_track"),
        (start % 4 + '{"subjects":[],"objects":[{"type":"track","id":8}]}', "missing_user"),
        (start % 5, "not_json"),
    ]
    rows = rows_of(spark, "thirty_music_playlists", tmp_path / "playlist.idomaar", lines, namespace="n")
    assert rows == [
        {"user_id": "n:9", "playlist_id": "n:1", "position": 1, "track_id": "n:8"},
        {"user_id": "n:9", "playlist_id": "n:1", "position": 2, "track_id": "n:2"},
    ]
