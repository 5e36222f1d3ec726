"""One track as the night knows it: where its genre comes from, what the model hears, the picture of its sound. `pmrs track ID`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import LakeError
from jobs.lake.content_keys import KEY
from jobs.lake.model_registry import Card
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import audio
from jobs.report import genre, sound
from jobs.report.facts import Row, rows_of
from jobs.report.page import FILTERS, Bar, Chart, percent
from jobs.report.templates import templates


@dataclass(frozen=True)
class Config:
    """Nothing to choose."""


SHOWN_PRESET = "pmrs-4s"
"""Of the mel picture, where no model says which clips it hears: fine in time."""
UNITS = {
    "loudness": ("dB", 1), "intensity": ("dB", 1), "dynamics": ("dB", 1), "tempo": ("beats a minute", 0),
    "onset_rate": ("a second", 1), "onset_strength": ("dB", 2), "centroid": ("Hz", 0), "centroid_std": ("Hz", 0),
    "bandwidth": ("Hz", 0), "bandwidth_std": ("Hz", 0), "rolloff": ("Hz", 0), "rolloff_std": ("Hz", 0), "flatness": ("", 3),
    "zero_crossings": ("", 3), "zero_crossings_std": ("", 3),
}  # fmt: skip
"""Unit and decimals of every number among the descriptors."""
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SOURCES = {
    "audio_model": "what the genre model hears in its audio",
    "label": "the annotators' label, which counts as certain",
    "terms": "the vote of its artist's terms, which counts as certain",
    "none": "nothing: no audio that could be heard, no label, no term of its artist",
}
"""Where a genre comes from, in words; by `source` of table `track_genres`."""


@dataclass(frozen=True)
class Known:
    """Everything that the page shows of a track."""

    date: str
    sources: str
    synthetic: bool
    track: Row
    """Its row of `tracks`, and `path` of its file."""
    genre: Row
    """Its row of `track_genres`."""
    probabilities: list[tuple[str, float]]
    """Every genre of the set with its probability; empty where none is known."""
    heard: str | None
    """The genre that the model hears, whatever stands; None: it has not heard the track."""
    card: Card | None
    """Of that model."""
    clips: Row | None
    """Its row of `track_clips`; None: it has no audio that can be used."""
    refused: str | None
    """Why its audio could not be used."""
    pictures: list[Row]
    """Its clips of one preset, rows of `mel`."""
    described: Row | None
    """Its row of `track_descriptors`."""
    among: dict[str, float]
    """By descriptor: share of the tracks with audio that have less of it."""


def known(ctx: JobContext, track_id: str) -> Known:
    """Read the lake. Raises LakeError for a track that the night does not know, with what to do."""
    track = _track(ctx, track_id)
    own = F.col("track_id") == track_id
    made = ctx.night.lake.manifest("track_genres", ctx.night.date.isoformat())
    if made is not None and made.inputs.get("genres|", ctx.genres.name) != ctx.genres.name:
        told = f"The genres of {made.date} are of the set {made.inputs['genres|']}; the sources file names {ctx.genres.name} now"
        raise LakeError(f"{told}: `pmrs run genre --date {made.date}`.")
    genres, scores = _one(ctx.read_required("track_genres").where(own)), _one(ctx.read("genre_scores").where(own))
    clips, described = _one(ctx.read("track_clips").where(own)), _one(ctx.read("track_descriptors").where(own))
    card = genre.heard_with(ctx) if scores else None
    names = ctx.genres.genres
    return Known(
        date=ctx.night.date.isoformat(), sources=ctx.night.sources.name, synthetic=ctx.night.sources.synthetic,
        track=track, genre=genres or {"genre": None, "source": "none", "confidence": 0.0},
        probabilities=list(zip(names, genres["probabilities"], strict=True)) if genres and genres["probabilities"] else [],
        heard=names[int(np.argmax(scores["probabilities"]))] if scores else None,
        card=card, clips=clips, refused=None if clips else _refusal(ctx, track),
        pictures=_pictures(ctx, clips, (card or {}).get("preset") or SHOWN_PRESET) if clips else [],
        described=described, among=_among(ctx.read("track_descriptors"), described) if described else {},
    )  # fmt: skip


def _one(rows: DataFrame) -> Row | None:
    found = rows_of(rows.limit(1))
    return found[0] if found else None


def _track(ctx: JobContext, track_id: str) -> Row:
    tracks = ctx.read_required("tracks")
    found = _one(tracks.where(F.col("track_id") == track_id))
    if found is None:
        date = ctx.night.date.isoformat()
        # the two ways in which an id is usually mistaken
        alike = (F.lower("track_id") == track_id.lower()) | F.col("track_id").endswith(f":{track_id}")
        near = rows_of(tracks.where(alike).select("track_id").orderBy("track_id").limit(3))
        next_ = f"did you mean {' or '.join(row['track_id'] for row in near)}?" if near else "`pmrs top USER --json` shows some."
        told = f"Track {track_id!r} is not in the catalogue of {date}; ids are exact, with their source's namespace"
        raise LakeError(f"{told}: {next_}")
    file = _one(ctx.read("audio_files").where(F.col("track_id") == track_id).select("path"))
    return {**found, "path": file["path"] if file else None}


def _refusal(ctx: JobContext, track: Row) -> str | None:
    bad = ctx.read("quarantine").where((F.col("source") == "audio") & (F.col("file") == track["path"]))
    found = _one(bad.select("reason").orderBy("reason"))
    return str(found["reason"]) if found else None


def _pictures(ctx: JobContext, clips: Row, preset: str) -> list[Row]:
    own = [F.col(name) == clips[name] for name in KEY]
    return rows_of(ctx.read("mel", Partitions.CACHE).where(own[0] & own[1] & (F.col("preset") == preset)).orderBy("clip"))


def _among(everybody: DataFrame, own: Row) -> dict[str, float]:
    less = [F.avg((F.col(name) < own[name]).cast("double")).alias(name) for name in UNITS]
    return rows_of(everybody.agg(*less))[0]


def render(found: Known) -> str:
    """The page: one file, no network."""
    pages = templates()
    pages.filters |= FILTERS
    return pages.get_template("track.html.j2").render(
        found=found, came_from=SOURCES[found.genre["source"]], chart=probabilities(found), rows=descriptors(found),
        pitches=strongest_pitches(found.described) if found.described else "",
        vectors={column.name: found.described[column.name] for column in audio.VECTORS} if found.described else {},
        meanings={column.name: column.metadata["comment"] for column in (*audio.NUMBERS, *audio.VECTORS)},
        words=in_words, trusted=trusted(found), silent=without_sound(found),
        picture=sound.picture(found.pictures) if found.pictures else "",
    )  # fmt: skip


def probabilities(found: Known) -> Chart:
    """A bar per genre, the most probable first; as long as the probability."""
    ordered = sorted(found.probabilities, key=lambda one: -one[1])
    return Chart("Probability of each genre", [(name, [Bar(share, percent(round(share, 4)))]) for name, share in ordered])


def trusted(found: Known) -> str:
    """What the probabilities were calibrated by, in a sentence, and whether the model had seen the track's label."""
    if found.genre["source"] != "audio_model" or found.card is None:
        return ""
    by = found.card.get("calibration")
    told = f"Calibrated by {by}." if by else "Not calibrated: what the model says, the mean over the clips that it hears."
    if found.track["label_genre"] is None:
        return told
    if found.track["track_id"] in found.card.get("val_tracks", ()):
        return f"{told} The model did not learn from this track: it was held out."
    return f"{told} The model may have learned from this track and its label, and be surer of it than it should be."


def without_sound(found: Known) -> str:
    """Why nothing is known of its sound, in a sentence; empty where it has some."""
    if found.clips:
        return ""
    if found.refused:
        return f"Its audio could not be used: {found.refused}."
    if found.track["has_audio"]:
        return f"Its audio was not decoded on this night: pmrs run audio --date {found.date}."
    return "No audio of this track is known: no picture, no descriptors."


def descriptors(found: Known) -> list[Row]:
    """Per number: `name`, its name in words, `value` with its unit, `among` in words."""
    row = found.described or {}
    return [
        {"name": name, "words": in_words(name), "value": f"{row[name]:,.{digits}f} {unit}".strip(),
         "among": percent(found.among[name])}
        for name, (unit, digits) in UNITS.items() if row
    ]  # fmt: skip


def in_words(name: str) -> str:
    """A column's name for people."""
    return name.replace("_std", " deviation").replace("_", " ")


def strongest_pitches(row: Mapping[str, Any], most: int = 3) -> str:
    """Names of the strongest pitch classes, the strongest first."""
    order = np.argsort(-np.array(row["chroma"]), kind="stable")[:most]
    return ", ".join(PITCHES[place] for place in order)

