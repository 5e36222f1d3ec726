"""`pmrs top` and `pmrs runs`: show a user's list of the live night, and the runs."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.errors import StoreError
from jobs.mongo import runs, views
from jobs.mongo.connection import Document, MongoDatabase, connect, require_format
from jobs.settings import Settings
from jobs.sources.config import load_sources


def one_list(settings: Settings, user: str, name: str) -> Document:
    """Return a user's list of the live night. Raises StoreError, which names the user or the existing lists."""
    with connect(settings, load_sources(settings.sources_file).name) as store:
        require_format(store)
        if views.live_run(store) is None:
            raise StoreError("No night is published yet; run `make nightly`.")
        document = store.recommendations.find_one({"user_id": user, "list": name}, {"digest": 0, "_id": 0})
        if document is None:
            raise StoreError(_why_no_list(store, user, name))
        return document


def _why_no_list(store: MongoDatabase, user: str, name: str) -> str:
    lists = sorted(str(d["list"]) for d in store.recommendations.find({"user_id": user}, {"list": 1}))
    if lists:
        return f"User {user} has no list {name!r} in the live night; available are {', '.join(lists)}."
    return f"User {user} is unknown in the live night (ids are case-sensitive; erased users have no lists)."


def all_runs(settings: Settings) -> list[dict[str, Any]]:
    """Return the runs as `{run_id, date, status, live}`, newest first; at most one is live."""
    with connect(settings, load_sources(settings.sources_file).name) as store:
        require_format(store)
        live = views.live_run(store)
        return [
            {"run_id": r["_id"], "date": r["date"], "status": r["status"], "live": r["_id"] == live}
            for r in runs.listing(store)
        ]


def print_list(document: Document, limit: int | None = None) -> None:
    """Print a list as a table."""
    table = Table(title=f"{document['list']} for {document['user_id']}, night {document['date']} (run {document['run_id']})")
    for name, justify in (("", "right"), ("track", "left"), ("genre", "left"), ("score", "right"), ("why", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for item in document["items"][:limit]:
        title = item["title"] or item["track_id"]
        track = f"{title} - {item['artist']}" if item["artist"] else title
        cells = (str(item["rank"]), track, item["genre"] or "unknown", f"{item['score']:.3f}", item["why"])
        table.add_row(*[Text(cell) for cell in cells])
    console().print(table)


def print_runs(documents: list[dict[str, Any]]) -> None:
    """Print the runs as a table."""
    table = Table("run", "date", "status", "live")
    for run in documents:
        table.add_row(run["run_id"], run["date"], run["status"], "live" if run["live"] else "")
    console().print(table)


def console() -> Console:
    """Return a console; without a terminal it is 110 columns wide, so that redirected tables stay readable."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=110)
