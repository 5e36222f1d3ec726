"""Every source's description of a track made one truth: `pmrs run catalogue --date D`.

Mismatched song/track pairs are cut, artists found by name where only a name is given, and the genre of annotation and
of artist terms are looked up in the run's genre set (jobs/genres.toml).
"""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.genres import GenreSet
from jobs.lake.join_drops import counted, loss_table
from jobs.lake.partitions import Partitions

FIELDS = ("song_id", "title", "artist_id", "artist")


@dataclass(frozen=True)
class Config:
    """Nothing to choose yet: sources and maps decide."""


def merge_sources(rows: DataFrame) -> DataFrame:
    """One row per track from many descriptions: the most complete one, its gaps filled from the others.

    `rows`: `track_id` and FIELDS. Total order by content, so that the order of the sources does not matter.
    """
    gaps = sum((F.col(name).isNull().cast("int") for name in FIELDS), F.lit(0))
    fullest = F.min(F.struct(gaps.alias("gaps"), *FIELDS)).alias("best")
    others = [F.min(name).alias(f"other_{name}") for name in FIELDS]
    merged = rows.groupBy("track_id").agg(fullest, *others)
    filled = [F.coalesce(f"best.{name}", f"other_{name}").alias(name) for name in FIELDS]
    return merged.select("track_id", *filled)


def cut_mismatches(tracks: DataFrame, mismatches: DataFrame) -> DataFrame:
    """The song of a published mismatch is removed from its track: plays of that song were not plays of this track."""
    wrong = F.broadcast(mismatches.select("song_id", "track_id").distinct().withColumn("wrong", F.lit(True)))
    marked = tracks.join(wrong, ["song_id", "track_id"], "left")
    return marked.withColumn("song_id", F.when(F.col("wrong").isNull(), F.col("song_id"))).drop("wrong")


def find_artists(tracks: DataFrame, artists: DataFrame) -> DataFrame:
    """Fill `artist_id` by the artist's name where a source gave no id; of namesakes the first id is taken."""
    by_name = artists.groupBy(F.col("name").alias("artist")).agg(F.min("artist_id").alias("named_id"))
    joined = tracks.join(F.broadcast(by_name), "artist", "left")
    return joined.withColumn("artist_id", F.coalesce("artist_id", "named_id")).drop("named_id")


def first_genre(rows: DataFrame, key: str, word: str, mapping: dict[str, str], genres: tuple[str, ...]) -> DataFrame:
    """`key` -> `genre` with most votes among the rows' words; ties go to the first genre of the set.

    `rows`: `key`, `word`, `weight` (an integer: what one vote counts). Words without a mapping do not vote.
    """
    best = F.max(F.struct("votes", (-F.col("place")).alias("order"), "genre"))
    return votes(rows, key, word, mapping, genres).groupBy(key).agg(best["genre"].alias("genre"))


def every_genre(rows: DataFrame, key: str, word: str, mapping: dict[str, str], genres: tuple[str, ...]) -> DataFrame:
    """`key` -> `genres`: all that have a vote among the rows' words, in the order of the set."""
    placed = F.array_sort(F.collect_list(F.struct("place", "genre")))
    said = votes(rows, key, word, mapping, genres).groupBy(key).agg(placed.alias("placed"))
    return said.select(key, F.col("placed.genre").alias("genres"))


def votes(rows: DataFrame, key: str, word: str, mapping: dict[str, str], genres: tuple[str, ...]) -> DataFrame:
    """`key`, `genre`, its `place` in the set, `votes`; see `first_genre`."""
    pairs = [(w, g, genres.index(g)) for w, g in sorted(mapping.items())]
    table = F.broadcast(rows.sparkSession.createDataFrame(pairs, "word string, genre string, place int"))
    cast = rows.withColumn("word", F.lower(F.trim(word))).join(table, "word")
    return cast.groupBy(key, "genre", "place").agg(F.sum("weight").alias("votes"))


def label_genres(labels: DataFrame, audio: DataFrame, genres: GenreSet) -> DataFrame:
    """`track_id`, `label_genre` by annotation: a first label weighs two votes, a second one, an audio folder's name two; and
    `label_genres`: every genre that it was given.
    """
    first = F.when(F.col("place") == 1, 2).otherwise(1)
    rows = labels.select("track_id", "label", first.alias("weight")).unionByName(
        audio.where("label IS NOT NULL").select("track_id", "label", F.lit(2).alias("weight"))
    )
    told = rows, "track_id", "label", genres.labels, genres.genres
    first_of = first_genre(*told).withColumnRenamed("genre", "label_genre")
    return first_of.join(every_genre(*told).withColumnRenamed("genres", "label_genres"), "track_id")


def term_genres(terms: DataFrame, genres: GenreSet) -> DataFrame:
    """`artist_id`, `genre` by vote of the artist's terms."""
    rows = terms.select("artist_id", "term", F.lit(1).alias("weight"))
    return first_genre(rows, "artist_id", "term", genres.terms, genres.genres)


def with_strays(tracks: DataFrame, audio: DataFrame, played: DataFrame) -> DataFrame:
    """Tracks that no catalogue describes but that have audio or were played join with what little is known of them."""
    known = tracks.withColumn("origin", F.lit("catalogue"))
    heard_of = audio.select("track_id", "title", "artist").withColumn("order", F.lit(0)).unionByName(
        played.select("track_id").distinct().withColumns({"title": _null(), "artist": _null(), "order": F.lit(1)})
    )
    # of several files of a track the one whose tags tell the artist, then the least by content: never one's title, another's artist
    gaps = [F.col(name).isNull().alias(f"no_{name}") for name in ("artist", "title")]
    best = F.min(F.struct("order", *gaps, "title", "artist")).alias("best")
    strays = heard_of.join(tracks, "track_id", "left_anti").groupBy("track_id").agg(best)
    origin = F.when(F.col("best.order") == 0, "audio").otherwise("plays")
    empty = [_null().alias(name) for name in ("song_id", "artist_id")]
    return known.unionByName(strays.select("track_id", "best.title", "best.artist", *empty, origin.alias("origin")))


def build_tracks(
    merged: DataFrame, artists: DataFrame, terms: DataFrame, labels: DataFrame, audio: DataFrame,
    played: DataFrame, genres: GenreSet,
) -> DataFrame:
    """The `tracks` table from merged sources without mismatches and the tables that describe and label them."""
    has_audio = audio.select("track_id").distinct().withColumn("has_audio", F.lit(True))
    by_label = label_genres(labels, audio, genres)
    by_terms = term_genres(terms, genres).withColumnRenamed("genre", "terms_genre")
    tracks = find_artists(with_strays(merged, audio, played), artists)
    joined = tracks.join(by_label, "track_id", "left").join(by_terms, "artist_id", "left")
    return joined.join(has_audio, "track_id", "left").withColumn("has_audio", F.coalesce("has_audio", F.lit(False)))


def build_song_tracks(tracks: DataFrame) -> DataFrame:
    """`song_id` -> the one track that stands for it: its first by id."""
    return tracks.where("song_id IS NOT NULL").groupBy("song_id").agg(F.min("track_id").alias("track_id"))


def _null() -> Column:
    return F.lit(None).cast("string")


def run(ctx: JobContext) -> None:
    """Reads the sources' tables, writes `tracks`, `song_tracks` and what the joins lost."""
    audio = ctx.read("audio_files")
    merged = merge_sources(ctx.read("source_tracks")).cache()
    linked = cut_mismatches(merged, ctx.read("mismatches")).cache()
    tracks = build_tracks(
        linked, ctx.read("source_artists"), ctx.read("artist_terms"), ctx.read("genre_labels"), audio,
        ctx.read("events", Partitions.UP_TO), ctx.genres,
    )
    written = ctx.write("tracks", tracks)
    songs = ctx.write("song_tracks", build_song_tracks(written))
    with_song = merged.where("song_id IS NOT NULL").count()
    kept = linked.where("song_id IS NOT NULL").count()
    catalogue = written.where("origin = 'catalogue'")
    losses = [
        counted("track-song pairs named in the mismatch list", with_song, with_song - kept),
        counted("further tracks of a song that another track stands for", kept, kept - songs.count()),
        counted("catalogue tracks whose artist has no id", catalogue.count(), catalogue.where("artist_id IS NULL").count()),
        counted("played tracks that no catalogue describes", written.count(), written.where("origin = 'plays'").count()),
    ]
    ctx.write("join_drops/catalogue", loss_table(ctx.spark, losses))
