"""Ingest a synthetic file of the Taste Profile's size (48,373,586 rows), against Spark's CSV reader; 2 cores, 4 GiB of heap."""

from fractions import Fraction

from bench.full_data import full_data
from bench.harness import HEAP, WORK, Row, measure, our_command


def rows() -> list[Row]:
    """Return the comparison; the goal is that the ingest fits into the heap."""
    triplets = str(full_data(Fraction(1), WORK / "full-1").triplets)
    results = measure({side: our_command(f"{side}_counts", triplets, HEAP) for side in ("ours", "peer")}, times=1)
    ours, peer = results["ours"], results["peer"]
    name = "spark.read.schema(S).csv -> parquet"
    memory = {"ours": ours.peak_mib, "peer": peer.peak_mib}
    goal = f"comes in with {HEAP.removesuffix('g')} GiB of heap"
    return [Row("48.4 M triplets", "s", ours.first, peer.first, name, ours.first / peer.first, goal, True, memory)]
