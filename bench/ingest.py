"""Ingest 10 million JSONL.gz lines, against Spark's JSON reader.

Ours validates, quarantines, counts and deduplicates; the peer writes Parquet only.
"""

from bench.data import app_log
from bench.harness import HEAP, Row, compare, measure, our_command

LINES = 10_000_000
GOAL = 1.6


def rows() -> list[Row]:
    """Return the comparison."""
    log = str(app_log(LINES))
    results = measure({"ours": our_command("ours_log", log, HEAP), "peer": our_command("peer_log", log, HEAP)})
    name = "spark.read.schema(S).json -> parquet"
    return compare("10 M log lines", results["ours"], results["peer"], name, GOAL, ("ours", "peer"))
