"""The gate's limits, apart from what judges by them: the command line reads the defaults here, and should start at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """What a candidate must hold, on the tasks whose lists a night publishes: those of unheard tracks."""

    metrics: tuple[str, ...] = ("NDCG@20", "R_liang@20", "HR@10")
    """Of none of these may it be worse: order, how many are found, and whether anything is found within half a page."""
    keep_coverage: float = 0.8
    """Least share of the live model's coverage of the catalogue; a fifth is what two fits of one model may differ by on little
    data, and less would hide tracks from everybody."""
    more_lift: float = 0.5
    """Most by which the popularity lift may rise: 0.5 means that lists may drift towards hits by half of listeners' own taste."""
    most_churn: float = 0.95
    """Largest mean share of the live lists' places that may change at once. Two good models share a tenth of their places and more;
    lists that share nothing are a fault, or a shock to listeners."""
    fewest_users: int = 100
    """Fewer users tell nothing: every interval would hold 0."""
