"""The night's facts as documents of MongoDB's `quality`, and in short in the run's own document. They name no user."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pymongo import ReplaceOne

from jobs.mongo.connection import Document, MongoDatabase
from jobs.report import quality
from jobs.report.facts import Facts, Row, ratio
from jobs.report.verdict import HEADLINES, Finding, level

KINDS = ("night", "nightly", "product")
"""What this module writes into `quality`; `evaluation` is another's."""
FIGURES = ("users", "mean", "low", "high", "delta", "delta_ci_low", "delta_ci_high")


def compact(facts: Facts, findings: list[Finding], metric: str) -> Row:
    """The few figures by which nights are compared: the next report reads them from the run's document."""
    lines, refused = (sum(row[key] for row in facts.tonight) for key in ("lines_in", "quarantined"))
    seen, lists = facts.coverage, facts.lists
    live = next((row for row in quality.of_day(facts.quality, facts.seen.date, metric) if row["model"] == quality.LIVE), None)
    events = next((row for row in facts.products if row["product"] == "events"), None)
    return {
        "verdict": level(findings),
        "headline": HEADLINES[level(findings)],
        "findings": [finding.text for finding in findings],
        "users": lists["users"], "listeners": lists["listeners"], "full": lists["full"], "unchanged": lists["unchanged"],
        "overlap_10": lists["overlap_10"], "overlap_20": lists["overlap_20"],
        "tracks": seen["tracks"], "offered": seen["offered"], "offered_share": ratio(seen["offered"], seen["tracks"]),
        "hit_share": ratio(seen["hit_places"], seen["places"]),
        "lines": lines, "quarantined": refused,
        "lag_hours": events["lag_hours"] if events else None,
        "quality": {"metric": metric, **{key: live[key] for key in FIGURES[:4]}} if live else None,
    }  # fmt: skip


def documents(facts: Facts, findings: list[Finding], metric: str) -> list[Document]:
    """All documents of the run: one `night`, a `nightly` per model and metric, a `product` per product."""
    seen = facts.seen
    head = {"run_id": seen.run_id, "date": seen.date}
    judged = quality.of_day(facts.quality, seen.date)
    return [
        {"_id": f"night|{seen.run_id}", "kind": "night", **head, **_night(facts, findings, metric)},
        *[
            {"_id": f"nightly|{seen.run_id}|{row['model']}|{row['metric']}", "kind": "nightly", **head,
             **_picked(row, ("model", "metric", "lists_date", *FIGURES))}
            for row in judged
        ],
        *[{"_id": f"product|{seen.run_id}|{row['product']}", "kind": "product", **head, **row} for row in facts.products],
    ]  # fmt: skip


def _night(facts: Facts, findings: list[Finding], metric: str) -> Row:
    """All but what names users or repeats lines of the input."""
    refused = [_picked(row, ("source", "rule", "count")) for row in facts.rejected]
    return {
        "sources": facts.seen.sources, "synthetic": facts.seen.synthetic, "live": facts.seen.is_live, "code": facts.seen.code,
        **compact(facts, findings, metric),
        "findings": [asdict(finding) for finding in findings],
        "accounts": facts.accounts, "tonight": facts.tonight, "rejected": refused, "losses": facts.losses,
        "genre_sources": facts.genre_sources, "genres": facts.genres, "confidence": facts.confidence, "tiers": facts.tiers,
        "coverage": facts.coverage,
        "popularity": facts.popularity, "lists": facts.lists, "artists": facts.artists,
        "stages": [asdict(stage) for stage in facts.seen.stages],
    }  # fmt: skip


def _picked(row: Mapping[str, Any], keys: tuple[str, ...]) -> Row:
    return {key: row[key] for key in keys}


def store_documents(store: MongoDatabase, made: list[Document], run_id: str, short: Row) -> None:
    """Write them in place of what an earlier try of the same run wrote, and `short` into the run's document."""
    store.quality.bulk_write([ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in made])
    ids = [one["_id"] for one in made]
    store.quality.delete_many({"run_id": run_id, "kind": {"$in": [*KINDS]}, "_id": {"$nin": ids}})
    store.runs.update_one({"_id": run_id}, {"$set": {"report": short}})
