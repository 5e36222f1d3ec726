"""Print the result of `make nightly`: one user's top 5, the verdict, the report's path, and the connection to MongoDB."""

import datetime as dt

from jobs.cli.show import console, print_list
from jobs.mongo import views
from jobs.mongo.connection import address, connect, database_name
from jobs.report_paths import report_file
from jobs.settings import Settings
from jobs.sources.config import load_sources


def print_summary(settings: Settings, date: dt.date) -> None:
    """Print the published night of `date`, live or not."""
    sources = load_sources(settings.sources_file)
    with connect(settings, sources.name) as store:
        facts = store.publications.find_one({"date": date.isoformat()}, sort=[("published_at", -1)]) or {}
        run_id, live = facts.get("_id"), views.live_run(store)
        # the first user by id with a personal list, so that a repeated night shows the same user
        query = {"list": "overall", "items.tier": "personal"}
        example = store[f"recommendations__{run_id}"].find_one(query, sort=[("user_id", 1)])
        report = (store.runs.find_one({"_id": run_id}, {"report": 1}) or {}).get("report", {})
        if example is not None:
            print_list(example, limit=5)
    state = "is live" if run_id == live else f"is published; live is {live}"
    out = console()
    out.print(f"\nRun {run_id} {state}: {facts.get('users', 0)} users, {facts.get('lists', 0)} lists.", highlight=False)
    if report:
        print("\n         ".join((f"Verdict: {report['headline']}", *report["findings"])))
    print(f"Report:  {report_file(settings, sources.name, date)}")
    print_connection(settings, sources.name)
    if example is not None:
        print(f"Show:    .venv/bin/pmrs top {example['user_id']}")


def print_connection(settings: Settings, sources_name: str = "sample") -> None:
    """Print how to connect to MongoDB: the address without the password, the location of the URI, and a query."""
    database = database_name(sources_name)
    secret = settings.var / "mongo" / "analyst.uri" if settings.embedded else None
    where = f"read-only URI, with its password: {secret}" if secret else f"URI: {settings.uri_source}"
    print(f"MongoDB: {address(settings)}  database {database}; {where}")
    opening = f"open({str(secret)!r}).read()" if secret else "YOUR_URI"
    print(f"Query:   MongoClient({opening})[{database!r}].recommendations.find_one({{'list': 'overall'}})")
