"""Output of `pmrs models` and `pmrs promote`, and publication of the registry."""

import datetime as dt
from pathlib import Path
from typing import Any

from rich.table import Table

from jobs.cli.show import console
from jobs.evaluate.promote import Promotion
from jobs.evaluate.result import PRIMARY_METRIC
from jobs.lake.model_registry import Card, registry_of
from jobs.mongo import embedded
from jobs.mongo.connection import connect
from jobs.publish.registry_mirror import mirror
from jobs.recommenders.ranker_config import DEFAULT_RANKER, RANKING
from jobs.report.cards import folder_of, page_of, write_pages
from jobs.settings import Settings
from jobs.sources.config import load_sources


def publish_registry(settings: Settings) -> Path:
    """Update MongoDB's `models` and the cards' pages from the registry; return the folder of the pages."""
    name = load_sources(settings.sources_file).name
    registry = registry_of(settings.lake_root, name)
    if settings.embedded:
        embedded.start(settings)
    with connect(settings, name) as store:
        mirror(store, registry)
    write_pages(settings, name, registry)
    return folder_of(settings, name)


def list_cards(settings: Settings) -> list[dict[str, Any]]:
    """Return every card with `live`, `state` and the path of its `page`; live models first, then the newest."""
    name = load_sources(settings.sources_file).name
    folder = folder_of(settings, name)
    cards = [
        {**card, "live": live, "state": state_of(card, live), "page": str(folder / page_of(card))}
        for card, live in registry_of(settings.lake_root, name).cards()
    ]
    cards.sort(key=_created_at, reverse=True)
    return sorted(cards, key=lambda card: (card["name"], not card["live"]))


def _created_at(card: Card) -> dt.datetime:
    return dt.datetime.fromisoformat(str(card.get("registered_at") or card.get("trained_at")))


def state_of(card: Card, live: bool) -> str:
    """Return `live`, `candidate`, `refused` with the number of failed checks, or `passed before`."""
    gate = card.get("gate", [])
    if live:
        return "live"
    if not gate:
        return "candidate"
    failed = sum(1 for check in gate[-1]["checks"] if not check["passed"])
    return f"refused ({failed} of {len(gate[-1]['checks'])} checks)" if failed else "passed before"


def print_models(cards: list[dict[str, Any]]) -> None:
    """Print a line per model, and the folder of their pages."""
    out = console()
    table = Table("model", "digest", "method", "registered", PRIMARY_METRIC, "state")
    for card in cards:
        created = f"{_created_at(card):%Y-%m-%d %H:%M}"
        table.add_row(card["name"], card["digest"], _method(card), created, _figure(card), card["state"])
    if cards:
        out.print(table)
    if not any(card["live"] and card["name"] == RANKING for card in cards):
        out.print(f"No recommender is promoted: nights rank with the default, {DEFAULT_RANKER}.", highlight=False)
    if cards:
        print(f"Pages: {Path(cards[0]['page']).parent}")


def _method(card: Card) -> str:
    return str(card["title"] if "title" in card else card["method"].split(" (")[0])


def _figure(card: Card) -> str:
    """Return the primary metric of the first task with its interval; for a genre model the validation accuracy."""
    if "tasks" in card:
        metric = next(iter(card["tasks"].values()))["metrics"][PRIMARY_METRIC]
        return f"{metric['mean']:.3f} ({metric['low']:.3f}-{metric['high']:.3f})"
    return f"accuracy {card['val_accuracy']:.0%}" if "val_accuracy" in card else ""


def print_promotion(promotion: Promotion, folder: Path) -> None:
    """Print every check, and which model is live now."""
    out = console()
    table = Table("check", "", "figures")
    for check in promotion.verdict.checks:
        table.add_row(check.name, "passed" if check.passed else "FAILED", check.message)
    out.print(table)
    name = f"{promotion.card['digest']} ({promotion.card['title']})"
    if promotion.verdict.passed:
        out.print(f"{name} is live: the next night ranks with it.", highlight=False)
    elif promotion.live:
        out.print(f"{name} is refused: {promotion.live} stays live.", highlight=False)
    else:
        out.print(f"{name} is refused: no model is live; nights rank with the default, {DEFAULT_RANKER}.", highlight=False)
    print(f"Page: {folder / page_of(promotion.card)}")
