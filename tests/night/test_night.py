"""Properties of a published night, checked against the planted truth of the sample."""

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
from tests.night.published_night import PublishedNight


def test_quarantine_has_every_planted_garbage_line(published: PublishedNight) -> None:
    rows = published.table("quarantine", Partitions.UP_TO).where("line IS NOT NULL").collect()
    quarantined = {("/".join(row["file"].split("/sample/")[-1:]), row["line"]) for row in rows}
    planted = {(entry["file"], entry["line"]) for entry in published.truth["garbage"]}
    assert planted, "the sample plants none"
    assert planted <= quarantined
    log = {pair for pair in quarantined if pair[0].startswith("app_log")}
    assert log == {pair for pair in planted if pair[0].startswith("app_log")}


def test_quarantine_keeps_the_rejected_bytes(published: PublishedNight) -> None:
    row = published.table("quarantine", Partitions.UP_TO).where("raw IS NOT NULL").orderBy("file", "line").first()
    assert row is not None
    assert base64.b64decode(row["raw"])
    assert row["rule"]
    assert row["reason"]


def test_counts_of_every_file_add_up_and_duplicates_are_counted(published: PublishedNight) -> None:
    counts = published.table("ingest_counts", Partitions.UP_TO)
    assert counts.where("lines_in <> good + quarantined + blank").count() == 0
    log = counts.where("source = 'app_log'").agg(F.sum("duplicates"), F.sum("late")).first()
    assert log is not None
    assert log[0] == published.truth["duplicates"]
    assert log[1] == published.truth["late_beyond"]


def test_only_broken_audio_is_quarantined(published: PublishedNight) -> None:
    bad = {Path(row["file"]).name for row in published.table("quarantine", Partitions.UP_TO).where("line IS NULL").collect()}
    assert bad == {Path(name).name for name in published.truth["broken_audio"]}
    tracks = {row["track_id"] for row in published.table("track_clips").collect()}
    assert tracks == set(published.truth["audio_genres"])


def test_seen_tracks_are_never_recommended(published: PublishedNight) -> None:
    seen = published.table("history").select("user_id", "track_id")
    assert seen.count() > 1000
    assert published.table("ranked").join(seen, ["user_id", "track_id"]).count() == 0


def test_deleted_users_are_in_no_table_and_no_document(published: PublishedNight) -> None:
    deleted = published.truth["deleted_users"]
    assert deleted
    for path in Path(published.lake.store.root).rglob("*.parquet"):
        texts = json.dumps(pq.read_table(path).to_pylist(), default=str) if "mel" not in path.parts else ""
        assert not [user for user in deleted if user in texts], path
    with published.store() as store:
        for name in store.list_collection_names(filter={"type": "collection", "name": {"$not": {"$regex": "^system"}}}):
            texts = json.dumps(list(store[name].find()), default=str)
            assert not [user for user in deleted if user in texts], name


def test_deleted_pairs_are_in_no_history_and_no_list(published: PublishedNight) -> None:
    pairs = {tuple(pair) for pair in published.truth["deleted_pairs"]}
    history = {(row["user_id"], row["track_id"]) for row in published.table("history").collect()}
    assert pairs
    assert not pairs & history
    assert not pairs & {(row["user_id"], row["track_id"]) for row in published.table("ranked").collect()}


def test_lists_have_all_unseen_tracks_up_to_their_limit(published: PublishedNight) -> None:
    genres = {row["track_id"]: row["genre"] for row in published.table("track_genres").collect()}
    seen = defaultdict(set)
    for row in published.table("history").collect():
        seen[row["user_id"]].add(row["track_id"])
    for user, track in published.truth["deleted_pairs"]:  # deleted tracks are not recommended either
        seen[user] |= {track} & set(genres)
    counted = published.table("ranked").groupBy("user_id", "list").agg(F.count("*").alias("n")).collect()
    lengths = {(row["user_id"], row["list"]): row["n"] for row in counted}
    for row in published.table("eligible_users").collect():
        user = row["user_id"]
        assert lengths[user, "overall"] == min(20, len(genres) - len(seen[user]))
        for genre in set(filter(None, genres.values())):
            unseen = sum(1 for track, own in genres.items() if own == genre and track not in seen[user])
            assert lengths.get((user, genre), 0) == min(10, unseen), (user, genre)


def test_precision_of_planted_groups_is_three_times_that_of_popularity(published: PublishedNight) -> None:
    seen = defaultdict(set)
    n_users: dict[str, int] = defaultdict(int)
    for row in published.table("history").orderBy("track_id").collect():
        seen[row["user_id"]].add(row["track_id"])
        n_users[row["track_id"]] += 1
    by_popularity = sorted(n_users, key=lambda track: (-n_users[track], track))
    tops = defaultdict(list)
    for row in published.table("ranked").where("list = 'overall' AND rank <= 10").orderBy("rank").collect():
        tops[row["user_id"]].append(row["track_id"])
    ours, popular = [], []
    for group in published.truth["groups"].values():
        for user in set(group["users"]) & set(tops):
            planted = set(group["tracks"])
            ours.append(len(planted & set(tops[user])) / 10)
            popular.append(len(planted & set([t for t in by_popularity if t not in seen[user]][:10])) / 10)
    assert len(ours) > 50
    assert sum(ours) >= 3 * sum(popular), (sum(ours) / len(ours), sum(popular) / len(popular))


def test_unplayed_tracks_have_a_genre_from_their_audio(published: PublishedNight) -> None:
    sources = {row["track_id"]: row["source"] for row in published.table("track_genres").collect()}
    assert published.truth["unplayed_audio"]
    assert {sources[track] for track in published.truth["unplayed_audio"]} == {"audio_model"}


def test_published_mismatches_are_removed(published: PublishedNight) -> None:
    songs = {row["track_id"]: row["song_id"] for row in published.table("tracks").collect()}
    for song, track in published.truth["mismatched"]:
        assert songs.get(track) != song


def test_views_return_the_live_night(published: PublishedNight) -> None:
    with published.store() as store:
        run_id = views.live_run(store)
        assert run_id == published.run_id
        document = store.recommendations.find_one({"list": "overall", "items.tier": "personal"})
        assert document is not None
        assert document["run_id"] == run_id
        assert [item["rank"] for item in document["items"]] == list(range(1, len(document["items"]) + 1))
        assert all(item["why"] and item["title"] for item in document["items"])
        rows = store.recommendations_rows.count_documents({"user_id": document["user_id"], "list": "overall"})
        assert rows == len(document["items"])
        assert store.classified_music.count_documents({"source": "audio_model"}) == len(published.truth["audio_genres"])
        assert store.publications.find_one({"_id": run_id}) is not None


def test_similar_artists_and_mixes_follow_the_planted_groups(published: PublishedNight) -> None:
    group = {track: name for name, planted in published.truth["groups"].items() for track in planted["tracks"]}
    of_user = {user: name for name, planted in published.truth["groups"].items() for user in planted["users"]}
    artist = {row["artist_id"]: group.get(row["track_id"]) for row in published.table("tracks").collect()}
    first = published.table("similar_artists").where("rank = 1").collect()
    pairs = [(artist[row["artist_id"]], artist[row["similar_id"]]) for row in first if artist[row["artist_id"]]]
    assert len(pairs) > 30
    assert sum(one == other for one, other in pairs) >= 0.8 * len(pairs)
    fresh = [row for row in published.table("daily_mixes").where("NOT seen AND mix = 1").collect() if row["user_id"] in of_user]
    assert len({row["user_id"] for row in fresh}) > 50
    own = sum(group.get(row["track_id"]) == of_user[row["user_id"]] for row in fresh)
    assert own >= 0.6 * len(fresh), (own, len(fresh))


def test_views_return_similar_artists_radio_mixes_and_similar_tracks(published: PublishedNight) -> None:
    with published.store() as store:
        artist = store.similar_artists.find_one({"artist": {"$ne": None}})
        assert artist is not None
        assert artist["run_id"] == published.run_id
        radio = store.artist_radio.find_one({"artist": artist["artist"]})
        assert radio is not None
        assert radio["items"][0]["artist"] == artist["artist"]
        assert {item["artist"] for item in radio["items"]} - {artist["artist"]} <= {item["artist"] for item in artist["items"]}
        mix = store.daily_mixes.find_one({"mix": 1})
        assert mix is not None
        assert {item["seen"] for item in mix["items"]} == {True, False}
        assert all(item["why"] and item["title"] for item in mix["items"])
        seen = {row["track_id"] for row in published.table("history").where(F.col("user_id") == mix["user_id"]).collect()}
        assert all((item["track_id"] in seen) == item["seen"] for item in mix["items"])
        similar = store.similar_tracks.find_one({"track_id": mix["items"][0]["track_id"]})
        assert similar is not None
        assert similar["items"][0]["top_modality"] in {"collaborative", "audio", "genre"}


@pytest.mark.parametrize(
    "needle",
    ["synthetic", "<h2 id=\"input\">Input<", "<svg", "Confusion matrix", "Rows dropped by joins", "This is the first night",
     'href="#example-4"'],
)  # fmt: skip
def test_report_has_every_section_and_needs_no_network(published: PublishedNight, needle: str) -> None:
    page = (published.settings.var / "reports" / "sample" / published.date.isoformat() / "report.html").read_text()
    assert needle in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "src=" not in page


def test_quality_documents_match_the_tables_and_have_no_user_ids(published: PublishedNight) -> None:
    with published.store() as store:
        documents = list(store.quality.find({"run_id": published.run_id, "kind": {"$in": ["night", "product"]}}))
        run = store.runs.find_one({"_id": published.run_id})
        lists = store.recommendations.count_documents({})
        full = store.recommendations.count_documents({"list": "overall", "items.19": {"$exists": True}})
    night = next(document for document in documents if document["kind"] == "night")
    products = {document["product"]: document for document in documents if document["kind"] == "product"}
    users = published.table("eligible_users").count()
    assert (night["users"], night["full"], night["lists"]["first"]) == (users, full, True)
    assert night["verdict"] == run["report"]["verdict"]
    assert night["coverage"]["tracks"] == published.table("tracks").count()
    assert sum(row["slots"] for row in night["tiers"]) == published.table("ranked").count()
    assert (products["ranked"]["present"], products["ranked"]["expected"]) == (full, users)
    assert products["recommendations"]["rows"] == products["recommendations"]["present"] == lists
    assert products["track_clips"]["present"] == len(published.truth["audio_genres"])
    assert 0 <= products["events"]["lag_hours"] < 24
    page = (published.settings.var / "reports" / "sample" / published.date.isoformat() / "report.html").read_text()
    shown = set(re.findall(r'<code class="user">(.*?)</code>', page))
    assert len(shown) == 4
    all_users = [row["user_id"] for row in published.table("eligible_users").collect()]
    assert shown <= set(all_users)
    texts = json.dumps([*documents, run], default=str) + EXAMPLE.sub("", page)
    assert not [user for user in all_users if user in texts]


def test_metrics_file_has_the_counts_of_the_night(published: PublishedNight) -> None:
    lines = (published.settings.var / "metrics" / "sample.prom").read_text().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    values = {name: float(value) for name, value in samples}
    assert values['pmrs_users{kind="users",sources="sample"}'] == published.table("eligible_users").count()
    assert values['pmrs_catalogue_tracks{sources="sample"}'] == published.table("tracks").count()
    assert values['pmrs_night_live{sources="sample"}'] == 1


def test_no_password_in_logs_reports_or_manifests(published: PublishedNight) -> None:
    secret = published.settings.uri.get_secret_value().split("@")[0].rsplit(":", 1)[1]
    files = [p for p in published.settings.var.rglob("*") if p.is_file() and p.suffix in {".json", ".html", ".log", ".toml", ""}]
    assert files
    assert not [p for p in files if secret.encode() in p.read_bytes()]
