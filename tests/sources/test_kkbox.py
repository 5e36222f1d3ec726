"""KKBox's four files (WSDM Cup 2018): labelled pairs in order, songs with genres, multi-line titles, members."""

from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from tests.real_data import real
from tests.sources.expected_lines import BLANK, GOOD, as_rows, parse, rows_of

USER, SONG = "FGtllVqz18RPiwJj/edr2gV78zirAiY/9SmYvia+kCg=", "BBzumQNXUHKdEBOB7mAJuzok+IJA1c2Ryg/yzTF6tik="


def test_kkbox_train_gives_labelled_pairs_in_order(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        ("msno,song_id,source_system_tab,source_screen_name,source_type,target", BLANK),
        (f"{USER},{SONG},explore,Explore,online-playlist,1", GOOD),
        ("", BLANK),
        (f"{USER},{SONG},null,,local-playlist,2", "bad_target"),
        (f"{USER},{SONG},null,,local-playlist,0", GOOD),
        (f"{USER},{SONG},explore", "fields"),
        (f",{SONG},explore,Explore,online-playlist,1", "missing_user"),
        (f"{USER},,explore,Explore,online-playlist,1", "missing_track"),
        (f'{USER},{SONG},"explore,Explore,online-playlist,1', "not_csv"),
        (f"{USER},{SONG},,,,1", GOOD),
    ]
    rows = rows_of(spark, "kkbox_train", tmp_path / "train.csv", lines, namespace="kk")
    pair = {"user_id": f"kk:{USER}", "track_id": f"kk:{SONG}"}
    assert rows == [
        pair | {"system_tab": "explore", "screen": "Explore", "entry": "online-playlist", "target": 1, "row_order": 1},
        pair | {"system_tab": None, "screen": None, "entry": "local-playlist", "target": 0, "row_order": 3},
        pair | {"system_tab": None, "screen": None, "entry": None, "target": 1, "row_order": 8},
    ]


def test_kkbox_songs_give_tracks_and_genre_labels(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "songs.csv"
    lines = [
        ("song_id,song_length,genre_ids,artist_name,composer,lyricist,language", BLANK),
        (f"{SONG},247640,465,張信哲 (Jeff Chang),董貞,何啟弘,3", GOOD),
        ('a=,0,359|1259|359,"""Weird Al""\nYankovic",,,52', GOOD),
        ("b=,1000,,BLACKPINK,TEDDY|  FUTURE BOUNCE,TEDDY,31", GOOD),
        ("c=,long,465,,,,3", "bad_length"),
        (",1000,465,,,,3", "missing_track"),
        ("d=,1000,465", "fields"),
    ]
    rows = rows_of(spark, "kkbox_songs", file, lines, namespace="kk")
    assert [(row["track_id"], row["artist"], row["duration_s"]) for row in rows] == [
        (f"kk:{SONG}", "張信哲 (Jeff Chang)", 247.64),
        ("kk:a=", '"Weird Al" Yankovic', None),
        ("kk:b=", "BLACKPINK", 1.0),
    ]
    parsed, _ = parse(spark, "kkbox_songs", file, namespace="kk")
    assert as_rows(parsed.extra_tables["genre_labels"], "genre_labels") == [
        {"track_id": f"kk:{SONG}", "label": "465", "label_rank": 1},
        {"track_id": "kk:a=", "label": "1259", "label_rank": 2},
        {"track_id": "kk:a=", "label": "359", "label_rank": 1},
    ]


def test_kkbox_extra_info_gives_titles_and_years(spark: SparkSession, tmp_path: Path) -> None:
    codes = ["TWUM71200043", "TWA530887303", "usabc8500001", "", "TW", "USABC2500001", "QMZSY1700015"]
    titled = [(f"{song}=,Title {song},{code}", GOOD) for song, code in zip("abcdefg", codes, strict=True)]
    lines = [("song_id,name,isrc", BLANK), *titled]
    lines += [
        ('h=,"two\nlines, ""quoted""",TWUM71200043', GOOD),
        (",x,TWUM71200043", "missing_track"),
        ("i=,x", "fields"),
    ]
    rows = rows_of(spark, "kkbox_song_extra_info", tmp_path / "extra.csv", lines)
    assert {row["track_id"]: row["year"] for row in rows} == {
        "a=": 2012, "b=": 2008, "c=": 1985, "d=": None, "e=": None, "f=": None, "g=": 2017, "h=": 2012,
    }  # fmt: skip
    assert rows[-1]["title"] == 'two lines, "quoted"'


def test_kkbox_members_give_users(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        ("msno,city,bd,gender,registered_via,registration_init_time,expiration_date", BLANK),
        ("a=,1,0,,7,20110820,20170920", GOOD),
        ("b=,13,27,female,9,20150628,20170622", GOOD),
        ("c=,13,-43,male,9,,20170622", GOOD),
        ("d=,13,old,male,9,20150628,20170622", "bad_age"),
        ("e=,13,27,male,9,20151328,20170622", "bad_date"),
        (",13,27,male,9,20150628,20170622", "missing_user"),
    ]
    rows = rows_of(spark, "kkbox_members", tmp_path / "members.csv", lines)
    assert [(row["user_id"], row["gender"], row["age"], row["registered"]) for row in rows] == [
        ("a=", None, None, date(2011, 8, 20)),
        ("b=", "female", 27, date(2015, 6, 28)),
        ("c=", "male", None, None),
    ]


def test_real_kkbox_files_have_the_counts_of_the_csv_module(spark: SparkSession) -> None:
    parsed, row = parse(spark, "kkbox_train", real("kkbox/train.csv"))
    assert (row["lines_in"], row["good"], row["blank"]) == (20_000, 19_999, 1)
    order = parsed.rows.selectExpr(
        "min(row_order)", "max(row_order)", "count(distinct row_order)", "sum(target)"
    ).first()
    assert order is not None
    assert tuple(order) == (1, 19_999, 19_999, 15_243)
    parsed, row = parse(spark, "kkbox_songs", real("kkbox/songs.csv"))
    assert (row["good"], row["blank"], row["quarantined"]) == (39_999, 1, 0)
    assert parsed.extra_tables["genre_labels"].count() == 42_678
    parsed, row = parse(spark, "kkbox_song_extra_info", real("kkbox/song_extra_info.csv"))
    # 149 of the lines are the rest of a name: 40,148 lines, 39,999 records and a header
    assert (row["lines_in"], row["good"], row["blank"], row["quarantined"]) == (40_148, 40_147, 1, 0)
    assert parsed.rows.count() == 39_999
    parsed, row = parse(spark, "kkbox_members", real("kkbox/members.csv"))
    assert (row["good"], row["quarantined"]) == (34_403, 0)
    assert parsed.rows.where("age IS NOT NULL").count() == 14_464
