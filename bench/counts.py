"""A file of the Taste Profile's size (48,373,586 rows, synthetic) on two cores and 4 GiB of heap, against Spark's bare reader."""

from fractions import Fraction

from bench.full_data import full
from bench.harness import HEAP, WORK, Row, house, measured


def rows() -> list[Row]:
    """One comparison; that it comes in at all is the goal."""
    given = str(full(Fraction(1), WORK / "full-1").triplets)
    results = measured({"ours": house("ours_counts", given, HEAP), "peer": house("peer_counts", given, HEAP)}, times=1)
    ours, peer = results["ours"], results["peer"]
    name = "spark.read.schema(S).csv -> parquet"
    memory = {"ours": ours.peak_mib, "peer": peer.peak_mib}
    goal = f"comes in with {HEAP.removesuffix('g')} GiB of heap"
    return [Row("48.4 M triplets", "s", ours.first, peer.first, name, ours.first / peer.first, goal, True, memory)]
