"""Settings of the job `publish`. This module loads without Spark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishConfig:
    """Limits of the audit, and how many nights are retained."""

    keep_users: float = 0.5
    """Minimum fraction of the live night's users with new lists; fewer mean a broken input, not a quiet day."""
    keep_nights: int = 14
    """Published nights retained in MongoDB for rollback and comparison: two weeks."""
    tasks: int = 4
    """Tasks that insert at the same time; one mongod gains nothing from more."""
