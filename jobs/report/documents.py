"""The night's facts as documents of MongoDB's `quality`, and a summary in the run's document. They contain no user ids."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pymongo import ReplaceOne

from jobs.mongo.connection import Document, MongoDatabase
from jobs.report import quality
from jobs.report.facts import Facts, Row, ratio
from jobs.report.verdict import HEADLINES, Finding, level

KINDS = ("night", "nightly", "product")
"""Kinds that this module writes into `quality`; `pmrs evaluate` writes the others."""
FIGURES = ("users", "mean", "low", "high", "delta", "delta_ci_low", "delta_ci_high")


def summarize(facts: Facts, findings: list[Finding], metric: str) -> Row:
    """Return the figures by which nights are compared; the next report reads them from the run's document."""
    lines, quarantined = (sum(row[key] for row in facts.current_counts) for key in ("lines_in", "quarantined"))
    coverage, lists = facts.coverage, facts.lists
    evaluated = quality.evaluated_on(facts.quality, facts.run.date, metric)
    live = next((row for row in evaluated if row["model"] == quality.LIVE), None)
    events = next((row for row in facts.products if row["product"] == "events"), None)
    return {
        "verdict": level(findings),
        "headline": HEADLINES[level(findings)],
        "findings": [finding.text for finding in findings],
        "users": lists["users"], "eligible": lists["eligible"], "full": lists["full"], "unchanged": lists["unchanged"],
        "overlap_10": lists["overlap_10"], "overlap_20": lists["overlap_20"],
        "tracks": coverage["tracks"], "recommended": coverage["recommended"],
        "recommended_share": ratio(coverage["recommended"], coverage["tracks"]),
        "hit_share": ratio(coverage["hit_slots"], coverage["slots"]),
        "lines": lines, "quarantined": quarantined,
        "lag_hours": events["lag_hours"] if events else None,
        "quality": {"metric": metric, **{key: live[key] for key in FIGURES[:4]}} if live else None,
    }  # fmt: skip


def build_documents(facts: Facts, findings: list[Finding], metric: str) -> list[Document]:
    """Return all documents of the run: one `night`, a `nightly` per model and metric, a `product` per product."""
    run_id = facts.run.run_id
    head = {"run_id": run_id, "date": facts.run.date}
    night = {"_id": f"night|{run_id}", "kind": "night", **head, **_night_fields(facts, findings, metric)}
    nightly = [
        {"_id": f"nightly|{run_id}|{row['model']}|{row['metric']}", "kind": "nightly", **head,
         **_select(row, ("model", "metric", "lists_date", *FIGURES))}
        for row in quality.evaluated_on(facts.quality, facts.run.date)
    ]  # fmt: skip
    products = [
        {"_id": f"product|{run_id}|{row['product']}", "kind": "product", **head, **row} for row in facts.products
    ]
    return [night, *nightly, *products]


def _night_fields(facts: Facts, findings: list[Finding], metric: str) -> Row:
    """Return all facts except user ids and lines of the input."""
    run = facts.run
    return {
        "sources": run.sources, "synthetic": run.synthetic, "live": run.is_live, "code": run.code,
        **summarize(facts, findings, metric),
        "findings": [asdict(finding) for finding in findings],
        "accounts": facts.accounts, "current_counts": facts.current_counts,
        "rejected": [_select(row, ("source", "rule", "count")) for row in facts.rejected],
        "join_drops": facts.join_drops,
        "genre_sources": facts.genre_sources, "genres": facts.genres, "confidence": facts.confidence, "tiers": facts.tiers,
        "coverage": facts.coverage, "popularity": facts.popularity, "lists": facts.lists, "artists": facts.artists,
        "stages": [asdict(stage) for stage in run.stages],
    }  # fmt: skip


def _select(row: Mapping[str, Any], keys: tuple[str, ...]) -> Row:
    return {key: row[key] for key in keys}


def store_documents(store: MongoDatabase, documents: list[Document], run_id: str, summary: Row) -> None:
    """Replace the documents of an earlier report of the run, and write `summary` into the run's document."""
    store.quality.bulk_write([ReplaceOne({"_id": doc["_id"]}, doc, upsert=True) for doc in documents])
    ids = [doc["_id"] for doc in documents]
    store.quality.delete_many({"run_id": run_id, "kind": {"$in": [*KINDS]}, "_id": {"$nin": ids}})
    store.runs.update_one({"_id": run_id}, {"$set": {"report": summary}})
