"""The metrics file, read back as a collector reads it."""

import re
from pathlib import Path

from jobs.atomic_io import write_whole
from jobs.report.prometheus import Metric, metrics, metrics_file, text
from jobs.report.verdict import Limits, judge
from jobs.settings import Settings
from tests.report.literal import LISTS, METRIC, account, judged, night, product

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"')
BACK = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(content: str) -> Samples:
    """Text format 0.0.4 with labels on every sample: each name has HELP and TYPE before its samples, all of them together."""
    found: Samples = {}
    told: list[str] = []
    assert content.endswith("\n")
    for line in content.splitlines():
        if line.startswith("# HELP "):
            told.append(line.split()[2])
        elif line.startswith("# TYPE "):
            assert line.split()[2:] == [told[-1], "gauge"]
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == told[-1], line
            labels = {name: re.sub(r"\\.", lambda escape: BACK[escape[0]], value) for name, value in LABEL.findall(match[2])}
            key = match[1], frozenset(labels.items())
            assert key not in found, line
            found[key] = float(match[3])
    assert len(told) == len(set(told))
    return found


def of_night() -> Samples:
    facts = night(tonight=[account(truncated=2)], products=[product(), product("tracks", complete=None, lag_hours=0.0)])
    return parsed(text(metrics(facts, judge(facts, Limits(), METRIC), METRIC, 1_700_000_000.5), {"sources": "small"}))


def test_every_fact_is_read_back() -> None:
    found = {(name, labels - {("sources", "small")}): value for (name, labels), value in of_night().items()}

    def one(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert one("pmrs_night_end_timestamp_seconds") == 1_794_700_800  # 2026-11-15 00:00 UTC
    assert one("pmrs_report_timestamp_seconds") == 1_700_000_000.5
    assert one("pmrs_night_live") == 1
    assert one("pmrs_findings", level="look") == 1
    assert one("pmrs_findings", level="bad") == 0
    assert one("pmrs_job_seconds", job="events") == 20
    assert one("pmrs_input_lines", source="app_log", kind="quarantined") == 10
    assert one("pmrs_input_truncated_files", source="app_log") == 2
    assert one("pmrs_listeners", kind="full") == LISTS["full"]
    assert one("pmrs_overlap_ratio", n="20") == 0.75
    assert one("pmrs_offered_ratio") == 0.5
    assert one("pmrs_hit_ratio") == 0.2
    assert one("pmrs_product_lag_seconds", product="events") == 1_800
    assert one("pmrs_product_complete_ratio", product="events") == 0.9
    assert ("pmrs_product_complete_ratio", frozenset({("product", "tracks")})) not in found
    assert one("pmrs_quality", model="live", metric=METRIC, bound="low") == 0.11
    assert one("pmrs_quality_ahead", model="popularity", metric=METRIC, bound="mean") == 0.07
    assert ("pmrs_quality_ahead", frozenset({("model", "live"), ("metric", METRIC), ("bound", "mean")})) not in found


def test_every_sample_names_its_sources_and_no_listener() -> None:
    assert all(("sources", "small") in labels for _, labels in of_night())
    assert "listener-one" not in str(of_night())


def test_what_is_not_known_is_left_out() -> None:
    first = {**LISTS, "first": True, "overlap_10": None, "overlap_20": None}
    facts = night(lists=first, quality=[judged("live", 0.1, judged="2026-11-13")])
    names = {name for name, _ in parsed(text(metrics(facts, [], METRIC, 0.0), {"sources": "small"}))}
    assert not names & {"pmrs_overlap_ratio", "pmrs_quality", "pmrs_quality_ahead"}


def test_labels_are_escaped() -> None:
    odd = 'a "b"\\n \\ c\nd}'
    content = text([Metric("pmrs_x", "X.", [({"job": odd}, 1)])], {"sources": "s"})
    assert len(content.splitlines()) == 3
    assert parsed(content) == {("pmrs_x", frozenset({("sources", "s"), ("job", odd)})): 1}


def test_the_file_is_written_aside_where_no_collector_looks(settings: Settings, tmp_path: Path) -> None:
    target = metrics_file(settings, "small")
    assert target == settings.var.resolve() / "metrics" / "small.prom"
    write_whole(target, "one\n")
    write_whole(target, "two\n")
    assert [path.name for path in target.parent.iterdir()] == ["small.prom"]
    assert target.read_text() == "two\n"
