"""The sample's files have real formats, are equal for equal seeds, and have the errors of the ground truth."""

import gzip
import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import soundfile

from jobs.errors import SourceError
from jobs.genres import genre_set
from jobs.sample.audio_files import ogg_crc, ogg_pages
from jobs.sample.config import GENRES, TINY
from jobs.sample.generate import generate

ID = re.compile(r"[A-Z]{5}[0-9A-F]{11}")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "tiny"
    generate(out, days=4, seed=7, cfg=TINY)
    return out


@pytest.fixture(scope="session")
def truth(tiny: Path) -> dict[str, Any]:
    ground_truth: dict[str, Any] = json.loads((tiny / "truth.json").read_text(encoding="utf-8"))
    return ground_truth


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def log_lines(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield file, line number from 1, and raw line of the whole app log."""
    for path in sorted((folder / "app_log").rglob("*.gz")):
        name = str(path.relative_to(folder))
        for number, raw in enumerate(gzip.decompress(path.read_bytes()).split(b"\n")[:-1], start=1):
            yield name, number, raw


def good_events(folder: Path, truth: dict[str, Any]) -> list[dict[str, Any]]:
    bad = {(entry["file"], entry["line"]) for entry in truth["garbage"]}
    return [json.loads(raw) for file, line, raw in log_lines(folder) if raw and (file, line) not in bad]


def test_a_seed_gives_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", days=4, seed=7, cfg=TINY)
    assert digests(tmp_path / "again") == digests(tiny)


def test_two_processes_write_the_same_files_as_one(tiny: Path, tmp_path: Path) -> None:
    generate(tmp_path / "two", days=4, seed=7, cfg=replace(TINY, processes=2))
    assert digests(tmp_path / "two" / "audio") == digests(tiny / "audio")


def test_another_seed_gives_another_sample(tiny: Path, tmp_path: Path) -> None:
    generate(tmp_path / "other", days=4, seed=8, cfg=replace(TINY, audio_tracks=7, unplayed_audio=1))
    assert set(digests(tmp_path / "other" / "audio")).isdisjoint(digests(tiny / "audio"))


def test_a_folder_that_is_no_sample_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(SourceError, match="holds something that is not a sample"):
        generate(tmp_path, cfg=TINY)
    assert (tmp_path / "thesis.txt").read_text() == "precious"
    with pytest.raises(SourceError, match="too short"):
        generate(tmp_path / "new", days=2, cfg=TINY)


def test_sources_toml_names_existing_files(tiny: Path) -> None:
    sources = tomllib.loads((tiny / "sources.toml").read_text())
    assert (sources["name"], sources["genres"]) == ("sample", "pmrs7")
    assert len(sources["source"]) == 10
    for source in sources["source"]:
        assert (tiny / source["path"]).exists(), source
    profile = next(source for source in sources["source"] if source["format"] == "taste_profile")
    assert profile["as_of"] == date(2026, 11, 10)
    assert genre_set("pmrs7").genres == GENRES


def test_garbage_is_at_the_positions_of_the_truth(tiny: Path, truth: dict[str, Any]) -> None:
    lines = {(file, number): raw for file, number, raw in log_lines(tiny)}
    kinds = set()
    for entry in truth["garbage"]:
        if entry["file"].startswith("app_log"):
            kinds.add(entry["kind"])
            assert looks_wrong(lines[entry["file"], entry["line"]]), entry
    assert kinds == {
        "not_json", "cut_json", "invalid_utf8", "array", "missing_user", "missing_track", "unknown_event",
        "bad_date", "year_1970", "future", "rating_9",
    }  # fmt: skip
    for event in good_events(tiny, truth):
        assert not looks_wrong(json.dumps(event).encode()), event


def looks_wrong(raw: bytes) -> bool:
    try:
        record = json.loads(raw)
    except ValueError:
        return True
    if not isinstance(record, dict) or not re.fullmatch("[0-9a-f]{40}", record.get("user_id", "")):
        return True
    known_event = record.get("event") in {"play", "skip", "like", "unlike", "rate", "block", "delete"}
    tracked = "track_id" in record or record.get("event") == "delete"
    in_time = str(record.get("played_at", "")).startswith(("2026-11", "2026-10"))
    return not (known_event and tracked and in_time and record.get("rating", 1) in range(1, 6))


def test_garbage_has_no_users_with_deletion_requests(tiny: Path, truth: dict[str, Any]) -> None:
    assert len(truth["deleted_users"]) == TINY.deleted_users
    for entry in truth["garbage"]:
        path = tiny / entry["file"]
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        raw = data.split(b"\n")[entry["line"] - 1]
        assert not any(user.encode() in raw for user in truth["deleted_users"])


def test_events_add_up(tiny: Path, truth: dict[str, Any]) -> None:
    events = good_events(tiny, truth)
    assert len(events) == truth["events"] + truth["duplicates"]
    keys = {(e["user_id"], e.get("track_id"), e["event"], e["played_at"]) for e in events}
    assert len(keys) == truth["events"]
    assert truth["duplicates"] > 0
    requests = {(e["user_id"], e.get("track_id")) for e in events if e["event"] == "delete"}
    assert {user for user, track in requests if track is None} == set(truth["deleted_users"])
    assert {pair for pair in requests if pair[1]} == {tuple(pair) for pair in truth["deleted_pairs"]}


def test_log_folders_are_dates_of_receipt(tiny: Path, truth: dict[str, Any]) -> None:
    bad = {(entry["file"], entry["line"]) for entry in truth["garbage"]}
    late = set()
    for file, line, raw in log_lines(tiny):
        if raw and (file, line) not in bad:
            event = json.loads(raw)
            assert f"dt={event['received_at'][:10]}" in file
            days = date.fromisoformat(event["received_at"][:10]) - date.fromisoformat(event["played_at"][:10])
            if days.days >= 1 and event["received_at"][11:13] != "00":
                late.add((event["user_id"], event.get("track_id"), event["event"], event["played_at"]))
    assert truth["late_inside"] > 0
    assert abs(len(late) - truth["late_inside"]) <= 3  # midnight, both ways


def test_catalogue_files_have_the_msds_formats(tiny: Path, truth: dict[str, Any]) -> None:
    with h5py.File(tiny / "msd" / "summary.h5") as file:
        tracks = [row.decode() for row in file["analysis/songs"]["track_id"]]
        songs = [row.decode() for row in file["metadata/songs"]["song_id"]]
        assert file["metadata/songs"].dtype["artist_name"] == np.dtype("S1024")
        assert len(file["musicbrainz/songs"]) == len(tracks)
    assert all(track[:2] == "TR" and ID.fullmatch(track[2:]) for track in tracks)
    assert all(song[:2] == "SO" and ID.fullmatch(song[2:]) for song in songs)
    lines = (tiny / "msd" / "unique_tracks.txt").read_bytes().split(b"\n")
    bad = {entry["line"] for entry in truth["garbage"] if entry["file"] == "msd/unique_tracks.txt"}
    good = [line.split(b"<SEP>") for n, line in enumerate(lines[:-1], start=1) if n not in bad]
    assert [fields[0].decode() for fields in good] == tracks
    in_latin1 = {fields[0].decode() for fields in good if not is_utf8(b"".join(fields))}
    assert in_latin1 == set(truth["latin1_tracks"])
    pairs = dict(zip(tracks, songs, strict=True))
    pattern = re.compile(r"ERROR: <(SO\w{16}) (TR\w{16})> .+  -  .+  !=  .+  -  .+")
    for line in (tiny / "msd" / "sid_mismatches.txt").read_text(encoding="utf-8").splitlines():
        match = pattern.fullmatch(line)
        assert match
        assert pairs[match[2]] == match[1]
        assert [match[1], match[2]] in truth["mismatched"]


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_held_out_audio_has_no_labels(tiny: Path, truth: dict[str, Any]) -> None:
    bad = {entry["line"] for entry in truth["garbage"] if entry["file"] == "msd/genres.cls"}
    lines = (tiny / "msd" / "genres.cls").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for n, line in enumerate(lines, start=1) if n not in bad and line[0] != "#"]
    labels = {row[0]: row[1] for row in rows}
    held_out = set(truth["held_out_audio"])
    assert held_out.isdisjoint(labels)
    assert set(truth["audio_genres"]) - held_out <= set(labels)
    assert all(labels[track] == truth["track_genres"][track] for track in labels)
    assert set(truth["held_out_audio"].values()) == set(GENRES)


def test_audio_is_readable_except_broken_files(tiny: Path, truth: dict[str, Any]) -> None:
    names = {f"audio/{path.name}" for path in (tiny / "audio").iterdir()}
    assert {path.split(".")[-1] for path in names} == {"ogg", "mp3", "wav", "flac"}
    assert set(truth["broken_audio"]) <= names
    assert len(names) == len(truth["audio_genres"]) + len(truth["broken_audio"])
    for name in sorted(names - set(truth["broken_audio"])):
        wave, rate = soundfile.read(tiny / name, dtype="float32", always_2d=True)
        assert rate in (22_050, 44_100)
        assert len(wave) == pytest.approx(TINY.audio_seconds * rate, abs=0.1 * rate)
        assert np.isfinite(wave).all()
        assert 0.005 < np.abs(wave).max() <= 1.1
    for name, defect in truth["broken_audio"].items():
        assert defect == what_is_wrong(tiny / name), name


def what_is_wrong(path: Path) -> str:
    if path.stat().st_size == 0:
        return "empty"
    try:
        wave, _ = soundfile.read(path)
    except soundfile.LibsndfileError:
        return "text" if path.read_bytes().startswith(b"<html>") else "truncated"
    return "one_sample" if len(wave) == 1 else "nan"


def test_ogg_pages_have_valid_checksums(tiny: Path) -> None:
    path = next((tiny / "audio").glob("*.ogg"))
    pages = list(ogg_pages(path.read_bytes()))
    assert len(pages) > 2
    for page in pages:
        bare = bytes(page[:22]) + bytes(4) + bytes(page[26:])
        assert page[:4] == b"OggS"
        assert int.from_bytes(page[22:26], "little") == ogg_crc(bare)
