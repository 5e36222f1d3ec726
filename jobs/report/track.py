"""A track's page (`pmrs track ID`): the origin of its genre, the genre model's prediction, its spectrogram and descriptors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.context import JobContext
from jobs.errors import LakeError
from jobs.lake.content_keys import KEY
from jobs.lake.inputs import GENRES
from jobs.lake.model_registry import Card
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import audio
from jobs.report import genre, sound
from jobs.report.facts import Row, rows_of
from jobs.report.page import FILTERS, Bar, Chart, percent
from jobs.report.templates import templates
from jobs.training.pretrained import TOP_TAGS, network_tags, patch_hop

DEFAULT_PRESET = "pmrs-4s"
"""Preset of the spectrogram if no model defines one: it has a fine time resolution."""
UNITS = {
    "loudness": ("dB", 1), "intensity": ("dB", 1), "dynamics": ("dB", 1), "tempo": ("beats a minute", 0),
    "onset_rate": ("a second", 1), "onset_strength": ("dB", 2), "centroid": ("Hz", 0), "centroid_std": ("Hz", 0),
    "bandwidth": ("Hz", 0), "bandwidth_std": ("Hz", 0), "rolloff": ("Hz", 0), "rolloff_std": ("Hz", 0), "flatness": ("", 3),
    "zero_crossings": ("", 3), "zero_crossings_std": ("", 3),
}  # fmt: skip
"""Unit and decimals of every scalar descriptor."""
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SOURCES = {
    "audio_model": "the genre model's prediction from its audio",
    "label": "the annotators' label, which counts as certain",
    "terms": "the vote of its artist's terms, which counts as certain",
    "audio_tags": "the tags that the pretrained network gives its audio, mapped to the genre set",
    "none": "nothing: there is no usable audio, no label and no artist term",
}
"""Descriptions of the origin of a genre, by `source` of table `track_genres`."""


@dataclass(frozen=True)
class TrackDetails:
    """Everything on a track's page."""

    date: str
    sources: str
    synthetic: bool
    track: Row
    """Its row of `tracks`, with `path`, the path of its file."""
    genre: Row
    """Its row of `track_genres`."""
    probabilities: list[tuple[str, float]]
    """Every genre of the set with its probability; empty if there are none."""
    predicted: str | None
    """The model's prediction, even if a label has precedence; None: the model has not scored the track."""
    card: Card | None
    """Card of that model."""
    clips: Row | None
    """Its row of `track_clips`; None: it has no usable audio."""
    audio_error: str | None
    """Why its audio is unusable."""
    mels: list[Row]
    """Its clips of one preset, rows of `mel`."""
    descriptors: Row | None
    """Its row of `track_descriptors`."""
    tags: tuple[str, ...]
    """Tags of the pretrained network."""
    embeddings: Row | None
    """Its row of `track_embeddings`; None: no network has computed its tags."""
    embedding_start: float | None
    """Start of the clip whose tags these are, s; None without tags."""
    patch_hop: int
    """Frames from the start of a patch to the next; 0 without tags."""
    quantiles: dict[str, float]
    """By descriptor: share of the tracks with audio that have a smaller value."""


def read_details(ctx: JobContext, track_id: str) -> TrackDetails:
    """Read a track's details from the lake. Raises LakeError with a remedy for a track that is not in the catalogue."""
    _require_current_genres(ctx)
    track = _read_track(ctx, track_id)
    is_track = F.col("track_id") == track_id
    genres, scores = (
        _first_row(ctx.read_required("track_genres").where(is_track)),
        _first_row(ctx.read("genre_scores").where(is_track)),
    )
    clips, descriptors, embeddings = (
        _first_row(ctx.read(name).where(is_track)) for name in ("track_clips", "track_descriptors", "track_embeddings")
    )
    card = genre.model_of_night(ctx) if scores else None
    names = ctx.genres.genres
    return TrackDetails(
        date=ctx.night.date.isoformat(), sources=ctx.night.sources.name, synthetic=ctx.night.sources.synthetic,
        track=track, genre=genres or {"genre": None, "source": "none", "confidence": 0.0},
        probabilities=list(zip(names, genres["probabilities"], strict=True)) if genres and genres["probabilities"] else [],
        predicted=names[int(np.argmax(scores["probabilities"]))] if scores else None,
        card=card, clips=clips, audio_error=None if clips else _read_audio_error(ctx, track),
        mels=_read_mels(ctx, clips, (card or {}).get("preset") or DEFAULT_PRESET) if clips else [],
        descriptors=descriptors, tags=network_tags(ctx), embeddings=embeddings,
        embedding_start=_embedding_start(ctx, clips) if clips and embeddings else None, patch_hop=patch_hop(ctx),
        quantiles=_quantiles(ctx.read("track_descriptors"), descriptors) if descriptors else {},
    )  # fmt: skip


def _require_current_genres(ctx: JobContext) -> None:
    """Raise LakeError if the night's genres are of another genre set than the sources file names."""
    manifest = ctx.night.lake.manifest("track_genres", ctx.night.date.isoformat())
    genre_set = manifest.input(GENRES) if manifest else None
    if manifest is not None and genre_set is not None and genre_set != ctx.genres.name:
        stored = f"The genres of {manifest.date} are of the set {genre_set}"
        remedy = f"run `pmrs run genre --date {manifest.date}`"
        raise LakeError(f"{stored}; the sources file names {ctx.genres.name}: {remedy}.")


def _first_row(rows: DataFrame) -> Row | None:
    first = rows_of(rows.limit(1))
    return first[0] if first else None


def _read_track(ctx: JobContext, track_id: str) -> Row:
    tracks = ctx.read_required("tracks")
    track = _first_row(tracks.where(F.col("track_id") == track_id))
    if track is None:
        date = ctx.night.date.isoformat()
        # the two usual mistakes in an id
        similar = (F.lower("track_id") == track_id.lower()) | F.col("track_id").endswith(f":{track_id}")
        suggestions = rows_of(tracks.where(similar).select("track_id").orderBy("track_id").limit(3))
        ids = " or ".join(row["track_id"] for row in suggestions)
        remedy = f"did you mean {ids}?" if ids else "`pmrs top USER --json` shows some."
        missing = f"Track {track_id!r} is not in the catalogue of {date}; ids are exact, with their source's namespace"
        raise LakeError(f"{missing}: {remedy}")
    file = _first_row(ctx.read("audio_files").where(F.col("track_id") == track_id).select("path"))
    return {**track, "path": file["path"] if file else None}


def _read_audio_error(ctx: JobContext, track: Row) -> str | None:
    rejected = ctx.read("quarantine").where((F.col("source") == "audio") & (F.col("file") == track["path"]))
    first = _first_row(rejected.select("reason").orderBy("reason"))
    return str(first["reason"]) if first else None


def _read_mels(ctx: JobContext, clips: Row, preset: str) -> list[Row]:
    content, producer = (F.col(name) == clips[name] for name in KEY)
    return rows_of(
        ctx.read("mel", Partitions.CACHE).where(content & producer & (F.col("preset") == preset)).orderBy("clip")
    )


def _embedding_start(ctx: JobContext, clips: Row) -> float | None:
    content, producer = (F.col(name) == clips[name] for name in KEY)
    stored = ctx.read("mel", Partitions.CACHE).where(content & producer & (F.col("preset") == "musicnn"))
    first = _first_row(stored.select("start"))
    return first["start"] if first else None


def _quantiles(all_tracks: DataFrame, descriptors: Row) -> dict[str, float]:
    below = [F.avg((F.col(name) < descriptors[name]).cast("double")).alias(name) for name in UNITS]
    return rows_of(all_tracks.agg(*below))[0]


def render(details: TrackDetails) -> str:
    """Return the page as HTML; it loads nothing from the network."""
    pages = templates()
    pages.filters |= FILTERS
    return pages.get_template("track.html.j2").render(
        details=details, came_from=SOURCES[details.genre["source"]], chart=probability_chart(details),
        rows=descriptor_rows(details),
        pitches=strongest_pitches(details.descriptors) if details.descriptors else "",
        vectors={column.name: details.descriptors[column.name] for column in audio.VECTORS} if details.descriptors else {},
        meanings={column.name: column.metadata["comment"] for column in (*audio.NUMBERS, *audio.VECTORS)},
        display_name=display_name, calibration=calibration_note(details), no_audio=no_audio_note(details),
        spectrogram=sound.plot(details.mels) if details.mels else "", tags=top_tags(details), taggram=taggram(details),
    )  # fmt: skip


def top_tags(details: TrackDetails) -> list[tuple[str, float]]:
    """Return the TOP_TAGS most probable tags of the track's audio with their probabilities; empty without tags."""
    if details.embeddings is None or len(details.tags) != len(details.embeddings["tags"]):
        return []
    pairs = zip(details.tags, details.embeddings["tags"], strict=True)
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:TOP_TAGS]


def taggram(details: TrackDetails) -> str:
    """Return the plot of the tags over time; empty without tags."""
    if details.embeddings is None or details.embedding_start is None or not top_tags(details):
        return ""
    probabilities = np.reshape(details.embeddings["taggram"], (-1, len(details.tags)))
    return sound.plot_taggram(probabilities, details.tags, details.embedding_start, details.patch_hop)


def probability_chart(details: TrackDetails) -> Chart:
    """Return a chart of the genres' probabilities, the most probable first."""
    ordered = sorted(details.probabilities, key=lambda pair: -pair[1])
    return Chart(
        "Probability of each genre", [(name, [Bar(share, percent(round(share, 4)))]) for name, share in ordered]
    )


def calibration_note(details: TrackDetails) -> str:
    """Return how the probabilities were calibrated, and whether the model was trained on the track."""
    if details.genre["source"] != "audio_model" or details.card is None:
        return ""
    method = details.card.get("calibration")
    note = f"Calibrated by {method}." if method else "Not calibrated: these are means over the track's clips."
    if details.track["label_genre"] is None:
        return note
    if details.track["track_id"] in details.card.get("val_tracks", ()):
        return f"{note} The model was not trained on this track: it was held out."
    return f"{note} The model may have been trained on this track, so that its probability may be too high."


def no_audio_note(details: TrackDetails) -> str:
    """Return why there is no audio data; empty if there is some."""
    if details.clips:
        return ""
    if details.audio_error:
        return f"Its audio is unusable: {details.audio_error}."
    if details.track["has_audio"]:
        return f"Its audio was not decoded on this night: pmrs run audio --date {details.date}."
    return "There is no audio of this track: no spectrogram, no descriptors."


def descriptor_rows(details: TrackDetails) -> list[Row]:
    """Return a row per scalar descriptor: `name`, `display_name`, `value` with its unit, `quantile`."""
    row = details.descriptors or {}
    return [
        {"name": name, "display_name": display_name(name), "value": f"{row[name]:,.{digits}f} {unit}".strip(),
         "quantile": percent(details.quantiles[name])}
        for name, (unit, digits) in UNITS.items() if row
    ]  # fmt: skip


def display_name(column: str) -> str:
    """Return a column's name for the page."""
    return column.replace("_std", " deviation").replace("_", " ")


def strongest_pitches(row: Mapping[str, Any], n: int = 3) -> str:
    """Return the names of the `n` strongest pitch classes, the strongest first."""
    order = np.argsort(-np.array(row["chroma"]), kind="stable")[:n]
    return ", ".join(PITCHES[index] for index in order)
