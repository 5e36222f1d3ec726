"""Erasure from one document, page, sentence or file listing, without Spark and MongoDB."""

import datetime as dt
from pathlib import Path

from jobs.atomic_io import PARTIAL, write_atomic
from jobs.erasure import lake_scan
from jobs.erasure.published_nights import REDACTED, scrubbed, without_tracks
from jobs.erasure.registry import texts
from jobs.erasure.reports import clean_reports, without_examples
from jobs.erasure.tokens import names_erased_user
from jobs.lake.deletion_requests import DeletionRequest, DeletionRequests, sha256
from jobs.lake.files import File
from jobs.lake.manifest import Manifest
from jobs.mongo.document_digest import document_digest
from jobs.recommenders.reasons import (
    BECAUSE,
    NEUTRAL,
    NEUTRAL_COLD_START,
    NEUTRAL_SIMILAR,
    SIMILAR,
    SOUNDS_LIKE,
    without_names,
)

ANNA = DeletionRequests({sha256("anna"): DeletionRequest(True)})
NOON = dt.datetime(2026, 11, 14, 12, tzinfo=dt.UTC)


def test_reason_with_a_deleted_name_becomes_neutral_and_keeps_the_genre_share() -> None:
    names = {"Army of Me by Björk"}
    assert without_names(BECAUSE + "Army of Me by Björk", names) == NEUTRAL
    shared = BECAUSE + "Army of Me by Björk; Drum and bass is 30 % of what you play"
    assert without_names(shared, names) == NEUTRAL + "; Drum and bass is 30 % of what you play"
    assert without_names(SOUNDS_LIKE + "Army of Me by Björk", names) == NEUTRAL_COLD_START
    for prefix in SIMILAR.values():
        assert without_names(prefix + "Army of Me by Björk", names) == NEUTRAL_SIMILAR
        assert without_names(prefix + "Army of Me by Björk and others", names) != NEUTRAL_SIMILAR
    others = (SOUNDS_LIKE + "Joga", NEUTRAL_COLD_START, "popular: played by 3 people", BECAUSE + "Joga")
    for other in (BECAUSE + "Army of Me by Björk and others", *others):
        assert without_names(other, names) == other


def test_deleted_track_leaves_the_list_and_later_items_move_up() -> None:
    items = [{"rank": n, "track_id": t, "why": w} for n, t, w in ((1, "T1", "x"), (2, "T2", BECAUSE + "Y"), (3, "T3", "z"))]
    document = {"_id": "u|overall", "user_id": "u", "items": items, "digest": "d"}
    cleaned = without_tracks(document, frozenset({"T1"}), {"Y"})
    assert cleaned is not None
    assert [(i["rank"], i["track_id"], i["why"]) for i in cleaned["items"]] == [(1, "T2", NEUTRAL), (2, "T3", "z")]
    assert cleaned["digest"] == document_digest(cleaned), "as if the remaining items had been published"
    assert without_tracks(document, frozenset({"T9"}), {"Q"}) is document
    assert without_tracks(document, frozenset({"T1", "T2", "T3"}), set()) is None


def test_page_loses_only_the_examples_of_requesters_and_their_links() -> None:
    link = '<a class="example" href="#example-{}">Role</a>\n'
    section = '<section class="example" id="example-{}">\n<h3>Role</h3><code class="user">{}</code><i>{}</i>\n</section>\n'
    users = ("anna", "berta", "&lt;a&amp;b&gt;", "carla")
    parts = [section.format(n, user, f"list {n}") for n, user in enumerate(users, 1)]
    page = "<nav>" + "".join(link.format(n) for n in (1, 2, 3, 4)) + "</nav>" + "".join(parts) + "<footer>"
    requests = DeletionRequests({**ANNA.by_hash, sha256("<a&b>"): DeletionRequest(False, frozenset({"T1"}))})
    cut = without_examples(page, requests)
    assert "anna" not in cut
    assert "list 1" not in cut
    assert "list 3" not in cut
    assert [n for n in (1, 2, 3, 4) if link.format(n).strip() in cut] == [2, 4]
    assert parts[1] in cut
    assert parts[3] in cut
    assert cut.count("Removed: this user requested deletion") == 2
    assert cut.endswith("<footer>")
    assert without_examples(cut, requests) == cut
    assert without_examples(page, DeletionRequests({sha256("dora"): DeletionRequest(True)})) == page


def test_reports_are_amended_and_files_of_killed_writes_deleted(tmp_path: Path) -> None:
    section = '<section class="example" id="example-1"><code class="user">{}</code></section>'
    for date, user in (("2026-11-13", "anna"), ("2026-11-14", "berta")):
        write_atomic(tmp_path / date / "report.html", section.format(user))
    partial = tmp_path / "2026-11-13" / PARTIAL.replace("*", "0f")
    partial.write_text(section.format("anna")[:60])
    changes = clean_reports(tmp_path, ANNA)
    assert [change.date for change in changes] == ["2026-11-13"]
    assert "anna" not in (tmp_path / "2026-11-13" / "report.html").read_text()
    assert "berta" in (tmp_path / "2026-11-14" / "report.html").read_text()
    assert not partial.exists()
    assert clean_reports(tmp_path, ANNA) == []


def test_page_of_the_older_layout_loses_its_only_example() -> None:
    page = "<h2>A</h2>\n<h2>One listener's overall list</h2>\n<code>{}</code><table>x</table>\n<h2>B</h2>b"
    cut = without_examples(page.format("anna"), ANNA)
    assert "anna" not in cut
    assert cut.startswith("<h2>A</h2>")
    assert cut.endswith("<h2>B</h2>b")
    assert without_examples(cut, ANNA) == cut
    assert without_examples(page.format("berta"), ANNA) == page.format("berta")
    escaped = DeletionRequests({sha256("<a&b>"): DeletionRequest(False, frozenset({"T1"}))})
    assert "<table>" not in without_examples(page.format("&lt;a&amp;b&gt;"), escaped)


def test_texts_with_a_deleted_user_are_redacted_and_run_ids_stay() -> None:
    names = names_erased_user(DeletionRequests({**ANNA.by_hash, sha256("2026"): DeletionRequest(True)}), ())
    run = {"_id": "20261114_1", "date": "2026-11-14", "error": "bad key {_id: 'anna|overall'}", "jobs": [{"seconds": 2026.0}]}
    assert scrubbed(run, names, ANNA) == {**run, "error": REDACTED}
    assert scrubbed({"_id": 1, "user_id": "anna"}, names, ANNA) is None
    assert scrubbed({"users": [{"user_id": "anna"}, {"user_id": "berta"}]}, names, ANNA) == {"users": [None, {"user_id": "berta"}]}


def test_texts_of_a_card_include_keys_and_nested_values() -> None:
    assert set(texts({"a": ["b", {"c": 1}], "d": None})) == {"a", "b", "c", "d"}


def test_files_without_a_manifest_are_orphans_with_their_time() -> None:
    old, new = "dt=2026-11-13/run=2026-11-14T030000-aaaaaa", "dt=2026-11-13/run=2026-11-14T040000-bbbbbb-aaaaaa"
    names = [
        f"events/app/{old}/part-0.parquet", f"events/app/{new}/part-0.parquet", f"events/app/{new}/.part-0.parquet.crc",
        "events/app/dt=2026-11-13/_manifest.json", "events/app/_SUCCESS", "events/app/._SUCCESS.crc",
        "events/app/_temporary/0/task_1/dt=2026-11-13/run=2026-11-14T050000-cccccc/part-1.parquet",
        "events/app/dt=2026-11-13/.0123.tmp", "models/cnn/1/weights.safetensors",
        "stage/run=2026-11-14T060000-dddddd/dt=2026-11-14/x.arrow", "notes/todo.txt", "erasures/cleaned.json",
    ]  # fmt: skip
    files = [File(name, NOON) for name in names]
    named = lake_scan.by_folder([Manifest("events/app", "2026-11-13", new, 1, "d", "events", "r")])
    orphans = {stray.name: stray.time.hour for stray in lake_scan.orphans(files, named)}
    assert orphans == {f"events/app/{old}": 3, "events/app/_temporary": 5, "events/app/dt=2026-11-13/.0123.tmp": 12,
                     "stage/run=2026-11-14T060000-dddddd": 6}  # fmt: skip
    assert lake_scan.unknown(files) == ["notes"]
