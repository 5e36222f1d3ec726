"""Every registered format on a file counted by hand: no line is lost, and names are decoded."""

from collections import Counter
from functools import reduce
from pathlib import Path

import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS
from jobs.sources.options import validated
from tests.sources.samples import SAMPLES

KINDS = sorted(SAMPLES)
BATCHES = [tuple(KINDS[start : start + 20]) for start in range(0, len(KINDS), 20)]
"""Those of a batch are parsed in one Spark action: each action costs more than reading."""


def test_every_registered_format_has_a_sample() -> None:
    assert set(SAMPLES) == set(FORMATS)


def words(frame: DataFrame) -> Column:
    """Return all text of a row."""
    names = [field.name for field in frame.schema if field.dataType.simpleString() == "string" and field.name != "file"]
    return F.concat_ws("\t", *names)


def summarize(kind: str, parsed: Parsed) -> DataFrame:
    """Return `kind`, `what`, `text`, `n`: lines by kind, broken rules, and the text of the accepted rows."""
    span = F.col("n_lines") if "n_lines" in parsed.lines.columns else F.lit(1)
    lines = parsed.lines.select(F.lit("lines").alias("what"), F.col("kind").alias("text"), span.cast("long").alias("n"))
    rules = parsed.rejected.select(
        F.lit("rule").alias("what"), F.col("rule").alias("text"), F.lit(1).cast("long").alias("n")
    )
    rows = parsed.rows.select(
        F.lit("row").alias("what"), words(parsed.rows).alias("text"), F.lit(1).cast("long").alias("n")
    )
    return lines.unionByName(rules).unionByName(rows).withColumn("of", F.lit(kind))


@pytest.mark.parametrize("kinds", BATCHES, ids=lambda kinds: kinds[0])
def test_every_format_accounts_for_every_line_and_decodes_names(
    spark: SparkSession, tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    frames, lines_in = [], {}
    for kind in kinds:
        path = tmp_path / kind / SAMPLES[kind].file
        path.parent.mkdir()
        SAMPLES[kind].make(path)
        source = Source(kind, kind, str(path.parent if kind == "audio_tree" else path), options=SAMPLES[kind].options)
        validated(FORMATS[kind].options, source.options, source.name)
        files = FORMATS[kind].files(source)
        assert files == [str(path)]
        ((file, lines_in[kind]),) = FORMATS[kind].count(spark, source, files).items()
        assert file == str(path)
        frames.append(summarize(kind, FORMATS[kind].parse(spark, source, files)))
    summaries: dict[tuple[str, str], Counter[str]] = {
        (kind, what): Counter() for kind in kinds for what in ("lines", "rule", "row")
    }
    for row in reduce(DataFrame.unionByName, frames).collect():
        summaries[row["of"], row["what"]][row["text"]] += row["n"]
    for kind in kinds:
        lines, sample = summaries[kind, "lines"], SAMPLES[kind]
        assert (lines_in[kind], lines["good"], lines["quarantined"], lines["blank"]) == sample.account, kind
        assert sorted(summaries[kind, "rule"].elements()) == sample.rules, kind
        names = list(summaries[kind, "row"].elements())
        assert sum(sample.word in text for text in names) == sample.names, (kind, names)
        assert not [text for text in names if "Ã" in text or "\ufffd" in text], kind
