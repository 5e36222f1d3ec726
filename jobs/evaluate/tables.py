"""What all evaluations share when they tell and keep their figures."""

from collections.abc import Iterable, Sequence
from typing import Any

from pymongo import ReplaceOne

from jobs.mongo.connection import connect
from jobs.settings import Settings

Told = dict[str, Any]
"""An evaluation as JSON holds it, with a row for each model under `results`."""


def headed(told: Told) -> str:
    """Which data the figures are of, and that they are synthetic where they are."""
    kind = " (SYNTHETIC data: says that the machinery works, nothing about music)" if told["synthetic"] else ""
    return f"{told['sources']}, {told['date']}{kind}"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> list[str]:
    """Lines of a table; the first `texts` columns are texts, the others numbers."""
    told = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return [told[0], "|" + "---|" * texts + "---:|" * (len(head) - texts), *told[1:]]


def keep(settings: Settings, told: Told) -> None:
    """In MongoDB's `quality` a document for each row, which replaces that of the same kind, date and model."""
    head = {key: value for key, value in told.items() if key != "results"}
    named = [("|".join((told["kind"], told["date"], row["model"])), {**head, **row}) for row in told["results"]]
    with connect(settings, told["sources"]) as store:
        store.quality.bulk_write([ReplaceOne({"_id": name}, row, upsert=True) for name, row in named])
