"""Whoever asks to be forgotten leaves everything that a published night has left, found by searching all of it."""

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from jobs.context import JobContext, Night
from jobs.erasure import published_nights
from jobs.erasure.quarantine import REDACTION_NOTE
from jobs.lake.deletion_requests import sha256
from jobs.lake.files import FileStore as Files
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.mongo import views
from jobs.mongo.connection import connect
from jobs.publish.collections import INDEXES, VALIDATORS
from jobs.publish.insert import prepare
from jobs.recommenders.reasons import BECAUSE, SIMILAR
from jobs.runner import run_named
from jobs.settings import Settings
from jobs.sources.config import load_sources
from jobs.sources.ingest import snapshots
from tests.night.house import World, run_night

NAME = "forgetful"


class Killed(BaseException):
    """Ends a job where a kill would, and passes every `except Exception`."""


class House:
    """A published night of its own, with what is searched in it."""

    def __init__(self, world: World, var: Path) -> None:
        self.spark, self.truth, self.date, self.var = world.spark, world.truth, world.date, var
        for kind in ("lake", "reports"):
            shutil.copytree(world.settings.var / kind / "sample", var / kind / NAME)
        self.wishes = var / "wishes.txt"
        self.settings = world.settings.model_copy(update={"var": var, "sources": self._sources(world.settings)})
        _copy_nights(world, self)
        self.lake = Lake(str(var / "lake" / NAME))
        self.report = var / "reports" / NAME / self.date.isoformat() / "report.html"

    def _sources(self, settings: Settings) -> Path:
        text = settings.sources_file.read_text().replace('name = "sample"', f'name = "{NAME}"')
        text = re.sub(r'path = "', f'path = "{settings.sources_file.parent}/', text)
        file = self.var / "sources.toml"
        file.write_text(text + f'\n[[source]]\nformat = "deletions"\npath = "{self.wishes}"\n')
        return file

    def store(self) -> Any:
        return connect(self.settings, NAME)

    def manifests(self) -> list[Manifest]:
        return [Manifest.from_json(json.loads(p.read_text())) for p in sorted(Path(self.lake.store.root).rglob("_manifest.json"))]

    def rows(self, manifest: Manifest) -> list[dict[str, Any]]:
        if not manifest.folder:
            return []
        folder = Path(self.lake.store.root) / manifest.table / manifest.folder
        return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path, partitioning=None).to_pylist()]

    def of_the_night(self, name: str) -> list[dict[str, Any]]:
        return self.rows(next(m for m in self.manifests() if (m.table, m.date) == (name, self.date.isoformat())))

    def people(self) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """Rows of every partition that knows users, by (part, date)."""
        found = [m for m in self.manifests() if m.table.split("/")[0] not in {"mel", "erasures"}]
        rows = {(m.table, m.date): self.rows(m) for m in found}
        return {key: some for key, some in rows.items() if some and "user_id" in some[0]}


def _copy_nights(world: World, house: House) -> None:
    """The published nights, under the new sources file's own database."""
    with world.store() as old, house.store() as new:
        for name in old.list_collection_names(filter={"type": "collection", "name": {"$not": {"$regex": "^system"}}}):
            view = name.partition("__")[0]
            if view in VALIDATORS:
                prepare(new, name, VALIDATORS[view], INDEXES[view])
            if documents := list(old[name].find()):
                new[name].insert_many(documents)
        new.leases.delete_many({})
        run_id = views.live_run(old)
        views.commit(new, run_id or "")
        views.repoint_secondary(new, run_id or "")


@pytest.fixture(scope="module")
def house(world: World, tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(world, tmp_path_factory.mktemp("forgetful"))


@pytest.fixture(scope="module")
def asked(house: House) -> dict[str, Any]:
    """Two users who ask to be forgotten, the report's example and one whom a garbled line names; and a pair of a third's."""
    page = house.report.read_text()
    on_page = re.findall(r'<code class="user">(.*?)</code>', page)
    example = on_page[0]
    counts = house.rows(next(m for m in house.manifests() if m.table == "play_counts/taste_profile"))
    counted = {row["user_id"] for row in counts}
    garbled = next(user for user in _named_in_quarantine(house) if user not in on_page and user in counted)
    ranked, candidates = house.of_the_night("ranked"), house.of_the_night("candidates")
    songs = {row["track_id"]: row["song_id"] for row in house.of_the_night("song_tracks")}
    plays = {(row["user_id"], row["song_id"]) for row in counts}
    shown = {(row["user_id"], row["track_id"]) for row in ranked}
    pair = next(
        (row["user_id"], row["reason_track_id"]) for row in candidates
        if (row["user_id"], row["track_id"]) in shown and row["user_id"] not in {*on_page, garbled}
        and (row["user_id"], songs.get(row["reason_track_id"])) in plays
    )  # fmt: skip
    listed = next(row["track_id"] for row in ranked if row["user_id"] == pair[0] and row["list"] == "overall" and row["rank"] == 3)
    return {"users": [example, garbled], "example": example, "garbled": garbled, "pairs": [pair, (pair[0], listed)], "songs": songs}


def _named_in_quarantine(house: House) -> list[str]:
    lines = [
        base64.b64decode(row["raw"]) for m in house.manifests() if m.table == "quarantine/app_log"
        for row in house.rows(m) if row["raw"]
    ]  # fmt: skip
    found = [match[1].decode() for line in lines if (match := re.search(rb'"user_id": "([^"]+)"', line))]
    assert found
    return found


def everything(house: House) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of all that is left behind: files as they lie, Parquet as rows, base64 as bytes, documents as JSON."""
    for path in sorted(p for p in house.var.rglob("*") if p.is_file() and p != house.wishes):
        name = str(path.relative_to(house.var))
        yield name, path.read_bytes()
        if path.suffix == ".parquet" and "mel" not in path.parts:
            rows = pq.read_table(path, partitioning=None).to_pylist()
            yield name, json.dumps(rows, default=str, ensure_ascii=False).encode()
            yield name, b"\n".join(base64.b64decode(row["raw"]) for row in rows if row.get("raw"))
    with house.store() as store:
        for name in store.list_collection_names(filter={"type": "collection", "name": {"$not": {"$regex": "^system"}}}):
            yield name, json.dumps(list(store[name].find()), default=str, ensure_ascii=False).encode()


def holding(house: House, *users: str) -> set[str]:
    ids = [user.encode() for user in users]
    found = {name for name, data in everything(house) if any(user in data for user in ids)}
    return {name.removeprefix(f"lake/{NAME}/").split("/dt=")[0] for name in found}


def neighbours(house: House, asked: dict[str, Any]) -> dict[tuple[str, str], str]:
    """A digest per partition of the rows of all who asked for nothing."""
    apart = {*asked["users"], asked["pairs"][0][0], *(user for user, _ in house.truth["deleted_pairs"])}
    found = {}
    for key, rows in house.people().items():
        texts = sorted(json.dumps(row, default=str, sort_keys=True) for row in rows if row["user_id"] not in apart)
        found[key] = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return found


def names_of_pairs(house: House, asked: dict[str, Any]) -> list[str]:
    """Where a row or document still tells that the user has to do with the track."""
    (user, first), (_, second) = asked["pairs"]
    tracks, songs = {first, second}, {asked["songs"].get(first), asked["songs"].get(second)}
    with house.store() as store:
        titles = [store[f"classified_music__{views.live_run(store)}"].find_one({"_id": track}) for track in tracks]
        kept = [name for name in store.list_collection_names() if name.startswith(("recommendations__", "daily_mixes__"))]
        lists = [document for name in kept for document in store[name].find({"user_id": user})]
    reasons = {f"{text}{t['title']} by {t['artist']}" for t in titles for text in (BECAUSE, *SIMILAR.values())}
    bad = [f"{d['run_id']}|{d['list']}" for d in lists for item in d["items"]
           if item["track_id"] in tracks or item["why"].partition("; ")[0] in reasons]  # fmt: skip
    bad += [f"{d['run_id']}|{d['list']}" for d in lists if d.get("anchor_artist") in {t["artist"] for t in titles}]
    for (part, date), rows in house.people().items():
        for row in rows:
            told = row.get("why", "").partition("; ")[0] in reasons
            of_song = "track_id" not in row and row.get("song_id") in songs
            if row["user_id"] == user and (told or of_song or {row.get("track_id"), row.get("reason_track_id")} & tracks):
                bad.append(f"{part} {date}")
    return bad


def test_a_wish_reaches_everything_through_four_kills_and_only_what_it_is_for(
    house: House, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = holding(house, *asked["users"])
    assert {"events/app_log", "play_counts/taste_profile", "history", "eligible_users", "user_factors", "candidates", "ranked",
            "daily_mixes", "quarantine/app_log", f"recommendations__{_live(house)}",
            f"daily_mixes__{_live(house)}"} <= held  # fmt: skip
    assert any(name.startswith("reports/") for name in held)
    assert names_of_pairs(house, asked)
    before, old = neighbours(house, asked), {(m.table, m.date): m for m in house.manifests()}
    with house.store() as store:
        store.runs.update_one({"_id": _live(house)}, {"$set": {"note": f"dup key: {{_id: '{asked['example']}|overall'}}"}})
    house.lake.store.write_bytes("checkpoints/collaborative/0a.safetensors", b"where an unfinished fit stands")
    _heed(house, asked)
    for place, name, at in ((Lake, "commit", 1), (Lake, "commit", 3), (Files, "remove", 3), (published_nights, "recount", 1)):
        with monkeypatch.context() as patch:
            _kill(patch, place, name, at)
            with pytest.raises(Killed):
                run_named(house.settings, "forget", house.date)
        for manifest in house.manifests():  # the lake is valid wherever the kill was
            assert len(house.rows(manifest)) == manifest.rows
    done = run_named(house.settings, "forget", house.date)
    assert holding(house, *asked["users"]) == set()
    assert names_of_pairs(house, asked) == []
    assert not house.lake.store.exists("checkpoints/collaborative")
    assert not house.lake.store.exists("candidate_fingerprints")
    after = neighbours(house, asked)
    others = [key for key in before if key[0] != "candidate_fingerprints"]
    assert {key: after.get(key) for key in others} == {key: before[key] for key in others}
    page = house.report.read_text()
    assert page.count("Cut out") == 1
    assert len(re.findall('<code class="user">', page)) == len(re.findall('<a class="example"', page)) > 1
    _manifests_and_counts_tell(house, old, done)


def _heed(house: House, asked: dict[str, Any]) -> None:
    """The wishes as ingest reads them from their file: into the lake at once, for none of the other sources is to be read."""
    lines = [f"{user}\n" for user in asked["users"]] + [f"{user}\t{track}\n" for user, track in asked["pairs"]]
    house.wishes.write_text("".join(lines))
    rows = [(sha256(user), None) for user in asked["users"]] + [(sha256(user), track) for user, track in asked["pairs"]]
    night = Night(house.date, "by_hand", load_sources(house.settings.sources_file), house.settings, house.spark)
    ctx = JobContext(night, "snapshots", snapshots.Config())
    ctx.write("deletions/deletions", house.spark.createDataFrame(rows, "user_hash string, track_id string"))
    ctx.commit()


def _live(house: House) -> str:
    with house.store() as store:
        return str(views.live_run(store))


def _kill(patch: pytest.MonkeyPatch, place: Any, name: str, at: int) -> None:
    """Make the `at`-th call of a function end the job."""
    real, calls = getattr(place, name), []

    def dying(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == at:
            raise Killed
        return real(*arguments)

    patch.setattr(place, name, dying)


def _manifests_and_counts_tell(house: House, old: dict[tuple[str, str], Manifest], done: str) -> None:
    now = {(m.table, m.date): m for m in house.manifests()}
    amended = {key for key, m in now.items() if m.amended_by}
    assert {"events/app_log", "history", "ranked", "quarantine/app_log"} <= {part for part, _ in amended}
    for key in amended:
        assert (now[key].inputs, now[key].code) == (old[key].inputs, old[key].code)
        assert now[key].digest != old[key].digest
    counts = house.lake.read(house.spark, "ingest_counts", Partitions.ALL, "")
    quarantine = house.lake.read(house.spark, "quarantine", Partitions.ALL, "").groupBy("source", "file").count()
    assert counts.where("lines_in <> good + quarantined + blank").count() == 0
    joined = counts.where("source = 'app_log'").join(quarantine, ["source", "file"], "left")
    assert joined.where("quarantined <> coalesce(count, 0)").count() == 0
    redacted = house.lake.read(house.spark, "quarantine", Partitions.ALL, "").where(F.col("reason").endswith(REDACTION_NOTE))
    assert redacted.count() == redacted.where("raw IS NULL AND line IS NOT NULL").count() > 0
    told = house.lake.read(house.spark, "erasures", Partitions.ALL, "")
    assert told.where("what = 'ranked' AND removed > 0").count() > 0
    with house.store() as store:
        for name in store.list_collection_names():
            view, _, run_id = name.partition("__")
            if view == "recommendations" and run_id:
                published = store.publications.find_one({"_id": run_id})
                assert published["lists"] == store[name].count_documents({})
                assert published["users"] == len(store[name].distinct("user_id"))
                assert published["amended_by"] == done
                assert "amending" not in published
                ranks = [[item["rank"] for item in d["items"]] for d in store[name].find()]
                assert all(found == list(range(1, len(found) + 1)) for found in ranks)


@pytest.mark.slow
def test_a_quiet_night_costs_next_to_nothing_and_a_log_read_again_brings_nobody_back(
    house: House, asked: dict[str, Any]
) -> None:
    before = {(m.table, m.date): m for m in house.manifests()}
    run_named(house.settings, "forget", house.date)
    assert {(m.table, m.date): m for m in house.manifests()} == before
    run_named(house.settings, "events", house.date)
    assert {(m.table, m.date): m for m in house.manifests()} == before, "raw logs were read again"
    run_named(house.settings, "events", house.date, force=True)
    assert holding(house, asked["garbled"]) == {"quarantine/app_log"}
    run_named(house.settings, "snapshots", house.date)
    run_named(house.settings, "forget", house.date)
    assert holding(house, *asked["users"]) == set()
    assert names_of_pairs(house, asked) == []


@pytest.mark.slow
def test_the_night_again_is_whole_without_the_forgotten(house: House, asked: dict[str, Any]) -> None:
    run_id = run_night(house.settings, house.date, families=("prepare", "recommend", "publish"))
    assert _live(house) == run_id
    assert holding(house, *asked["users"]) == set()
    assert names_of_pairs(house, asked) == []
