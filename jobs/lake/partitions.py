"""Selections of a table's partitions, relative to the night's date."""

from enum import StrEnum


class Partitions(StrEnum):
    """Selection of dated partitions; its value is written into manifests, as in `events|up_to`."""

    DATE = "date"
    """The night's date alone."""
    PREVIOUS = "previous"
    """The date before the night's, if that partition exists."""
    UP_TO = "up_to"
    """Every date up to the night's."""
    LATEST = "latest"
    """The newest date up to the night's."""
    ALL = "all"
    """Every date, later ones too."""
    ALL_CONTENT = "all_content"
    """The rows of ALL. The digest ignores the dates on which they were read: equal rows read again are no new input."""
    CACHE = "cache"
    """The rows of ALL of a cache by content (jobs/content_cache.py), each content once. No input of a night."""
