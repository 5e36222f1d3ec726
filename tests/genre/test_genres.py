"""Source of a track's genre, and the genre mappings."""

import re
import tomllib

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.catalogue.tracks import label_genres, merge_sources, remove_mismatched_songs, top_genre
from jobs.errors import SourceError
from jobs.genre.classify import build_tag_genres, build_track_genres
from jobs.genre.labels import drop_rare_genres, encode_labels, sample_balanced
from jobs.genres import genre_set
from jobs.recommenders.training_data import genre_shares
from jobs.settings import REPOSITORY
from models.musicnn_tags import BASE_RATES, TAGS

TABLES = tomllib.loads((REPOSITORY / "jobs" / "genres.toml").read_text())
SETS = TABLES["sets"]


@pytest.mark.parametrize("name", SETS)
def test_every_genre_mapping_leads_into_its_set(name: str) -> None:
    genres = genre_set(name)
    assert set(genres.labels.values()) <= set(genres.genres)
    assert set(genres.terms.values()) <= set(genres.genres)
    assert all(word == word.lower() for word in (*genres.labels, *genres.terms))


@pytest.mark.parametrize("name", SETS)
def test_genre_set_maps_every_genre_of_the_other_sets(name: str) -> None:
    genres, unknown = genre_set(name), {genre.lower() for genre in TABLES["unknown"][name]}
    met = {genre.lower() for others in SETS.values() for genre in others}
    assert not unknown & set(genres.labels)
    assert met - set(genres.labels) == unknown


@pytest.mark.parametrize("name", SETS)
def test_every_tag_of_a_map_is_one_of_the_network(name: str) -> None:
    genres = genre_set(name)
    assert set(genres.tags) | set(genres.other_styles) <= set(TAGS["MSD_musicnn"])
    assert set(genres.tags.values()) <= set(genres.genres)
    assert not set(genres.tags) & set(genres.other_styles)


def embeddings_of(spark: SparkSession, tags: dict[str, dict[str, float]]) -> DataFrame:
    """Return `track_id`, `tags`: the base rates, except for the tags that are given."""
    rows = [(track, [given.get(tag, BASE_RATES[tag]) for tag in TAGS["MSD_musicnn"]]) for track, given in tags.items()]
    return spark.createDataFrame(rows, "track_id string, tags array<float>")


def test_the_datasets_page_has_the_maps_of_tags() -> None:
    page = (REPOSITORY / "docs" / "datasets.md").read_text(encoding="utf-8")
    header, _, *lines = page[page.index("| tag |") :].split("\n\n")[0].strip().splitlines()
    names = re.findall(r"`(\w+)`", header)
    maps = [genre_set(name).tags for name in names]
    assert genre_set("tagtraum14").tags == genre_set("tagtraum13").tags, "docs/datasets.md has one table for both sets"
    assert {*names, "tagtraum14"} == set(SETS), "every set has a column"
    tags = sorted({tag for tags in maps for tag in tags}, key=str.lower)
    assert [line.strip("| ").split(" | ") for line in lines] == [[tag, *(tags.get(tag, "-") for tags in maps)] for tag in tags]


def test_tags_give_the_genre_of_the_strongest_style_or_none(spark: SparkSession) -> None:
    genres = genre_set("gtzan10")
    embeddings = embeddings_of(
        spark,
        {"blues": {"blues": 0.5, "rock": 0.2}, "metal": {"rock": 0.3, "heavy metal": 0.3},
         "classical": {"instrumental": 0.4, "jazz": 0.2}, "average": {}},
    )  # fmt: skip
    rows = {row["track_id"]: row["audio_tags"] for row in build_tag_genres(embeddings, TAGS["MSD_musicnn"], genres).collect()}
    best = {track: genres.genres[int(np.argmax(values))] for track, values in rows.items()}
    assert best == {"blues": "Blues", "metal": "Metal"}, "instrumental is no genre of the set, and average music has none"
    assert all(0 < sum(values) < 1 for values in rows.values())
    assert 0.5 < max(rows["blues"]) < 1
    assert rows["blues"][genres.genres.index("Reggae")] == 0.0, "the network has no tag for it"
    assert not build_tag_genres(embeddings, TAGS["MTT_musicnn"], genres).collect(), "there is no map of other tags"
    assert not build_tag_genres(embeddings, (), genres).collect()


def test_an_unknown_set_is_named() -> None:
    with pytest.raises(SourceError, match="pmrs7"):
        genre_set("polka")


def test_genre_source_order_is_audio_label_terms_tags_none(spark: SparkSession) -> None:
    rows = [("a", "Rock", "Rock"), ("b", "Rock", "Trance"), ("c", None, "Trance"), ("d", None, None), ("e", None, None)]
    tracks = spark.createDataFrame(rows, "track_id string, label_genre string, terms_genre string")
    scores = spark.createDataFrame(
        [("a", [0.1, 0.9], [0.0], "m")], "track_id string, probabilities array<float>, embedding array<float>, model string"
    )
    tagged = spark.createDataFrame([(t, [0.3, 0.5]) for t in "abce"], "track_id string, audio_tags array<double>")
    actual = {r["track_id"]: r for r in build_track_genres(tracks, scores, ("Rock", "Trance"), tagged).collect()}
    assert {k: (r["genre"], r["source"]) for k, r in actual.items()} == {
        "a": ("Trance", "audio_model"), "b": ("Rock", "label"), "c": ("Trance", "terms"), "d": (None, "none"),
        "e": ("Trance", "audio_tags"),
    }  # fmt: skip
    assert actual["a"]["confidence"] == pytest.approx(0.9)
    assert (actual["d"]["confidence"], actual["d"]["probabilities"]) == (0.0, [])


def test_majority_of_terms_wins_with_ties_to_the_first_genre(spark: SparkSession) -> None:
    mapping = {"rock": "Rock", "hard rock": "Rock", "trance": "Trance"}
    rows = [("x", "Rock"), ("x", "hard rock"), ("x", "trance"), ("y", "trance"), ("y", " rock "), ("z", "polka")]
    frame = spark.createDataFrame(rows, "artist_id string, term string").selectExpr("*", "1 AS weight")
    assert dict(top_genre(frame, "artist_id", "term", mapping, ("Rock", "Trance")).collect()) == {"x": "Rock", "y": "Rock"}


def test_a_track_keeps_every_genre_that_annotators_give_it(spark: SparkSession) -> None:
    genres = genre_set("tagtraum14")
    rows = [("a", "Reggae", 1), ("a", "Rap", 2), ("a", "polka", 3), ("b", "hiphop", 1), ("b", "Rap", 2)]
    labels = spark.createDataFrame(rows, "track_id string, label string, label_rank int")
    audio = spark.createDataFrame([("a", None), ("c", "Jazz")], "track_id string, label string")
    actual = {row["track_id"]: (row["label_genre"], row["label_genres"]) for row in label_genres(labels, audio, genres).collect()}
    assert actual == {"a": ("Reggae", ["Rap", "Reggae"]), "b": ("Rap", ["Rap"]), "c": ("Jazz", ["Jazz"])}


def test_multilabel_probabilities_are_normalized_to_shares(spark: SparkSession) -> None:
    rows = [("a", [0.9, 0.9]), ("b", [0.7002, 0.3]), ("c", [0.2, 0.0]), ("d", [])]
    predictions = spark.createDataFrame(rows, "track_id string, probabilities array<double>")
    actual = genre_shares(predictions, ("Rock", "Trance"), ("a", "b", "c", "d", "e"))
    expected = [[0.5, 0.5, 0.0], [0.7002, 0.3, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_rare_genres_are_dropped_with_tracks_that_have_no_other(spark: SparkSession) -> None:
    rows = [("a", 0, ["Rock", "Jazz"]), ("a", 1, ["Rock", "Jazz"]), ("b", 0, ["Rock"]), ("c", 0, ["Folk"])]
    clips = spark.createDataFrame(rows, "track_id string, clip int, genres array<string>")
    left = drop_rare_genres(clips, 2).orderBy("track_id", "clip").collect()
    assert [tuple(row) for row in left] == [("a", 0, ["Rock"]), ("a", 1, ["Rock"]), ("b", 0, ["Rock"])]
    genres, truth = encode_labels(("Jazz", "Rock", "Soul"), [["Rock"], ["Rock", "Jazz"]])
    assert (genres, truth.tolist()) == (["Jazz", "Rock"], [[0, 1], [1, 1]])


def test_sampling_balances_genres_and_keeps_all_tracks_of_a_rare_one(spark: SparkSession) -> None:
    rows = [(f"r{n}", ["Rock", "Trance"]) for n in range(40)] + [(f"t{n}", ["Trance"]) for n in range(9)] + [("b", ["Breakbeat"])]
    tracks = spark.createDataFrame(rows, "track_id string, genres array<string>")
    sampled = [row["track_id"][0] for row in sample_balanced(tracks, 11).collect()]
    assert {first: sampled.count(first) for first in "rtb"} == {"r": 5, "t": 5, "b": 1}
    again = sample_balanced(tracks.repartition(3), 11).collect()
    assert sorted(row["track_id"] for row in again) == sorted(row["track_id"] for row in sample_balanced(tracks, 11).collect())
    assert sample_balanced(tracks, 100).count() == 50


def test_the_fullest_description_wins_and_its_gaps_are_filled(spark: SparkSession) -> None:
    shape = "track_id string, song_id string, title string, artist_id string, artist string"
    rows = [("t", "s", "Title", None, "Artist"), ("t", None, "title (live)", "AR1", None)]
    assert merge_sources(spark.createDataFrame(rows, shape)).collect() == [("t", "s", "Title", "AR1", "Artist")]


def test_a_mismatch_cuts_only_its_own_pair(spark: SparkSession) -> None:
    tracks = spark.createDataFrame([("t1", "s"), ("t2", "s")], "track_id string, song_id string")
    wrong = spark.createDataFrame([("s", "t1")], "song_id string, track_id string")
    assert {r["track_id"]: r["song_id"] for r in remove_mismatched_songs(tracks, wrong).collect()} == {"t1": None, "t2": "s"}
