"""Criteria for promoting a candidate. They are apart from the check itself, because `pmrs --help` reads the defaults."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PromotionCriteria:
    """What a candidate must fulfil on the tasks whose lists a night publishes: those that exclude seen tracks."""

    metrics: tuple[str, ...] = ("NDCG@20", "R_liang@20", "HR@10")
    """The candidate must not be worse on any of these: order, recall, and a hit within half a page."""
    min_coverage_ratio: float = 0.8
    """Smallest ratio of the candidate's catalogue coverage to the live model's. Two fits of one model may differ by a fifth
    on small data; a lower ratio would remove tracks from all lists."""
    max_lift_increase: float = 0.5
    """Largest increase of the popularity lift. 0.5: lists may become more popular by half of the users' own history."""
    max_churn: float = 0.95
    """Largest mean share of list slots that may change at once. Two good models share a tenth of their slots or more; lists
    without overlap point to an error."""
    min_users: int = 100
    """Smallest number of users; with fewer, every interval would include 0."""
