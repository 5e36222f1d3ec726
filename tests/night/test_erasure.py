"""Erasure of users and pairs from all that a published night has written, found by a search of all bytes."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from jobs.context import JobContext, Night
from jobs.erasure import published_nights
from jobs.erasure.quarantine import REDACTION_NOTE
from jobs.job_config import NoSettings
from jobs.lake.deletion_requests import sha256
from jobs.lake.files import FileStore as Files
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.mongo import views
from jobs.recommenders.reasons import BECAUSE, SIMILAR
from jobs.runner import run_named
from jobs.sources.config import load_sources
from tests.night.erasure_env import NAME, ErasureEnv
from tests.night.published_night import PublishedNight, run_night


class Killed(BaseException):
    """Ends a job as a kill would: no `except Exception` catches it."""


@pytest.fixture(scope="module")
def env(published: PublishedNight, tmp_path_factory: pytest.TempPathFactory) -> ErasureEnv:
    return ErasureEnv(published, tmp_path_factory.mktemp("erasing"))


@pytest.fixture(scope="module")
def requests(env: ErasureEnv) -> dict[str, Any]:
    """The deletion requests: two users and two pairs.

    One user is an example of the report, the other one is named by a garbled line. The pairs are of a third user.
    """
    page = env.report.read_text()
    on_page = re.findall(r'<code class="user">(.*?)</code>', page)
    example = on_page[0]
    counts = env.rows(next(m for m in env.manifests() if m.table == "play_counts/taste_profile"))
    counted = {row["user_id"] for row in counts}
    garbled = next(user for user in quarantined_users(env) if user not in on_page and user in counted)
    ranked, candidates = env.rows_of_date("ranked"), env.rows_of_date("candidates")
    songs = {row["track_id"]: row["song_id"] for row in env.rows_of_date("song_tracks")}
    plays = {(row["user_id"], row["song_id"]) for row in counts}
    shown = {(row["user_id"], row["track_id"]) for row in ranked}
    pair = next(
        (row["user_id"], row["reason_track_id"]) for row in candidates
        if (row["user_id"], row["track_id"]) in shown and row["user_id"] not in {*on_page, garbled}
        and (row["user_id"], songs.get(row["reason_track_id"])) in plays
    )  # fmt: skip
    listed = next(row["track_id"] for row in ranked if row["user_id"] == pair[0] and row["list"] == "overall" and row["rank"] == 3)
    return {"users": [example, garbled], "example": example, "garbled": garbled, "pairs": [pair, (pair[0], listed)], "songs": songs}


def quarantined_users(env: ErasureEnv) -> list[str]:
    lines = [
        base64.b64decode(row["raw"]) for m in env.manifests() if m.table == "quarantine/app_log"
        for row in env.rows(m) if row["raw"]
    ]  # fmt: skip
    user_ids = [match[1].decode() for line in lines if (match := re.search(rb'"user_id": "([^"]+)"', line))]
    assert user_ids
    return user_ids


def stored_bytes(env: ErasureEnv) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of all that is stored: raw files, Parquet as rows, base64 decoded, documents as JSON."""
    for path in sorted(p for p in env.var.rglob("*") if p.is_file() and p != env.requests_file):
        name = str(path.relative_to(env.var))
        yield name, path.read_bytes()
        if path.suffix == ".parquet" and "mel" not in path.parts:
            rows = pq.read_table(path, partitioning=None).to_pylist()
            yield name, json.dumps(rows, default=str, ensure_ascii=False).encode()
            yield name, b"\n".join(base64.b64decode(row["raw"]) for row in rows if row.get("raw"))
    with env.store() as store:
        for name in store.list_collection_names(filter={"type": "collection", "name": {"$not": {"$regex": "^system"}}}):
            yield name, json.dumps(list(store[name].find()), default=str, ensure_ascii=False).encode()


def names_containing(env: ErasureEnv, *users: str) -> set[str]:
    ids = [user.encode() for user in users]
    names = {name for name, data in stored_bytes(env) if any(user in data for user in ids)}
    return {name.removeprefix(f"lake/{NAME}/").split("/dt=")[0] for name in names}


def digests_of_others(env: ErasureEnv, requests: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return, per partition, the digest of the rows of users without a request."""
    excluded = {*requests["users"], requests["pairs"][0][0], *(user for user, _ in env.truth["deleted_pairs"])}
    digests = {}
    for key, rows in env.user_rows().items():
        texts = sorted(json.dumps(row, default=str, sort_keys=True) for row in rows if row["user_id"] not in excluded)
        digests[key] = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return digests


def names_containing_pairs(env: ErasureEnv, requests: dict[str, Any]) -> list[str]:
    """Return the names of rows and documents that still link the user to one of the tracks."""
    (user, first), (_, second) = requests["pairs"]
    tracks, songs = {first, second}, {requests["songs"].get(first), requests["songs"].get(second)}
    with env.store() as store:
        titles = [store[f"classified_music__{views.live_run(store)}"].find_one({"_id": track}) for track in tracks]
        collections = [name for name in store.list_collection_names() if name.startswith(("recommendations__", "daily_mixes__"))]
        lists = [document for name in collections for document in store[name].find({"user_id": user})]
    reasons = {f"{text}{t['title']} by {t['artist']}" for t in titles for text in (BECAUSE, *SIMILAR.values())}
    names = [f"{d['run_id']}|{d['list']}" for d in lists for item in d["items"]
           if item["track_id"] in tracks or item["why"].partition("; ")[0] in reasons]  # fmt: skip
    names += [f"{d['run_id']}|{d['list']}" for d in lists if d.get("anchor_artist") in {t["artist"] for t in titles}]
    for (part, date), rows in env.user_rows().items():
        for row in rows:
            has_reason = row.get("why", "").partition("; ")[0] in reasons
            of_song = "track_id" not in row and row.get("song_id") in songs
            if row["user_id"] == user and (has_reason or of_song or {row.get("track_id"), row.get("reason_track_id")} & tracks):
                names.append(f"{part} {date}")
    return names


@pytest.mark.slow
def test_erasure_killed_four_times_removes_requested_data_and_nothing_else(
    env: ErasureEnv, requests: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    containing = names_containing(env, *requests["users"])
    assert {"events/app_log", "play_counts/taste_profile", "history", "eligible_users", "user_factors", "candidates", "ranked",
            "daily_mixes", "quarantine/app_log", f"recommendations__{live_run(env)}",
            f"daily_mixes__{live_run(env)}"} <= containing  # fmt: skip
    assert any(name.startswith("reports/") for name in containing)
    assert names_containing_pairs(env, requests)
    before, old = digests_of_others(env, requests), {(m.table, m.date): m for m in env.manifests()}
    with env.store() as store:
        store.runs.update_one({"_id": live_run(env)}, {"$set": {"note": f"dup key: {{_id: '{requests['example']}|overall'}}"}})
    env.lake.store.write_bytes("checkpoints/collaborative/0a.safetensors", b"state of an unfinished fit")
    ingest_requests(env, requests)
    for owner, name, call in ((Lake, "commit", 1), (Lake, "commit", 3), (Files, "remove", 3), (published_nights, "recount", 1)):
        with monkeypatch.context() as patch:
            kill_at_call(patch, owner, name, call)
            with pytest.raises(Killed):
                run_named(env.settings, "erase", env.date)
        for manifest in env.manifests():  # the lake is valid after every kill
            assert len(env.rows(manifest)) == manifest.rows
    done = run_named(env.settings, "erase", env.date)
    assert names_containing(env, *requests["users"]) == set()
    assert names_containing_pairs(env, requests) == []
    assert not env.lake.store.exists("checkpoints/collaborative")
    assert not env.lake.store.exists("candidate_fingerprints")
    after = digests_of_others(env, requests)
    others = [key for key in before if key[0] != "candidate_fingerprints"]
    assert {key: after.get(key) for key in others} == {key: before[key] for key in others}
    page = env.report.read_text()
    assert page.count("Removed: this user requested deletion") == 1
    assert len(re.findall('<code class="user">', page)) == len(re.findall('<a class="example"', page)) > 1
    check_manifests_and_counts(env, old, done)


def ingest_requests(env: ErasureEnv, requests: dict[str, Any]) -> None:
    """Write the requests into the lake as their ingest would, without reading the other sources."""
    lines = [f"{user}\n" for user in requests["users"]] + [f"{user}\t{track}\n" for user, track in requests["pairs"]]
    env.requests_file.write_text("".join(lines))
    rows = [(sha256(user), None) for user in requests["users"]] + [(sha256(user), track) for user, track in requests["pairs"]]
    night = Night(env.date, "by_hand", load_sources(env.settings.sources_file), env.settings, env.spark)
    ctx = JobContext(night, "snapshots", NoSettings())
    ctx.write("deletions/deletions", env.spark.createDataFrame(rows, "user_hash string, track_id string"))
    ctx.commit()


def live_run(env: ErasureEnv) -> str:
    with env.store() as store:
        return str(views.live_run(store))


def kill_at_call(patch: pytest.MonkeyPatch, owner: Any, name: str, call: int) -> None:
    """Let the given call of a function end the job."""
    real, calls = getattr(owner, name), []

    def call_or_die(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise Killed
        return real(*arguments)

    patch.setattr(owner, name, call_or_die)


def check_manifests_and_counts(env: ErasureEnv, old: dict[tuple[str, str], Manifest], run: str) -> None:
    now = {(m.table, m.date): m for m in env.manifests()}
    amended = {key for key, m in now.items() if m.amended_by}
    assert {"events/app_log", "history", "ranked", "quarantine/app_log"} <= {part for part, _ in amended}
    for key in amended:
        assert (now[key].inputs, now[key].code) == (old[key].inputs, old[key].code)
        assert now[key].digest != old[key].digest
    counts = env.lake.read(env.spark, "ingest_counts", Partitions.ALL, "")
    quarantine = env.lake.read(env.spark, "quarantine", Partitions.ALL, "").groupBy("source", "file").count()
    assert counts.where("lines_in <> good + quarantined + blank").count() == 0
    joined = counts.where("source = 'app_log'").join(quarantine, ["source", "file"], "left")
    assert joined.where("quarantined <> coalesce(count, 0)").count() == 0
    redacted = env.lake.read(env.spark, "quarantine", Partitions.ALL, "").where(F.col("reason").endswith(REDACTION_NOTE))
    assert redacted.count() == redacted.where("raw IS NULL AND line IS NOT NULL").count() > 0
    erasures = env.lake.read(env.spark, "erasures", Partitions.ALL, "")
    assert erasures.where("what = 'ranked' AND removed > 0").count() > 0
    with env.store() as store:
        for name in store.list_collection_names():
            view, _, run_id = name.partition("__")
            if view == "recommendations" and run_id:
                published = store.publications.find_one({"_id": run_id})
                assert published["lists"] == store[name].count_documents({})
                assert published["users"] == len(store[name].distinct("user_id"))
                assert published["amended_by"] == run
                assert "amending" not in published
                ranks = [[item["rank"] for item in d["items"]] for d in store[name].find()]
                assert all(item_ranks == list(range(1, len(item_ranks) + 1)) for item_ranks in ranks)


@pytest.mark.slow
def test_erasure_without_new_requests_changes_nothing_and_a_reread_log_is_cleaned_again(
    env: ErasureEnv, requests: dict[str, Any]
) -> None:
    before = {(m.table, m.date): m for m in env.manifests()}
    run_named(env.settings, "erase", env.date)
    assert {(m.table, m.date): m for m in env.manifests()} == before
    run_named(env.settings, "events", env.date)
    assert {(m.table, m.date): m for m in env.manifests()} == before, "raw logs were read again"
    run_named(env.settings, "events", env.date, force=True)
    assert names_containing(env, requests["garbled"]) == {"quarantine/app_log"}
    run_named(env.settings, "snapshots", env.date)
    run_named(env.settings, "erase", env.date)
    assert names_containing(env, *requests["users"]) == set()
    assert names_containing_pairs(env, requests) == []


@pytest.mark.slow
def test_rerun_of_the_night_publishes_without_deleted_data(env: ErasureEnv, requests: dict[str, Any]) -> None:
    run_id = run_night(env.settings, env.date, families=("prepare", "recommend", "publish"))
    assert live_run(env) == run_id
    assert names_containing(env, *requests["users"]) == set()
    assert names_containing_pairs(env, requests) == []
