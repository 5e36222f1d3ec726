"""Names of the published views and of the collections behind them. Names are an interface."""

RECOMMENDATIONS = "recommendations"
"""The view whose repointing is the commit point of a publish."""
ARTIST_VIEWS = ("similar_tracks", "similar_artists", "artist_radio", "daily_mixes")
SECONDARY_VIEWS = ("classified_music", *ARTIST_VIEWS)
"""Views that are repointed after the commit point."""
ROWS_VIEW = "recommendations_rows"
"""View over the lists of the live night with one row per item, for BI tools."""


def collection_name(view: str, run_id: str) -> str:
    """Return the name of a night's own collection behind a view."""
    return f"{view}__{run_id}"
