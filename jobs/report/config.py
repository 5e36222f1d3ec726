"""Settings of the job `report`. This module loads without Spark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportConfig:
    """The quality figures on the page; thresholds of findings are in verdict.Limits."""

    metric: str = "NDCG@20"
    """The metric of table `quality` that is plotted, described and checked: NDCG over the full overall list."""
    nights: int = 30
    """Nights in the plot: a month shows a trend and the weekly pattern, and fits on a phone."""
