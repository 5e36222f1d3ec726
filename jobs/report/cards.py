"""A page for each registered model, from its card: what it is, what it learned from, how good it was, what the gate said."""

from pathlib import Path
from typing import Any

from jobs.atomic_io import write_whole
from jobs.lake.model_registry import Card, ModelRegistry
from jobs.report import genre
from jobs.report.templates import templates
from jobs.settings import Settings

SHOWN = ("NDCG@20", "R_liang@20", "HR@10", "MRR@20", "MAP@20", "NDCG@100")
"""Metrics on the page; the card has all."""
TOLD = frozenset({"tasks", "gate", "name", "digest", "title", "history", "synthetic", "protocol", "method", "val_confusion"})
"""What the page tells in its own way."""


def folder_of(settings: Settings, sources_name: str) -> Path:
    """VAR/reports/NAME/models."""
    return settings.var.resolve() / "reports" / sources_name / "models"


def page_of(card: Card) -> str:
    """File name of a card's page."""
    return f"{card['name']}-{card['digest']}.html"


def render(card: Card, live: bool) -> str:
    """The page."""
    facts = {key: plain(value) for key, value in sorted(card.items()) if key not in TOLD}
    model = genre.told(card) if "val_tracks" in card else None
    return templates().get_template("card.html.j2").render(card=card, live=live, facts=facts, shown=SHOWN, model=model)


def plain(value: Any) -> str:
    """A value of a card in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        some = ", ".join(plain(inner) for inner in value[:12])
        return f"{some} and {len(value) - 12:,} more" if len(value) > 12 else some
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def write_pages(settings: Settings, sources_name: str, registry: ModelRegistry) -> list[Path]:
    """A page for every card, each whole or not at all; pages of models that are gone go. Returns their paths."""
    folder = folder_of(settings, sources_name)
    pages = []
    for card, live in registry.cards():
        target = folder / page_of(card)
        write_whole(target, render(card, live))
        pages.append(target)
    for old in set(folder.glob("*.html")) - set(pages):
        old.unlink()
    return pages
