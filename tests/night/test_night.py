"""What a night promises its listeners and analysts, held against the truth that was planted in the sample."""

import base64
import json
import re
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from jobs.erasure.reports import EXAMPLE
from jobs.lake.partitions import Partitions
from jobs.mongo import views
from tests.night.house import World


def test_every_garbage_line_is_in_quarantine_by_its_number(world: World) -> None:
    rows = world.table("quarantine", Partitions.UP_TO).where("line IS NOT NULL").collect()
    found = {("/".join(row["file"].split("/sample/")[-1:]), row["line"]) for row in rows}
    planted = {(entry["file"], entry["line"]) for entry in world.truth["garbage"]}
    assert planted, "the sample plants none"
    assert planted <= found
    log = {pair for pair in found if pair[0].startswith("app_log")}
    assert log == {pair for pair in planted if pair[0].startswith("app_log")}


def test_quarantine_keeps_the_rejected_bytes(world: World) -> None:
    row = world.table("quarantine", Partitions.UP_TO).where("raw IS NOT NULL").orderBy("file", "line").first()
    assert row is not None
    assert base64.b64decode(row["raw"])
    assert row["rule"]
    assert row["reason"]


def test_every_file_is_accounted_for_and_repeats_count_once(world: World) -> None:
    counts = world.table("ingest_counts", Partitions.UP_TO)
    assert counts.where("lines_in <> good + quarantined + blank").count() == 0
    log = counts.where("source = 'app_log'").agg(F.sum("duplicates"), F.sum("late")).first()
    assert log is not None
    assert log[0] == world.truth["duplicates"]
    assert log[1] == world.truth["late_beyond"]


def test_broken_audio_is_quarantined_and_its_neighbours_are_not(world: World) -> None:
    bad = {Path(row["file"]).name for row in world.table("quarantine", Partitions.UP_TO).where("line IS NULL").collect()}
    assert bad == {Path(name).name for name in world.truth["broken_audio"]}
    tracks = {row["track_id"] for row in world.table("track_clips").collect()}
    assert tracks == set(world.truth["audio_genres"])


def test_heard_tracks_are_never_recommended(world: World) -> None:
    heard = world.table("history").select("user_id", "track_id")
    assert heard.count() > 1000
    assert world.table("ranked").join(heard, ["user_id", "track_id"]).count() == 0


def test_a_forgotten_user_appears_nowhere(world: World) -> None:
    gone = world.truth["deleted_users"]
    assert gone
    for path in Path(world.lake.store.root).rglob("*.parquet"):
        texts = json.dumps(pq.read_table(path).to_pylist(), default=str) if "mel" not in path.parts else ""
        assert not [user for user in gone if user in texts], path
    with world.store() as store:
        for name in store.list_collection_names(filter={"type": "collection", "name": {"$not": {"$regex": "^system"}}}):
            texts = json.dumps(list(store[name].find()), default=str)
            assert not [user for user in gone if user in texts], name


def test_a_forgotten_listen_is_in_no_history(world: World) -> None:
    pairs = {tuple(pair) for pair in world.truth["deleted_pairs"]}
    history = {(row["user_id"], row["track_id"]) for row in world.table("history").collect()}
    assert pairs
    assert not pairs & history
    assert not pairs & {(row["user_id"], row["track_id"]) for row in world.table("ranked").collect()}


def test_lists_are_as_long_as_they_can_be(world: World) -> None:
    genres = {row["track_id"]: row["genre"] for row in world.table("track_genres").collect()}
    heard = defaultdict(set)
    for row in world.table("history").collect():
        heard[row["user_id"]].add(row["track_id"])
    for user, track in world.truth["deleted_pairs"]:  # what is to be forgotten is not offered either
        heard[user] |= {track} & set(genres)
    counted = world.table("ranked").groupBy("user_id", "list").agg(F.count("*").alias("n")).collect()
    lengths = {(row["user_id"], row["list"]): row["n"] for row in counted}
    for row in world.table("eligible_users").collect():
        user = row["user_id"]
        assert lengths[user, "overall"] == min(20, len(genres) - len(heard[user]))
        for genre in set(filter(None, genres.values())):
            unheard = sum(1 for track, own in genres.items() if own == genre and track not in heard[user])
            assert lengths.get((user, genre), 0) == min(10, unheard), (user, genre)


def test_planted_groups_are_recovered_at_least_three_times_better_than_by_popularity(world: World) -> None:
    heard = defaultdict(set)
    listeners: dict[str, int] = defaultdict(int)
    for row in world.table("history").orderBy("track_id").collect():
        heard[row["user_id"]].add(row["track_id"])
        listeners[row["track_id"]] += 1
    hits = sorted(listeners, key=lambda track: (-listeners[track], track))
    tops = defaultdict(list)
    for row in world.table("ranked").where("list = 'overall' AND rank <= 10").orderBy("rank").collect():
        tops[row["user_id"]].append(row["track_id"])
    ours, popular = [], []
    for group in world.truth["groups"].values():
        for user in set(group["users"]) & set(tops):
            wanted = set(group["tracks"])
            ours.append(len(wanted & set(tops[user])) / 10)
            popular.append(len(wanted & set([t for t in hits if t not in heard[user]][:10])) / 10)
    assert len(ours) > 50
    assert sum(ours) >= 3 * sum(popular), (sum(ours) / len(ours), sum(popular) / len(popular))


def test_tracks_that_nobody_played_have_a_genre_by_their_sound(world: World) -> None:
    sources = {row["track_id"]: row["source"] for row in world.table("track_genres").collect()}
    assert world.truth["unplayed_audio"]
    assert {sources[track] for track in world.truth["unplayed_audio"]} == {"audio_model"}


def test_published_mismatches_are_cut(world: World) -> None:
    songs = {row["track_id"]: row["song_id"] for row in world.table("tracks").collect()}
    for song, track in world.truth["mismatched"]:
        assert songs.get(track) != song


def test_an_analyst_finds_the_live_night(world: World) -> None:
    with world.store() as store:
        run_id = views.live_run(store)
        assert run_id == world.run_id
        one = store.recommendations.find_one({"list": "overall", "items.tier": "personal"})
        assert one is not None
        assert one["run_id"] == run_id
        assert [item["rank"] for item in one["items"]] == list(range(1, len(one["items"]) + 1))
        assert all(item["why"] and item["title"] for item in one["items"])
        rows = store.recommendations_rows.count_documents({"user_id": one["user_id"], "list": "overall"})
        assert rows == len(one["items"])
        assert store.classified_music.count_documents({"source": "audio_model"}) == len(world.truth["audio_genres"])
        assert store.publications.find_one({"_id": run_id}) is not None


def test_similar_artists_and_mixes_are_of_the_groups_that_were_planted(world: World) -> None:
    group = {track: name for name, planted in world.truth["groups"].items() for track in planted["tracks"]}
    of_user = {user: name for name, planted in world.truth["groups"].items() for user in planted["users"]}
    artist = {row["artist_id"]: group.get(row["track_id"]) for row in world.table("tracks").collect()}
    first = world.table("similar_artists").where("rank = 1").collect()
    pairs = [(artist[row["artist_id"]], artist[row["similar_id"]]) for row in first if artist[row["artist_id"]]]
    assert len(pairs) > 30
    assert sum(one == other for one, other in pairs) >= 0.8 * len(pairs)
    fresh = [row for row in world.table("daily_mixes").where("NOT seen AND mix = 1").collect() if row["user_id"] in of_user]
    assert len({row["user_id"] for row in fresh}) > 50
    own = sum(group.get(row["track_id"]) == of_user[row["user_id"]] for row in fresh)
    assert own >= 0.6 * len(fresh), (own, len(fresh))


def test_an_analyst_finds_an_artists_neighbours_radio_and_a_users_mixes(world: World) -> None:
    with world.store() as store:
        one = store.similar_artists.find_one({"artist": {"$ne": None}})
        assert one is not None
        assert one["run_id"] == world.run_id
        radio = store.artist_radio.find_one({"artist": one["artist"]})
        assert radio is not None
        assert radio["items"][0]["artist"] == one["artist"]
        assert {item["artist"] for item in radio["items"]} - {one["artist"]} <= {item["artist"] for item in one["items"]}
        mix = store.daily_mixes.find_one({"mix": 1})
        assert mix is not None
        assert {item["seen"] for item in mix["items"]} == {True, False}
        assert all(item["why"] and item["title"] for item in mix["items"])
        heard = {row["track_id"] for row in world.table("history").where(F.col("user_id") == mix["user_id"]).collect()}
        assert all((item["track_id"] in heard) == item["seen"] for item in mix["items"])
        near = store.similar_tracks.find_one({"track_id": mix["items"][0]["track_id"]})
        assert near is not None
        assert near["items"][0]["top_modality"] in {"collaborative", "audio", "genre"}


@pytest.mark.parametrize(
    "needle",
    ["synthetic", "<h2 id=\"input\">Input<", "<svg", "Confusion matrix", "Rows dropped by joins", "This is the first night",
     'href="#example-4"'],
)  # fmt: skip
def test_the_report_is_whole_and_needs_no_network(world: World, needle: str) -> None:
    page = (world.settings.var / "reports" / "sample" / world.date.isoformat() / "report.html").read_text()
    assert needle in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "src=" not in page


def test_the_facts_of_the_night_lie_in_mongodb_and_name_nobody(world: World) -> None:
    with world.store() as store:
        told = list(store.quality.find({"run_id": world.run_id, "kind": {"$in": ["night", "product"]}}))
        run = store.runs.find_one({"_id": world.run_id})
        lists = store.recommendations.count_documents({})
        full = store.recommendations.count_documents({"list": "overall", "items.19": {"$exists": True}})
    night = next(document for document in told if document["kind"] == "night")
    products = {document["product"]: document for document in told if document["kind"] == "product"}
    users = world.table("eligible_users").count()
    assert (night["users"], night["full"], night["lists"]["first"]) == (users, full, True)
    assert night["verdict"] == run["report"]["verdict"]
    assert night["coverage"]["tracks"] == world.table("tracks").count()
    assert sum(row["slots"] for row in night["tiers"]) == world.table("ranked").count()
    assert (products["ranked"]["have"], products["ranked"]["of"]) == (full, users)
    assert products["recommendations"]["rows"] == products["recommendations"]["have"] == lists
    assert products["track_clips"]["have"] == len(world.truth["audio_genres"])
    assert 0 <= products["events"]["lag_hours"] < 24
    page = (world.settings.var / "reports" / "sample" / world.date.isoformat() / "report.html").read_text()
    shown = set(re.findall(r'<code class="user">(.*?)</code>', page))
    assert len(shown) == 4
    everybody = [row["user_id"] for row in world.table("eligible_users").collect()]
    assert shown <= set(everybody)
    texts = json.dumps([*told, run], default=str) + EXAMPLE.sub("", page)
    assert not [user for user in everybody if user in texts]


def test_the_metrics_of_the_night_lie_where_a_collector_finds_them(world: World) -> None:
    lines = (world.settings.var / "metrics" / "sample.prom").read_text().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    values = {name: float(value) for name, value in samples}
    assert values['pmrs_users{kind="users",sources="sample"}'] == world.table("eligible_users").count()
    assert values['pmrs_catalogue_tracks{sources="sample"}'] == world.table("tracks").count()
    assert values['pmrs_night_live{sources="sample"}'] == 1


def test_no_password_in_logs_reports_or_manifests(world: World) -> None:
    secret = world.settings.uri.get_secret_value().split("@")[0].rsplit(":", 1)[1]
    files = [p for p in world.settings.var.rglob("*") if p.is_file() and p.suffix in {".json", ".html", ".log", ".toml", ""}]
    assert files
    assert not [p for p in files if secret.encode() in p.read_bytes()]
