"""The newest night's facts as a Prometheus text file, for node_exporter's textfile collector.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4). All are gauges: they tell of one night.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.report import quality
from jobs.report.facts import Facts, Row, ratio
from jobs.report.products import HOUR, night_end
from jobs.report.verdict import BAD, LOOK, Finding
from jobs.settings import Settings

Sample = tuple[Mapping[str, str], float]
ACCOUNT = ("lines_in", "good", "quarantined", "blank", "duplicates", "late", "over_limit")


@dataclass(frozen=True)
class Metric:
    """One gauge."""

    name: str
    """With its unit as suffix."""
    help: str
    samples: Sequence[Sample]


def metrics_file(settings: Settings, sources_name: str) -> Path:
    """Where the file of these sources lies: VAR/metrics/NAME.prom."""
    return settings.var.resolve() / "metrics" / f"{sources_name}.prom"


def escaped(value: str) -> str:
    """A label's value: backslash, quote and newline written as the format asks."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def text(metrics: Iterable[Metric], common: Mapping[str, str]) -> str:
    """The file: per metric HELP, TYPE and its samples, each with the `common` labels before its own."""
    lines = []
    for metric in metrics:
        if metric.samples:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} gauge"]
            lines += [f"{metric.name}{{{_labels({**common, **own})}}} {_number(value)}" for own, value in metric.samples]
    return "\n".join(lines) + "\n"


def _labels(pairs: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{escaped(value)}"' for name, value in pairs.items())


def _number(value: float) -> str:
    """Shortest form that reads back as the same number."""
    return str(value) if isinstance(value, int) else repr(float(value))


def metrics(facts: Facts, findings: list[Finding], metric: str, written: float) -> list[Metric]:
    """All gauges of a night. `written`: Unix time of the report in seconds."""
    return [*_of_the_run(facts, findings, written), *_of_the_input(facts), *_of_the_lists(facts), *_of_the_products(facts),
            *_of_the_quality(facts, metric)]  # fmt: skip


def _one(name: str, help_: str, value: float | None) -> Metric:
    return Metric(name, help_, [] if value is None else [({}, value)])


def _of_the_run(facts: Facts, findings: list[Finding], written: float) -> list[Metric]:
    levels = [({"level": name}, sum(found.level == name for found in findings)) for name in (LOOK, BAD)]
    stages = [({"job": stage.job}, stage.seconds) for stage in facts.seen.stages]
    return [
        _one("pmrs_night_end_timestamp_seconds", "End of the newest published night's date, Unix time.",
             night_end(facts.seen.date).timestamp()),
        _one("pmrs_report_timestamp_seconds", "When this file was written, Unix time.", written),
        _one("pmrs_night_live", "1 where readers see the newest published night, 0 where another was rolled back to.",
             int(facts.seen.is_live)),
        Metric("pmrs_findings", "Findings of the report's verdict, by level.", levels),
        Metric("pmrs_job_seconds", "Wall time of a job in the night.", stages),
    ]  # fmt: skip


def _of_the_input(facts: Facts) -> list[Metric]:
    lines = [({"source": row["source"], "kind": kind}, row[kind]) for row in facts.tonight for kind in ACCOUNT]
    cut = [({"source": row["source"]}, row["truncated"]) for row in facts.tonight]
    lost = [({"step": row["step"]}, row["rows_dropped"]) for row in facts.losses]
    return [
        Metric("pmrs_input_lines", "Lines that the night read, by source and what became of them.", lines),
        Metric("pmrs_input_truncated_files", "Files of the night that are cut short and were taken.", cut),
        Metric("pmrs_join_lost_rows", "Rows that a join of the night could not use.", lost),
    ]


def _of_the_lists(facts: Facts) -> list[Metric]:
    lists, seen = facts.lists, facts.coverage
    kinds = ("listeners", "users", "full", "short", "listless", "personal", "new", "gone", "unchanged")
    overlaps = [({"n": n}, lists[f"overlap_{n}"]) for n in ("10", "20") if lists[f"overlap_{n}"] is not None]
    tiers = [({"lists": row["lists"], "tier": row["tier"]}, row["places"]) for row in facts.tiers]
    return [
        Metric("pmrs_listeners", "Listeners by what holds of their overall list.", [({"kind": k}, lists[k]) for k in kinds]),
        Metric("pmrs_overlap_ratio", "Mean share of the first n places that hold tracks of the night before.", overlaps),
        Metric("pmrs_places", "Places in lists, by how far the lists had to reach.", tiers),
        _one("pmrs_catalogue_tracks", "Tracks of the catalogue.", seen["tracks"]),
        _one("pmrs_offered_ratio", "Share of the catalogue that is offered to somebody.", ratio(seen["offered"], seen["tracks"])),
        _one("pmrs_hit_ratio", "Share of overall places that the 100 most played tracks take.",
             ratio(seen["hit_places"], seen["places"])),
    ]  # fmt: skip


def _of_the_products(facts: Facts) -> list[Metric]:
    def of(key: str, factor: float = 1) -> list[Sample]:
        return [({"product": row["product"]}, row[key] * factor) for row in facts.products if row[key] is not None]

    return [
        Metric("pmrs_product_rows", "Rows or documents of a product.", of("rows")),
        Metric("pmrs_product_lag_seconds", "From a product's newest data to the end of the night's date.", of("lag_hours", HOUR)),
        Metric("pmrs_product_complete_ratio", "Share of what a product should cover that it covers.", of("complete")),
    ]


def _of_the_quality(facts: Facts, metric: str) -> list[Metric]:
    rows: list[Row] = quality.of_day(facts.quality, facts.seen.date, metric)
    others = [row for row in rows if row["delta"] is not None]

    def of(some: list[Row], keys: tuple[str, ...]) -> list[Sample]:
        labels = {"mean": "mean", "delta": "mean", "low": "low", "high": "high", "delta_ci_low": "low", "delta_ci_high": "high"}
        return [({"model": row["model"], "metric": metric, "bound": labels[key]}, row[key]) for row in some for key in keys]

    return [
        Metric("pmrs_quality", "Lists of the night before against what was played on the day; 95 % interval.",
               of(rows, ("mean", "low", "high"))),
        Metric("pmrs_quality_ahead", "By how much our lists are ahead of a model, paired by user; 95 % interval.",
               of(others, ("delta", "delta_ci_low", "delta_ci_high"))),
    ]  # fmt: skip
