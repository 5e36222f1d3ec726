"""The lake: a digest depends on the rows alone, and a partition exists when its manifest does."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import fs
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.errors import LakeError
from jobs.lake.collect import collect_arrow
from jobs.lake.dictionary import data_dictionary
from jobs.lake.digest import ObservedDigest, digest, empty_digest, local_digest
from jobs.lake.files import FileStore
from jobs.lake.format import ensure_format, require_format
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.lake.model_registry import ModelRegistry
from jobs.lake.partitions import Partitions
from jobs.settings import REPOSITORY

ROWS = [("s1", "t1"), ("s2", None), ("s3", "t3")]
SHAPE = "song_id string, track_id string"


def test_digest_does_not_depend_on_order_or_partitions(spark: SparkSession) -> None:
    one = digest(spark.createDataFrame(ROWS, SHAPE).repartition(1))
    assert one == digest(spark.createDataFrame(ROWS[::-1], SHAPE).repartition(3))
    assert one.rows == 3


@pytest.mark.parametrize(
    "others",
    [ROWS[:2], [*ROWS, ROWS[0]], [("s1", "t1"), (None, "s2"), ("s3", "t3")], [("s1", "t1"), ("s2", ""), ("s3", "t3")]],
)
def test_digest_differs_for_other_rows(spark: SparkSession, others: list[tuple[str, str]]) -> None:
    assert digest(spark.createDataFrame(ROWS, SHAPE)) != digest(spark.createDataFrame(others, SHAPE))


def test_digest_differs_for_other_boundaries_of_arrays(spark: SparkSession) -> None:
    shape = "a array<string>, b array<string>"
    one, other, none, null = (
        digest(spark.createDataFrame([row], shape))
        for row in ((["x", "y"], ["z"]), (["x"], ["y", "z"]), (["x", "y", "z"], []), (["x", "y", "z"], None))
    )
    assert len({one.digest, other.digest, none.digest, null.digest}) == 4


def test_the_digest_is_the_same_read_back_observed_or_local(spark: SparkSession, tmp_path: Path) -> None:
    shape = "name string, score double, tags array<string>, day date"
    rows = [("a", 0.1, ["x", None], dt.date(2026, 11, 14)), (None, None, None, None), ("é", float("nan"), [], None)]
    frame = spark.createDataFrame(rows * 3, shape).repartition(3)
    observed = ObservedDigest(frame.schema)
    observed.attach(frame).write.parquet(str(tmp_path / "rows"))
    expected = digest(spark.read.schema(shape).parquet(str(tmp_path / "rows")))
    assert expected.rows == 9
    assert observed.get() == expected
    table = pa.Table.from_pylist(
        [dict(zip(("name", "score", "tags", "day"), row, strict=True)) for row in rows * 3],
        pa.schema([("name", pa.string()), ("score", pa.float64()), ("tags", pa.list_(pa.string())), ("day", pa.date32())]),
    )
    assert local_digest(spark, table, frame.schema) == expected


def test_the_observed_digest_of_no_rows_is_missing_or_the_empty_one(spark: SparkSession, tmp_path: Path) -> None:
    frame = spark.createDataFrame(ROWS, SHAPE)
    observed = ObservedDigest(frame.schema)
    observed.attach(frame.where(F.rand() > 2)).write.parquet(str(tmp_path / "rows"))
    assert observed.get() in (None, empty_digest(frame.schema))


def test_a_lake_of_another_format_is_refused_and_a_new_one_gets_a_number(spark: SparkSession, tmp_path: Path) -> None:
    new, old = FileStore(str(tmp_path / "new")), Lake(str(tmp_path / "old"))
    require_format(new)
    assert not new.exists("_format.json"), "reading writes nothing"
    ensure_format(new)
    ensure_format(new)
    assert new.read_json("_format.json") == {"format": 2}
    old.commit(put(old, spark, "mismatches/one", "2026-11-14", [("a", "b")]))
    for check in (require_format, ensure_format):
        with pytest.raises(LakeError, match="has format 1; this version reads and writes format 2"):
            check(old.store)


def test_empty_digest_is_that_of_an_empty_frame_with_the_schema(spark: SparkSession) -> None:
    empty = spark.createDataFrame([], SHAPE)
    assert digest(empty) == empty_digest(empty.schema)
    assert empty_digest(empty.schema) != empty_digest(spark.createDataFrame([], "a array<string>").schema)


def put(lake: Lake, spark: SparkSession, part: str, date: str, rows: list[tuple[str, str]]) -> Manifest:
    folder, row_digest = lake.write(part, date, spark.createDataFrame(rows, SHAPE))
    return Manifest(part, date, folder, row_digest.rows, row_digest.digest, "test", "run")


def test_rows_without_a_manifest_are_not_read(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    manifest = put(lake, spark, "song_tracks", "2026-11-14", [("s", "t")])
    assert lake.read(spark, "song_tracks", Partitions.DATE, "2026-11-14").count() == 0
    with pytest.raises(LakeError, match="pmrs run catalogue"):
        lake.require("song_tracks", Partitions.DATE, "2026-11-14")
    lake.commit(manifest)
    assert lake.read(spark, "song_tracks", Partitions.DATE, "2026-11-14").collect() == [("s", "t")]


def test_rewritten_partition_has_only_the_new_rows(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for rows in ([("a", "1"), ("b", "2")], [("c", "3")]):
        lake.commit(put(lake, spark, "song_tracks", "2026-11-14", rows))
    assert lake.read(spark, "song_tracks", Partitions.DATE, "2026-11-14").collect() == [("c", "3")]


def test_root_folder_may_have_special_characters(spark: SparkSession, tmp_path: Path) -> None:
    lake, neighbor = (Lake(str(tmp_path / "x y#1" / f"{mark} é%20[ab]{{c}}*") + "/") for mark in "?a")
    assert not Path(lake.store.root).exists()
    folders = {}
    for each in (lake, neighbor):
        rows = spark.createDataFrame([("a", each.store.root), ("b", "2")], SHAPE)
        folders[each] = [each.write("mismatches/one", "2026-11-14", rows)[0]]
        days = each.write_partitioned("mismatches/one", rows.withColumn("dt", F.lit("2026-11-13")))
        folders[each].append(days["2026-11-13"][0])
        written = each.rewrite("mismatches/one", each.read_with_location(spark, "mismatches/one", folders[each]), folders[each])
        assert [digest.rows for _, digest in written.values()] == [2, 2]
    stored = lake.read_folder(spark, "mismatches/one", folders[lake][0]).collect()
    assert {row["track_id"] for row in stored} == {lake.store.root, "2"}
    by_uri = Lake(Path(lake.store.root).as_uri())
    assert by_uri.store.walk() == lake.store.walk()
    assert by_uri.read_folder(spark, "mismatches/one", folders[lake][1]).count() == 2
    for named in (lake.store.uri("a"), Lake(str(tmp_path)).store.uri("a")):
        assert fs.FileSystem.from_uri(named)[1] in {f"{lake.store.root}/a", f"{tmp_path}/a"}


def test_partitions_select_dates_over_all_parts(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path), frozenset({"one", "two"}))
    for part, date in (("one", "2026-11-12"), ("one", "2026-11-13"), ("two", "2026-11-14"), ("gone", "2026-11-13")):
        lake.commit(put(lake, spark, f"mismatches/{part}", date, [(part, date)]))
    dates = {chosen: [m.date for m in lake.select("mismatches", chosen, "2026-11-13")] for chosen in Partitions}
    assert dates[Partitions.DATE] == ["2026-11-13"]
    assert dates[Partitions.PREVIOUS] == ["2026-11-12"]
    assert lake.select("mismatches", Partitions.PREVIOUS, "2026-11-15")[0].date == "2026-11-14"
    assert lake.select("mismatches", Partitions.PREVIOUS, "2026-11-16") == [], "an older night is not the night before"
    assert dates[Partitions.UP_TO] == ["2026-11-12", "2026-11-13"]
    assert dates[Partitions.LATEST] == ["2026-11-13"]
    assert dates[Partitions.ALL] == ["2026-11-12", "2026-11-13", "2026-11-14"]


def test_missing_columns_and_unknown_tables_raise(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="lack the columns track_id"):
        Lake(str(tmp_path)).write("song_tracks", "2026-11-14", spark.createDataFrame([("s",)], "song_id string"))
    with pytest.raises(LakeError, match="no table 'songs'"):
        Lake(str(tmp_path)).read(spark, "songs", Partitions.DATE, "2026-11-14")


def test_collecting_more_bytes_than_the_limit_raises(spark: SparkSession) -> None:
    assert collect_arrow(spark.range(10), 8, "numbers", limit=80).num_rows == 10
    with pytest.raises(LakeError, match="11 rows of 8 bytes"):
        collect_arrow(spark.range(11), 8, "numbers", limit=80)


def test_model_with_changed_weights_raises(tmp_path: Path) -> None:
    registry = ModelRegistry(Lake(str(tmp_path)).store)
    assert registry.load("cnn") is None
    digest_of = registry.register("cnn", b"weights", {"genres": ["Rock"]})
    model = registry.load("cnn")
    assert model is not None
    assert (model.digest, model.card["genres"], model.weights) == (digest_of, ["Rock"], b"weights")
    (tmp_path / "models" / "cnn" / digest_of / "weights.safetensors").write_bytes(b"others!")
    with pytest.raises(LakeError, match="have another digest"):
        registry.load("cnn")


def test_data_dictionary_is_up_to_date() -> None:
    assert (REPOSITORY / "docs" / "data-dictionary.md").read_text() == data_dictionary(), "run `make docs`"
