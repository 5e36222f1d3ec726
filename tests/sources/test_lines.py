"""Text lines in mixed encodings: Spark and Python decode them equally."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from jobs.sources.reading.lines import read_text
from jobs.sources.reading.raw_bytes import decode_line

LINES = {
    "Björk\tJóga".encode(): "Björk\tJóga",
    "Björk\tJóga".encode("latin-1"): "Björk\tJóga",
    "Björk\t".encode() + "Jóga".encode("latin-1"): "Björk\tJóga",
    "Sigur Rós, ".encode("latin-1") + "Björk & 坂本龍一\r".encode(): "Sigur Rós, Björk & 坂本龍一",
    b"caf\xe9" + "–Á".encode() + b"\xe9": "café–Áé",
    b"\xff\xfe\x80 x": "ÿþ\x80 x",
}


def texts(spark: SparkSession, path: Path, lines: list[bytes]) -> dict[bytes, str]:
    path.write_bytes(b"\n".join([*lines, b""]))
    return {bytes(row["raw"]): row["text"] for row in read_text(spark, [str(path)]).select("raw", "text").collect()}


def test_utf8_and_latin1_in_one_line_are_both_decoded(spark: SparkSession, tmp_path: Path) -> None:
    assert texts(spark, tmp_path / "a.txt", list(LINES)) == LINES
    assert {line: decode_line(line) for line in LINES} == LINES


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=30), st.text(max_size=9).map(str.encode)), min_size=20, max_size=60))
def test_spark_and_python_decode_random_bytes_equally(spark: SparkSession, tmp_path: Path, lines: list[bytes]) -> None:
    lines = [line.replace(b"\n", b" ") for line in lines if not line.startswith(b"\xef\xbb\xbf")]
    assert texts(spark, tmp_path / "a.txt", lines) == {line: decode_line(line) for line in lines}
