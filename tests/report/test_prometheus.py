"""The metrics file, parsed with prometheus_client."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from jobs.atomic_io import write_atomic
from jobs.report.facts import Facts
from jobs.report.prometheus import metrics_file, metrics_text
from jobs.report.verdict import Limits, find_problems
from jobs.settings import Settings
from tests.report.literal import LISTS, METRIC, account, night, product, quality_row

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(content: str) -> Samples:
    """Return the values by name and labels; every metric must be a documented gauge."""
    samples: Samples = {}
    for family in text_string_to_metric_families(content):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in samples, key
            samples[key] = sample.value
    return samples


def samples_of(facts: Facts) -> Samples:
    return parse(metrics_text(facts, find_problems(facts, Limits(), METRIC), METRIC, 1_700_000_000.5))


def samples_of_night() -> Samples:
    products = [product(), product("tracks", complete=None, lag_hours=0.0)]
    return samples_of(night(current_counts=[account(truncated=2)], products=products))


def test_metrics_file_has_every_fact() -> None:
    samples = {(name, labels - {("sources", "small")}): value for (name, labels), value in samples_of_night().items()}

    def value(name: str, **labels: str) -> float:
        return samples[name, frozenset(labels.items())]

    assert value("pmrs_night_end_timestamp_seconds") == 1_794_700_800  # 2026-11-15 00:00 UTC
    assert value("pmrs_report_timestamp_seconds") == 1_700_000_000.5
    assert value("pmrs_night_live") == 1
    assert value("pmrs_findings", level="warn") == 1
    assert value("pmrs_findings", level="bad") == 0
    assert value("pmrs_job_seconds", job="events") == 20
    assert value("pmrs_input_lines", source="app_log", kind="quarantined") == 10
    assert value("pmrs_input_truncated_files", source="app_log") == 2
    assert value("pmrs_join_dropped_rows", step="play counts without a track") == 5
    assert value("pmrs_users", kind="full") == LISTS["full"]
    assert value("pmrs_overlap_ratio", n="20") == 0.75
    assert value("pmrs_list_slots", lists="overall", tier="personal") == 1_900
    assert value("pmrs_recommended_ratio") == 0.5
    assert value("pmrs_hit_ratio") == 0.2
    assert value("pmrs_product_lag_seconds", product="events") == 1_800
    assert value("pmrs_product_complete_ratio", product="events") == 0.9
    assert ("pmrs_product_complete_ratio", frozenset({("product", "tracks")})) not in samples
    assert value("pmrs_quality", model="live", metric=METRIC, bound="low") == 0.11
    assert value("pmrs_quality_delta", model="popularity", metric=METRIC, bound="mean") == 0.07
    assert ("pmrs_quality_delta", frozenset({("model", "live"), ("metric", METRIC), ("bound", "mean")})) not in samples


def test_every_sample_has_its_sources_and_no_user() -> None:
    assert all(("sources", "small") in labels for _, labels in samples_of_night())
    assert "user-one" not in str(samples_of_night())


def test_unknown_figures_have_no_metric() -> None:
    first = {**LISTS, "first": True, "overlap_10": None, "overlap_20": None}
    samples = samples_of(night(lists=first, quality=[quality_row("live", 0.1, evaluated_on="2026-11-13")]))
    assert not {name for name, _ in samples} & {"pmrs_overlap_ratio", "pmrs_quality", "pmrs_quality_delta"}


def test_labels_are_escaped() -> None:
    odd = 'a "b"\\n \\ c\nd}'
    labels = frozenset({("sources", "small"), ("source", odd)})
    assert samples_of(night(current_counts=[account(odd)]))["pmrs_input_truncated_files", labels] == 0


def test_metrics_file_is_written_atomically(settings: Settings, tmp_path: Path) -> None:
    target = metrics_file(settings, "small")
    assert target == settings.var.resolve() / "metrics" / "small.prom"
    write_atomic(target, "one\n")
    write_atomic(target, "two\n")
    assert [path.name for path in target.parent.iterdir()] == ["small.prom"]
    assert target.read_text() == "two\n"
