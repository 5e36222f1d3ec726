"""Write the catalogue in the Million Song Dataset's own formats."""

from pathlib import Path

import h5py
import numpy as np

from jobs.sample.app_log import Garbage
from jobs.sample.audio_plan import AudioPlan
from jobs.sample.catalogue import Artist, Catalogue, Track
from jobs.sample.config import GENRES, SampleConfig
from jobs.sample.msd_layout import ANALYSIS, METADATA, MUSICBRAINZ
from jobs.sample.text_files import write_lines

SEP = "<SEP>"


def write_msd(out: Path, cfg: SampleConfig, catalogue: Catalogue, plan: AudioPlan) -> list[Garbage]:
    """Write all files below `msd/`; return the positions of their garbage."""
    write_summary(out / "msd" / "summary.h5", catalogue.tracks)
    write_mismatches(out / "msd" / "sid_mismatches.txt", catalogue)
    write_artists(out / "msd", catalogue)
    return write_unique_tracks(out, cfg, catalogue) + write_genres(out, cfg, catalogue, plan)


def latin1(track: Track) -> bool:
    """Return true for the few lines that are written in ISO 8859-1, as some of the real file are."""
    text = f"{track.artist.name}{track.title}"
    fits = all(ord(letter) < 256 for letter in text)
    return fits and not text.isascii() and int(track.track_id[-2:], 16) < 8


def write_unique_tracks(out: Path, cfg: SampleConfig, catalogue: Catalogue) -> list[Garbage]:
    """Write `track<SEP>song<SEP>artist<SEP>title`, a few lines in latin-1, a few broken."""
    rng = cfg.rng(12)
    lines = []
    for track in catalogue.tracks:
        text = SEP.join((track.track_id, track.song_id, track.artist.name, track.title))
        lines.append(text.encode("latin-1" if latin1(track) else "utf-8"))
    first_track = catalogue.tracks[0]
    bad = [
        ("missing_fields", f"{first_track.track_id}{SEP}{first_track.song_id}".encode()),
        ("bad_track_id", f"TRACK-17{SEP}{first_track.song_id}{SEP}Nobody{SEP}Nothing".encode()),
        ("bad_track_id", SEP.join(("", first_track.song_id, "Nobody", "Nothing")).encode()),
    ]
    return write_lines(out, "msd/unique_tracks.txt", lines, bad, rng)


def write_mismatches(path: Path, catalogue: Catalogue) -> None:
    """Write the published form: `ERROR: <song track> name of the song  !=  name of the track`."""
    other = catalogue.tracks
    lines = []
    for n, track in enumerate(catalogue.mismatched):
        meant = other[n]
        lines.append(
            f"ERROR: <{track.song_id} {track.track_id}> {meant.artist.name}  -  {meant.title}"
            f"  !=  {track.artist.name}  -  {track.title}\n"
        )
    path.write_text("".join(lines), encoding="utf-8")


def write_artists(folder: Path, catalogue: Catalogue) -> None:
    """Write `unique_artists.txt` and `artist_term.csv` (terms of several words in quotes), sorted by artist."""
    first: dict[str, str] = {}
    for track in catalogue.tracks:
        first.setdefault(track.artist.artist_id, track.track_id)
    unique, terms = [], []
    for artist in sorted(catalogue.artists, key=lambda a: a.artist_id):
        unique.append(SEP.join((artist.artist_id, artist.mbid, first[artist.artist_id], artist.name)))
        for term in artist.terms:
            terms.append(f"{artist.artist_id}," + (f'"{term}"' if " " in term else term))
    (folder / "unique_artists.txt").write_text("\n".join(unique) + "\n", encoding="utf-8")
    (folder / "artist_term.csv").write_text("\n".join(terms) + "\n", encoding="utf-8")


def write_genres(out: Path, cfg: SampleConfig, catalogue: Catalogue, plan: AudioPlan) -> list[Garbage]:
    """Write labels of the audio that is not held out, and of half the other tracks; a tenth has a second label."""
    rng = cfg.rng(13)
    with_audio = {file.track_id for file in plan.files}
    lines = [b"# genre labels of the sample: track, genre, and sometimes a second genre", b"#"]
    for track in sorted(catalogue.tracks, key=lambda t: t.track_id):
        has_label, second = rng.random() < 0.5, rng.random() < 0.1
        other_genre = GENRES[rng.integers(len(GENRES))]
        if track.track_id in plan.held_out or (track.track_id not in with_audio and not has_label):
            continue
        genre = track.artist.genre
        extra = f"\t{other_genre}" if second and other_genre != genre else ""
        lines.append(f"{track.track_id}\t{genre}{extra}".encode())
    bad = [("missing_fields", b"TRAAAAA128F00000000"), ("bad_track_id", b"no track\tRock")]
    return write_lines(out, "msd/genres.cls", lines, bad, rng, header=2)


def write_summary(path: Path, tracks: list[Track]) -> None:
    """Write an MSD summary file: a row per track in each of three compound tables, with real names and types."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = np.zeros(len(tracks), dtype=METADATA)
    analysis = np.zeros(len(tracks), dtype=ANALYSIS)
    years = np.zeros(len(tracks), dtype=MUSICBRAINZ)
    for row, track in enumerate(tracks):
        for name, value in (metadata_values(track) | artist_values(track.artist)).items():
            metadata[row][name] = value
        for name, value in analysis_values(track).items():
            analysis[row][name] = value
        years[row]["year"] = track.year
    with h5py.File(path, "w") as file:
        for group, table in (("metadata", metadata), ("analysis", analysis), ("musicbrainz", years)):
            file.create_group(group).create_dataset("songs", data=table, compression="gzip", shuffle=True)


def metadata_values(track: Track) -> dict[str, object]:
    """Return the fields of the song in `metadata/songs`."""
    return {
        "release": track.release.encode(),
        "title": track.title.encode(),
        "song_id": track.song_id.encode(),
        "song_hotttnesss": track.artist.hotness if track.year else np.nan,
    }


def artist_values(artist: Artist) -> dict[str, object]:
    """Return the fields of the artist in `metadata/songs`; locations have no coordinates, like half of those in the
    MSD.
    """
    return {
        "artist_id": artist.artist_id.encode(),
        "artist_mbid": artist.mbid.encode(),
        "artist_name": artist.name.encode(),
        "artist_location": artist.location.encode(),
        "artist_latitude": np.nan,
        "artist_longitude": np.nan,
        "artist_familiarity": round(0.3 + 0.6 * artist.hotness, 6),
        "artist_hotttnesss": artist.hotness,
    }


def analysis_values(track: Track) -> dict[str, object]:
    """Return the fields of `analysis/songs`."""
    return {
        "analysis_sample_rate": 22_050,
        "duration": track.seconds,
        "key": track.key,
        "key_confidence": 0.5,
        "loudness": track.loudness,
        "mode": track.key % 2,
        "mode_confidence": 0.5,
        "start_of_fade_out": track.seconds - 5,
        "tempo": track.tempo,
        "time_signature": 4,
        "time_signature_confidence": 0.8,
        "track_id": track.track_id.encode(),
    }
