"""Merge the sources' descriptions of each track into one: `pmrs run catalogue --date D`.

Mismatched pairs of song and track are removed. Artists without an id are looked up by name. Genres from annotations and
artist terms are mapped to the run's genre set (jobs/genres.toml). The job has no settings: sources and genre maps
decide.
"""

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.genres import GenreSet
from jobs.lake.collect import one_row
from jobs.lake.join_drops import join_drop
from jobs.lake.partitions import Partitions

FIELDS = ("song_id", "title", "artist_id", "artist")


def merge_sources(rows: DataFrame) -> DataFrame:
    """Return one row per track: its most complete description, with gaps filled from the others.

    `rows`: `track_id` and FIELDS. Descriptions are ordered by content, so the order of the sources does not matter.
    """
    gaps = sum((F.col(name).isNull().cast("int") for name in FIELDS), F.lit(0))
    fullest = F.min(F.struct(gaps.alias("gaps"), *FIELDS)).alias("best")
    others = [F.min(name).alias(f"other_{name}") for name in FIELDS]
    merged = rows.groupBy("track_id").agg(fullest, *others)
    filled = [F.coalesce(f"best.{name}", f"other_{name}").alias(name) for name in FIELDS]
    return merged.select("track_id", *filled)


def remove_mismatched_songs(tracks: DataFrame, mismatches: DataFrame) -> DataFrame:
    """Remove the song of a published mismatch from its track: plays of that song are not plays of this track."""
    wrong = F.broadcast(mismatches.select("song_id", "track_id").distinct().withColumn("wrong", F.lit(True)))
    marked = tracks.join(wrong, ["song_id", "track_id"], "left")
    return marked.withColumn("song_id", F.when(F.col("wrong").isNull(), F.col("song_id"))).drop("wrong")


def fill_artist_ids(tracks: DataFrame, artists: DataFrame) -> DataFrame:
    """Fill a missing `artist_id` by the artist's name; of several artists with one name, the first id is used."""
    by_name = artists.groupBy(F.col("name").alias("artist")).agg(F.min("artist_id").alias("named_id"))
    joined = tracks.join(F.broadcast(by_name), "artist", "left")
    return joined.withColumn("artist_id", F.coalesce("artist_id", "named_id")).drop("named_id")


def top_genre(rows: DataFrame, key: str, word: str, mapping: dict[str, str], genres: tuple[str, ...]) -> DataFrame:
    """Return `key` -> `genre` with the most votes among the rows' words; ties go to the first genre of the set.

    `rows`: `key`, `word`, `weight` (votes of the row, an integer). Words that the mapping does not have are ignored.
    """
    best = F.max(F.struct("votes", (-F.col("genre_index")).alias("order"), "genre"))
    return genre_votes(rows, key, word, mapping, genres).groupBy(key).agg(best["genre"].alias("genre"))


def all_genres(rows: DataFrame, key: str, word: str, mapping: dict[str, str], genres: tuple[str, ...]) -> DataFrame:
    """Return `key` -> `genres`: all with a vote among the rows' words, in the order of the set."""
    by_index = F.array_sort(F.collect_list(F.struct("genre_index", "genre")))
    ranked = genre_votes(rows, key, word, mapping, genres).groupBy(key).agg(by_index.alias("sorted"))
    return ranked.select(key, F.col("sorted.genre").alias("genres"))


def genre_votes(rows: DataFrame, key: str, word: str, mapping: dict[str, str], genres: tuple[str, ...]) -> DataFrame:
    """Return `key`, `genre`, its 0-based `genre_index` in the set, and `votes`; see `top_genre`."""
    pairs = [(w, g, genres.index(g)) for w, g in sorted(mapping.items())]
    table = F.broadcast(rows.sparkSession.createDataFrame(pairs, "word string, genre string, genre_index int"))
    cast = rows.withColumn("word", F.lower(F.trim(word))).join(table, "word")
    return cast.groupBy(key, "genre", "genre_index").agg(F.sum("weight").alias("votes"))


def label_genres(labels: DataFrame, audio: DataFrame, genres: GenreSet) -> DataFrame:
    """Return `track_id`, `label_genre` and `label_genres` (every genre that an annotation gives).

    `label_genre` has the most votes: a first label has two votes, a second one has one, the name of an audio folder
    two.
    """
    first = F.when(F.col("label_rank") == 1, 2).otherwise(1)
    rows = labels.select("track_id", "label", first.alias("weight")).unionByName(
        audio.where("label IS NOT NULL").select("track_id", "label", F.lit(2).alias("weight"))
    )
    label_rows = rows, "track_id", "label", genres.labels, genres.genres
    first_of = top_genre(*label_rows).withColumnRenamed("genre", "label_genre")
    return first_of.join(all_genres(*label_rows).withColumnRenamed("genres", "label_genres"), "track_id")


def term_genres(terms: DataFrame, genres: GenreSet) -> DataFrame:
    """Return `artist_id` and the `genre` with the most votes among the artist's terms."""
    rows = terms.select("artist_id", "term", F.lit(1).alias("weight"))
    return top_genre(rows, "artist_id", "term", genres.terms, genres.genres)


def add_undescribed_tracks(tracks: DataFrame, audio: DataFrame, played: DataFrame) -> DataFrame:
    """Add tracks that no catalogue describes but that have audio or were played, with what is known about them."""
    described = tracks.withColumn("origin", F.lit("catalogue"))
    undescribed = (
        audio.select("track_id", "title", "artist")
        .withColumn("order", F.lit(0))
        .unionByName(
            played.select("track_id").distinct().withColumns({"title": _null(), "artist": _null(), "order": F.lit(1)})
        )
    )
    # of several files of a track, use one whose tags have the artist, then the smallest by content; title and artist
    # always come from the same file
    gaps = [F.col(name).isNull().alias(f"no_{name}") for name in ("artist", "title")]
    best = F.min(F.struct("order", *gaps, "title", "artist")).alias("best")
    undescribed_tracks = undescribed.join(tracks, "track_id", "left_anti").groupBy("track_id").agg(best)
    origin = F.when(F.col("best.order") == 0, "audio").otherwise("plays")
    empty = [_null().alias(name) for name in ("song_id", "artist_id")]
    return described.unionByName(undescribed_tracks.select("track_id", "best.title", "best.artist", *empty, origin.alias("origin")))


def build_tracks(
    merged: DataFrame,
    artists: DataFrame,
    terms: DataFrame,
    labels: DataFrame,
    audio: DataFrame,
    played: DataFrame,
    genres: GenreSet,
) -> DataFrame:
    """Return table `tracks` from merged sources without mismatches, and the tables that describe and label them."""
    has_audio = audio.select("track_id").distinct().withColumn("has_audio", F.lit(True))
    by_label = label_genres(labels, audio, genres)
    by_terms = term_genres(terms, genres).withColumnRenamed("genre", "terms_genre")
    tracks = fill_artist_ids(add_undescribed_tracks(merged, audio, played), artists)
    joined = tracks.join(by_label, "track_id", "left").join(by_terms, "artist_id", "left")
    return joined.join(has_audio, "track_id", "left").withColumn("has_audio", F.coalesce("has_audio", F.lit(False)))


def build_song_tracks(tracks: DataFrame) -> DataFrame:
    """Return `song_id` -> `track_id`, the song's first track by id."""
    return tracks.where("song_id IS NOT NULL").groupBy("song_id").agg(F.min("track_id").alias("track_id"))


TRACK_COUNTS = {
    "tracks": "true",
    "catalogue": "origin = 'catalogue'",
    "without artist": "origin = 'catalogue' AND artist_id IS NULL",
    "only played": "origin = 'plays'",
}


def _null() -> Column:
    return F.lit(None).cast("string")


def run(ctx: JobContext) -> None:
    """Read the sources' tables; write `tracks`, `song_tracks` and the losses of the joins."""
    audio = ctx.read("audio_files")
    merged = merge_sources(ctx.read("source_tracks")).cache()
    linked = remove_mismatched_songs(merged, ctx.read("mismatches")).cache()
    tracks = build_tracks(
        linked,
        ctx.read("source_artists"),
        ctx.read("artist_terms"),
        ctx.read("genre_labels"),
        audio,
        ctx.read("events", Partitions.UP_TO),
        ctx.genres,
    )
    written = ctx.write("tracks", tracks)
    songs = ctx.write("song_tracks", build_song_tracks(written))
    ctx.write_records("join_drops/catalogue", build_join_drops(merged, linked, written, songs))


def build_join_drops(merged: DataFrame, linked: DataFrame, tracks: DataFrame, songs: DataFrame) -> list[dict[str, Any]]:
    """Return rows of table `join_drops`, from one Spark job; `linked`: `merged` without mismatched songs."""
    aggregates = [
        merged.agg(F.count_if(F.col("song_id").isNotNull()).alias("merged")),
        linked.agg(F.count_if(F.col("song_id").isNotNull()).alias("linked")),
        songs.agg(F.count("*").alias("songs")),
        tracks.agg(*[F.count_if(F.expr(condition)).alias(name) for name, condition in TRACK_COUNTS.items()]),
    ]
    rows = one_row(aggregates)
    return [
        join_drop("track-song pairs named in the mismatch list", rows["merged"], rows["merged"] - rows["linked"]),
        join_drop("further tracks of a song that another track represents", rows["linked"], rows["linked"] - rows["songs"]),
        join_drop("catalogue tracks whose artist has no id", rows["catalogue"], rows["without artist"]),
        join_drop("played tracks that no catalogue describes", rows["tracks"], rows["only played"]),
    ]
