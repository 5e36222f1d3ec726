"""A page for each registered model, built from its card: method, training data, figures, promotion checks."""

from pathlib import Path
from typing import Any

from jobs.atomic_io import write_atomic
from jobs.lake.model_registry import Card, ModelRegistry
from jobs.report import genre
from jobs.report.templates import templates
from jobs.settings import Settings

METRICS = ("NDCG@20", "R_liang@20", "HR@10", "MRR@20", "MAP@20", "NDCG@100")
"""Metrics on the page; the card has all."""
RENDERED_KEYS = frozenset(
    {"tasks", "gate", "name", "digest", "title", "history", "synthetic", "protocol", "method", "val_confusion"}
)
"""Keys with a section of their own; the others are rows of a table."""
MAX_VALUES = 12


def folder_of(settings: Settings, sources_name: str) -> Path:
    """Return VAR/reports/NAME/models."""
    return settings.var.resolve() / "reports" / sources_name / "models"


def page_of(card: Card) -> str:
    """Return the file name of a card's page."""
    return f"{card['name']}-{card['digest']}.html"


def render(card: Card, live: bool) -> str:
    """Return the page as HTML."""
    facts = {key: plain_text(value) for key, value in sorted(card.items()) if key not in RENDERED_KEYS}
    model = genre.model_section(card) if "val_tracks" in card else None
    template = templates().get_template("card.html.j2")
    return template.render(card=card, live=live, facts=facts, metrics=METRICS, model=model)


def plain_text(value: Any) -> str:
    """Return a value of a card as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain_text(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        first = ", ".join(plain_text(inner) for inner in value[:MAX_VALUES])
        return f"{first} and {len(value) - MAX_VALUES:,} more" if len(value) > MAX_VALUES else first
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def write_pages(settings: Settings, sources_name: str, registry: ModelRegistry) -> list[Path]:
    """Write a page for every card atomically, and delete pages of deleted models. Return the paths."""
    folder = folder_of(settings, sources_name)
    pages = []
    for card, live in registry.cards():
        target = folder / page_of(card)
        write_atomic(target, render(card, live))
        pages.append(target)
    for stale in set(folder.glob("*.html")) - set(pages):
        stale.unlink()
    return pages
