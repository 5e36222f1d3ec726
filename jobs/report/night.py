"""The night's report: one HTML file that needs no network, readable on a phone: `pmrs run report --date D`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jobs.context import JobContext
from jobs.genre.model import DEFAULT_PRESET, model_name
from jobs.lake.manifest import code_version
from jobs.publish import views
from jobs.publish.store import Document, connect
from jobs.report import plots
from jobs.report.cards import write_pages
from jobs.report.facts import Facts, collect
from jobs.report.place import report_file


@dataclass(frozen=True)
class Config:
    """Nothing to choose yet."""


def tiles(facts: Facts) -> list[tuple[str, str]]:
    """The figures that answer "how was the night?" at a glance."""
    seen = facts.coverage
    lines, bad = sum(r["lines_in"] for r in facts.accounts), sum(r["quarantined"] for r in facts.accounts)
    reach = seen["recommended"] / seen["tracks"] if seen["tracks"] else 0.0
    return [
        (f"{seen['users']:,}", "users with lists"),
        (f"{seen['items']:,}", "places in lists"),
        (f"{reach:.0%}", f"of {seen['tracks']:,} tracks offered to somebody"),
        (f"{seen['hit_share']:.0%}", "of overall places are top-100 hits"),
        (f"{lines:,}", "input lines"),
        (f"{bad:,}", "of them in quarantine"),
    ]


def render(facts: Facts, night: Document) -> str:
    """The page. `night`: what is known of the run beside the facts (see `_night`)."""
    folder = Path(__file__).parent
    pages = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    pictures: dict[str, Any] = {
        "tiers": plots.tiers(facts.tiers),
        "genres": plots.genres(facts.genres),
        "genre_sources": plots.genre_sources(facts.genre_sources),
        "activity": plots.activity(facts.activity) if facts.activity else "",
        "stage_times": plots.stage_times(night["stages"]),
    }
    return pages.get_template("night.html.j2").render(facts=facts, plots=pictures, tiles=tiles(facts), **night)


def _night(ctx: JobContext) -> Document:
    night = ctx.night
    with connect(night.settings, night.sources.name) as store:
        jobs = (store.runs.find_one({"_id": night.run_id}) or {}).get("jobs", {})
        live = views.live_run(store) == night.run_id
    model = night.models.load(model_name(night.genres.name, DEFAULT_PRESET))
    return {
        "date": night.date.isoformat(),
        "run_id": night.run_id,
        "sources": night.sources.name,
        "synthetic": night.sources.synthetic,
        "live": live,
        "model": model.card if model else None,
        "stages": [(name, facts["seconds"]) for name, facts in jobs.items()],
        "code": code_version(),
    }


def run(ctx: JobContext) -> None:
    """Reads the lake and the run's document, writes VAR/reports/NAME/DATE/report.html, whole or not at all; then models' pages."""
    target = report_file(ctx.night.settings, ctx.night.sources.name, ctx.night.date)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_suffix(".part")
    aside.write_text(render(collect(ctx), _night(ctx)), encoding="utf-8")
    os.replace(aside, target)
    write_pages(ctx.night.settings, ctx.night.sources.name, ctx.night.models)
