"""The newest night's facts as a Prometheus text file, for node_exporter's textfile collector. All metrics are gauges."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from jobs.report import quality
from jobs.report.facts import Facts, Row, ratio
from jobs.report.products import SECONDS_PER_HOUR, night_end
from jobs.report.verdict import BAD, WARN, Finding
from jobs.settings import Settings

COUNTS = ("lines_in", "good", "quarantined", "blank", "duplicates", "late", "over_limit")
USER_KINDS = ("eligible", "users", "full", "short", "listless", "personal", "new", "gone", "unchanged")
BOUNDS = {"mean": "mean", "low": "low", "high": "high"}
DELTA_BOUNDS = {"delta": "mean", "delta_ci_low": "low", "delta_ci_high": "high"}
Sample = tuple[Mapping[str, str], float]
"""Labels and value."""


def metrics_file(settings: Settings, sources_name: str) -> Path:
    """Return the path of the file: VAR/metrics/NAME.prom."""
    return settings.var.resolve() / "metrics" / f"{sources_name}.prom"


def metrics_text(facts: Facts, findings: list[Finding], metric: str, written: float) -> str:
    """Return the file's text. Every sample has the label `sources`. `written`: Unix time of the report [s]."""
    gauges = _Gauges(facts.run.sources)
    _add_run(gauges, facts, findings, written)
    _add_input(gauges, facts)
    _add_lists(gauges, facts)
    _add_products(gauges, facts)
    _add_quality(gauges, facts, metric)
    return generate_latest(gauges.registry).decode()


class _Gauges:
    """A registry of gauges with a common label; a gauge without samples is left out."""

    def __init__(self, sources: str) -> None:
        self.registry = CollectorRegistry()
        self._sources = sources

    def add(self, name: str, documentation: str, samples: Iterable[Sample]) -> None:
        gauge = None
        for labels, value in samples:
            gauge = gauge or Gauge(name, documentation, ["sources", *labels], registry=self.registry)
            gauge.labels(sources=self._sources, **labels).set(value)

    def add_one(self, name: str, documentation: str, value: float) -> None:
        self.add(name, documentation, [({}, value)])


def _add_run(gauges: _Gauges, facts: Facts, findings: list[Finding], written: float) -> None:
    end = night_end(facts.run.date).timestamp()
    gauges.add_one("pmrs_night_end_timestamp_seconds", "End of the newest published night's date, Unix time.", end)
    gauges.add_one("pmrs_report_timestamp_seconds", "Time when this file was written, Unix time.", written)
    live = "1 if readers see the newest published night, 0 if another night was made live."
    gauges.add_one("pmrs_night_live", live, int(facts.run.is_live))
    levels = [({"level": name}, sum(finding.level == name for finding in findings)) for name in (WARN, BAD)]
    gauges.add("pmrs_findings", "Findings of the report's verdict, by level.", levels)
    stages = [({"job": stage.job}, stage.seconds) for stage in facts.run.stages]
    gauges.add("pmrs_job_seconds", "Wall time of a job in the night.", stages)


def _add_input(gauges: _Gauges, facts: Facts) -> None:
    rows = facts.current_counts
    lines = [({"source": row["source"], "kind": kind}, row[kind]) for row in rows for kind in COUNTS]
    truncated = [({"source": row["source"]}, row["truncated"]) for row in rows]
    dropped = [({"step": row["step"]}, row["rows_dropped"]) for row in facts.join_drops]
    gauges.add("pmrs_input_lines", "Lines that the night read, by source and outcome.", lines)
    gauges.add("pmrs_input_truncated_files", "Truncated files of the night that were accepted.", truncated)
    gauges.add("pmrs_join_dropped_rows", "Rows that a join of the night dropped.", dropped)


def _add_lists(gauges: _Gauges, facts: Facts) -> None:
    lists, coverage = facts.lists, facts.coverage
    users = [({"kind": kind}, lists[kind]) for kind in USER_KINDS]
    overlaps = [({"n": n}, lists[f"overlap_{n}"]) for n in ("10", "20") if lists[f"overlap_{n}"] is not None]
    slots = [({"lists": row["lists"], "tier": row["tier"]}, row["slots"]) for row in facts.tiers]
    recommended = ratio(coverage["recommended"], coverage["tracks"])
    hits = ratio(coverage["hit_slots"], coverage["slots"])
    gauges.add("pmrs_users", "Users by state of their overall list.", users)
    gauges.add("pmrs_overlap_ratio", "Mean share of the first n tracks that the previous night had too.", overlaps)
    gauges.add("pmrs_list_slots", "Slots in lists, by tier.", slots)
    gauges.add_one("pmrs_catalogue_tracks", "Tracks of the catalogue.", coverage["tracks"])
    gauges.add_one("pmrs_recommended_ratio", "Share of the catalogue that is in at least one list.", recommended)
    gauges.add_one("pmrs_hit_ratio", "Share of overall slots with one of the 100 most played tracks.", hits)


def _add_products(gauges: _Gauges, facts: Facts) -> None:
    def samples(key: str, factor: float = 1) -> list[Sample]:
        return [({"product": row["product"]}, row[key] * factor) for row in facts.products if row[key] is not None]

    lag = samples("lag_hours", SECONDS_PER_HOUR)
    gauges.add("pmrs_product_rows", "Rows or documents of a product.", samples("rows"))
    gauges.add("pmrs_product_lag_seconds", "Time from a product's newest data to the end of the night's date.", lag)
    gauges.add("pmrs_product_complete_ratio", "Share of its expected rows that a product has.", samples("complete"))


def _add_quality(gauges: _Gauges, facts: Facts, metric: str) -> None:
    rows: list[Row] = quality.evaluated_on(facts.quality, facts.run.date, metric)
    baselines = [row for row in rows if row["delta"] is not None]

    def samples(selected: list[Row], bounds: Mapping[str, str]) -> list[Sample]:
        return [
            ({"model": row["model"], "metric": metric, "bound": bound}, row[key])
            for row in selected for key, bound in bounds.items()
        ]  # fmt: skip

    lists = "Quality of the previous night's lists by the plays of the day; 95 % interval."
    delta = "Difference of the live lists from a model, paired by user; 95 % interval."
    gauges.add("pmrs_quality", lists, samples(rows, BOUNDS))
    gauges.add("pmrs_quality_delta", delta, samples(baselines, DELTA_BOUNDS))
