"""FMA's metadata: three header rows, multi-line text, genres by name and by number."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS
from jobs.sources.options import validated
from tests.sources.expected_lines import BLANK, GOOD, as_rows, parse, rows_of

# the published file's columns in its order, cut to those that matter and a few that do not
COLUMNS = [("", ""), ("album", "date_released"), ("album", "information"), ("album", "title"), ("artist", "bio"), ("artist", "id"),
           ("artist", "name"), ("set", "split"), ("set", "subset"), ("track", "duration"), ("track", "genre_top"),
           ("track", "genres"), ("track", "genres_all"), ("track", "title")]  # fmt: skip
GENRES = "genre_id,#tracks,parent,title,top_level\n21,12730,0,Hip-Hop,21\n12,32923,0,Rock,12\n25,9261,12,Punk,12\n"


def line(*cells: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


HEAD = [
    (line(*[owner for owner, _ in COLUMNS]), BLANK),
    (line(*[name for _, name in COLUMNS]), BLANK),
    (line("track_id", *[""] * (len(COLUMNS) - 1)), BLANK),
]


def track(number: str, **fields: str) -> str:
    values = {"date_released": "2009-01-05 00:00:00", "duration": "168", "id": "1", "name": "AWOL", "genre_top": "Hip-Hop",
             "genres": "[21]", "genres_all": "[21]", "split": "training", "subset": "small"} | fields  # fmt: skip
    cells = [
        values.get(f"{owner}_{name}", values.get(name, "") if name != "title" else "") for owner, name in COLUMNS[1:]
    ]
    return line(number, *cells)


def test_fma_tracks_give_rows_and_genre_labels(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "genres.csv").write_text(GENRES)
    file = tmp_path / "fma" / "tracks.csv"
    file.parent.mkdir()
    lines = [
        *HEAD,
        (
            track("2", track_title="Food", album_title="AWOL - A Way Of Life", bio='<p>"A Way,\nOf Life"</p>\n\nis'),
            GOOD,
        ),
        (
            track(
                "10", track_title="Freeway", genre_top="", genres_all="[25, 12, 999]", date_released="", duration="x"
            ),
            GOOD,
        ),
        (track("20", genre_top="Rock", genres_all="[25, 12]", name="Björk"), GOOD),
        ("", BLANK),
        (track("x"), "bad_track"),
        ("30,too,few", "fields"),
        ('40,"never closed', "not_csv"),
    ]
    parsed = rows_of(spark, "fma_tracks", file, lines, namespace="fma")
    names = ("track_id", "title", "artist_id", "artist", "release", "year", "duration_s")
    assert [tuple(row[name] for name in names) for row in parsed] == [
        ("fma:10", "Freeway", "fma:1", "AWOL", None, None, None),
        ("fma:2", "Food", "fma:1", "AWOL", "AWOL - A Way Of Life", 2009, 168.0),
        ("fma:20", None, "fma:1", "Björk", None, 2009, 168.0),
    ]
    assert labels(spark, file) == [("2", "Hip-Hop", 1), ("20", "Rock", 1)]
    assert labels(spark, file, genres="../genres.csv") == [
        ("10", "Punk", 1), ("10", "Rock", 2), ("2", "Hip-Hop", 1), ("20", "Punk", 2), ("20", "Rock", 1),
    ]  # fmt: skip


def labels(spark: SparkSession, file: Path, **options: Any) -> list[tuple[str, str, int]]:
    parsed, _ = parse(spark, "fma_tracks", file, **options)
    return [
        (row["track_id"], row["label"], row["label_rank"])
        for row in as_rows(parsed.extra_tables["genre_labels"], "genre_labels")
    ]


def test_fma_genres_give_a_tree(spark: SparkSession, tmp_path: Path) -> None:
    header, *rows = GENRES.splitlines()
    lines = [(header, BLANK), *[(row, GOOD) for row in rows]]
    lines += [
        ("x,1,0,Jazz,4", "bad_genre"),
        ("4,1,,Jazz,4", "bad_parent"),
        ("4,1,0,,4", "missing_name"),
        ("4,1,0", "fields"),
    ]
    parsed = rows_of(spark, "fma_genres", tmp_path / "genres.csv", lines, namespace="fma")
    assert parsed == [
        {"genre_id": "fma:12", "parent_id": None, "title": "Rock", "top_id": "fma:12"},
        {"genre_id": "fma:21", "parent_id": None, "title": "Hip-Hop", "top_id": "fma:21"},
        {"genre_id": "fma:25", "parent_id": "fma:12", "title": "Punk", "top_id": "fma:12"},
    ]


@pytest.mark.parametrize(
    ("content", "options", "word"),
    [
        ("", {}, "no column track.title"),
        ("a,b\nc,d\n", {}, "no column track.title"),
        (None, {"genres": "nowhere.csv"}, r"nowhere\.csv cannot be read"),
        (None, {"genres": "tracks.csv"}, "is not FMA's genres.csv"),
    ],
)
def test_a_file_that_is_not_fmas_raises_with_the_missing_part(
    tmp_path: Path, content: str | None, options: dict[str, str], word: str
) -> None:
    file = tmp_path / "tracks.csv"
    file.write_text("\n".join(text for text, _ in HEAD) if content is None else content)
    with pytest.raises(SourceError, match=word):
        FORMATS["fma_tracks"].files(Source("fma", "fma_tracks", str(file), options=options))


def test_option_genres_must_be_a_path() -> None:
    with pytest.raises(SourceError, match=r"genres\.csv"):
        validated(FORMATS["fma_tracks"].options, {"genres": 7}, "sources.toml, source 1")
