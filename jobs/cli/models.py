"""The registry on the terminal: `pmrs models`, and what `pmrs promote` says."""

import datetime as dt
from pathlib import Path
from typing import Any

from rich.table import Table

from jobs.cli.show import console
from jobs.evaluate.promote import Promotion
from jobs.evaluate.result import JUDGED_BY
from jobs.lake.model_registry import Card, registry_of
from jobs.mongo import embedded
from jobs.mongo.connection import connect
from jobs.publish.registry_mirror import mirror
from jobs.recommenders.ranker_config import RANKING, SHIPPED
from jobs.report.cards import folder_of, page_of, write_pages
from jobs.settings import Settings
from jobs.sources.config import load_sources


def show_everywhere(settings: Settings) -> Path:
    """Bring MongoDB's `models` and the cards' pages up to the registry; returns the pages' folder."""
    name = load_sources(settings.sources_file).name
    registry = registry_of(settings.lake_root, name)
    if settings.embedded:
        embedded.start(settings)
    with connect(settings, name) as store:
        mirror(store, registry)
    write_pages(settings, name, registry)
    return folder_of(settings, name)


def all_models(settings: Settings) -> list[dict[str, Any]]:
    """Every card with `live`, `state` in words and the path of its page; the live ones first, then the newest."""
    name = load_sources(settings.sources_file).name
    folder = folder_of(settings, name)
    found = [
        {**card, "live": live, "state": state_of(card, live), "page": str(folder / page_of(card))}
        for card, live in registry_of(settings.lake_root, name).cards()
    ]
    found.sort(key=_made, reverse=True)
    return sorted(found, key=lambda card: (card["name"], not card["live"]))


def _made(card: Card) -> dt.datetime:
    return dt.datetime.fromisoformat(str(card.get("registered_at") or card.get("trained_at")))


def state_of(card: Card, live: bool) -> str:
    """`live`, `candidate`, or `refused` with how many of the gate's checks."""
    gate = card.get("gate", [])
    if live:
        return "live"
    if not gate:
        return "candidate"
    failed = sum(1 for check in gate[-1]["checks"] if not check["passed"])
    return f"refused ({failed} of {len(gate[-1]['checks'])} checks)" if failed else "passed before"


def print_models(found: list[dict[str, Any]]) -> None:
    """A line for each model, and where its page lies."""
    out = console()
    table = Table("model", "digest", "method", "registered", JUDGED_BY, "state")
    for card in found:
        row = (card["name"], card["digest"], _method(card), f"{_made(card):%Y-%m-%d %H:%M}", _figure(card), card["state"])
        table.add_row(*row)
    if found:
        out.print(table)
    if not any(card["live"] and card["name"] == RANKING for card in found):
        out.print(f"No recommender has passed the gate: nights rank with {SHIPPED} as it is shipped.", highlight=False)
    if found:
        print(f"Pages: {Path(found[0]['page']).parent}")


def _method(card: Card) -> str:
    return str(card["title"] if "title" in card else card["method"].split(" (")[0])


def _figure(card: Card) -> str:
    """Of the first task, with its interval; of a genre CNN the held tracks' accuracy."""
    if "tasks" in card:
        best = next(iter(card["tasks"].values()))["metrics"][JUDGED_BY]
        return f"{best['mean']:.3f} ({best['low']:.3f}-{best['high']:.3f})"
    return f"accuracy {card['held_accuracy']:.0%}" if "held_accuracy" in card else ""


def print_promotion(found: Promotion, folder: Path) -> None:
    """Every check, and what is live now."""
    out = console()
    table = Table("check", "", "figures")
    for check in found.verdict.checks:
        table.add_row(check.what, "passed" if check.passed else "FAILED", check.said)
    out.print(table)
    name = f"{found.card['digest']} ({found.card['title']})"
    if found.verdict.passed:
        out.print(f"{name} is live: the next night ranks with it.", highlight=False)
    else:
        stays = f"{found.live} stays live" if found.live else f"no model is live; nights rank with {SHIPPED} as it is shipped"
        out.print(f"{name} is refused: {stays}.", highlight=False)
    print(f"Page: {folder / page_of(found.card)}")
