"""The page of a track: what is shown where there is audio and where there is none, and that the picture is true."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pyspark.sql import SparkSession

from jobs.context import JobContext, Night
from jobs.errors import LakeError
from jobs.lake.schemas import audio, table
from jobs.report import sound
from jobs.report.track import UNITS, Config, Known, render, trusted, without_sound
from jobs.report.track import known as look_up
from jobs.report_paths import track_file
from jobs.settings import Settings
from jobs.sources.config import load_sources
from models.mel import PRESETS, log_mel
from tests.report.literal import CARD
from tests.report.test_page import read

PRESET = PRESETS["pmrs-4s"]
VECTORS = {column.name: [0.1, 0.9, 0.5] for column in audio.VECTORS}
SOUNDING = {**dict.fromkeys(UNITS, 1.0), "tempo": 127.6, "loudness": -14.25, **VECTORS}
TRACK = {"track_id": "T1", "title": "Song", "artist": "Band", "has_audio": True, "label_genre": "Trance", "terms_genre": None,
         "path": "/a.wav"}  # fmt: skip


def clip(pitch: float = 1_000.0, number: int = 0) -> dict[str, Any]:
    """A row of `mel`: a tone."""
    time = torch.arange(PRESET.clip_samples) / PRESET.sample_rate
    mel = log_mel(torch.sin(2 * torch.pi * pitch * time)[None], PRESET)[0]
    return {"preset": PRESET.name, "clip": number, "start": 4.0 * number, "tiled": False, "mel": mel.half().numpy().tobytes()}


def known(**other: Any) -> Known:
    facts: dict[str, Any] = {
        "date": "2026-11-14", "sources": "small", "synthetic": False, "track": TRACK,
        "genre": {"genre": "Rock", "source": "audio_model", "confidence": 0.8},
        "probabilities": [("Trance", 0.2), ("Rock", 0.8)], "heard": "Rock", "card": CARD,
        "clips": {"seconds": 30.01, "sample_rate": 22_050, "channels": 1}, "refused": None, "pictures": [clip(), clip(number=1)],
        "described": SOUNDING, "among": dict.fromkeys(UNITS, 0.25),
    }  # fmt: skip
    return Known(**{**facts, **other})


SILENT: dict[str, Any] = {"clips": None, "pictures": [], "described": None, "among": {}, "heard": None, "card": None}
LABELLED: dict[str, Any] = {"genre": {"genre": "Trance", "source": "label", "confidence": 1.0}, "probabilities": [("Trance", 1.0)]}


def shown(page: str) -> str:
    return " ".join(" ".join(read(page).shown).split())


def test_a_track_with_audio_shows_its_sound_and_who_says_what() -> None:
    page = render(known())
    told = shown(page)
    for wanted in ("Rock , 80 % sure", "what the genre model hears", "annotators' label Trance", "30.0 s of audio, 22,050 Hz, mono",
                   "tempo 128 beats a minute 25 %", "loudness -14.2 dB", "Strongest pitch classes: C#, D, C",
                   "Calibrated by one temperature, 1.20"):  # fmt: skip
        assert wanted in told, wanted
    assert told.index("Rock 80 %") < told.index("Trance 20 %"), "the most probable first"
    assert page.count("data:image/png;base64") == 3, "a picture for each clip, and the scale"
    links = [value for _, value in read(page).asked]
    assert all(value.startswith(("#", "data:image/png;base64")) for value in links)


def test_a_track_without_audio_says_so_and_has_no_picture() -> None:
    quiet = known(**SILENT, **LABELLED, track={**TRACK, "has_audio": False})
    page = render(quiet)
    assert "No audio of this track is known" in shown(page)
    assert "the annotators' label, which counts as certain" in shown(page)
    assert "<svg" not in page
    assert "Descriptors" not in page
    assert trusted(quiet) == "", "a label is not calibrated by anything"


def test_audio_that_was_refused_tells_why_and_one_that_waits_what_to_do() -> None:
    assert without_sound(known(**SILENT, refused="it is empty")) == "Its audio could not be used: it is empty."
    assert "pmrs run audio --date 2026-11-14" in without_sound(known(**SILENT))


def test_a_model_is_not_taken_at_its_word_on_what_it_learned_from() -> None:
    assert "may have learned from this track" in trusted(known())
    assert "held out" in trusted(known(track={**TRACK, "track_id": "t1"}))
    assert trusted(known(card={**CARD, "calibration": ""})).startswith("Not calibrated")


def test_every_id_has_a_file_of_its_own() -> None:
    names = {track_file(Settings(), "s", "2026-11-14", one).name for one in ("a/b", "a%2Fb", "\u266b" * 90, "\u266b" * 91)}
    assert len(names) == 4
    assert all(len(name) < 255 and "/" not in name for name in names)


def test_what_is_typed_is_shown_and_not_obeyed() -> None:
    bad = "<script>alert(1)</script>"
    page = render(known(track={**TRACK, "title": bad, "artist": bad}, **SILENT, refused=bad))
    assert "<script" not in page
    assert shown(page).count(bad) >= 3


@pytest.mark.parametrize("pitch", [150.0, 1_000.0, 5_000.0])
def test_the_picture_has_a_tone_at_its_frequency(pitch: float) -> None:
    (level,) = sound.decibels([np.frombuffer(clip(pitch)["mel"], np.float16).reshape(599, 128).astype(np.float64)])
    edges = sound.bin_edges(PRESET)
    loudest = int(level.mean(0).argmax())
    assert edges[loudest - 1] <= pitch <= edges[loudest + 2]
    assert (level.max(), level.min()) == (0.0, sound.DEEPEST_DB)
    assert edges[-1] < PRESET.sample_rate / 2


def test_levels_are_those_of_the_sound_and_silence_has_some_too() -> None:
    loud, soft = (np.log1p(10_000 * np.full((599, 128), power)) for power in (1.0, 0.01))
    levels = sound.decibels([loud, soft, np.zeros((599, 128))])
    assert [round(float(one.mean()), 6) for one in levels] == [0.0, -20.0, -80.0]
    assert np.isfinite(sound.decibels([np.zeros((599, 128))])[0]).all()


def test_audio_that_could_not_be_decoded_tells_the_reason(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text('name = "small"\ngenres = "pmrs7"\n[[source]]\nname = "app"\nformat = "app_log"\npath = "/logs"\n')
    ctx = JobContext(Night(dt.date(2026, 11, 14), "r", load_sources(file), settings, spark), "track", Config())
    names = ("ns:bad", "ns:waits")
    rows: dict[str, list[dict[str, Any]]] = {
        "tracks": [{"track_id": name, "has_audio": True, "terms_genre": "Rock", "origin": "audio"} for name in names],
        "track_genres": [{"track_id": name, "genre": "Rock", "confidence": 1.0, "probabilities": [0.0] * 5 + [1.0, 0.0],
                          "source": "terms", "model": None} for name in names],
        "audio_files": [{"track_id": name, "path": f"/{name}.wav", "bytes": 3, "content_hash": name} for name in names],
        "quarantine/mel": [{"source": "audio", "file": "/ns:bad.wav", "rule": "empty", "reason": "it holds no sound"}],
    }  # fmt: skip
    for part, told in rows.items():
        schema = table(part).read_schema
        ctx.write(part, spark.createDataFrame([[row.get(field) for field in schema.names] for row in told], schema))
    ctx.commit()
    bad = look_up(ctx, "ns:bad")
    assert without_sound(bad) == "Its audio could not be used: it holds no sound."
    assert "the vote of its artist's terms" in shown(render(bad))
    assert "pmrs run audio" in without_sound(look_up(ctx, "ns:waits"))
    with pytest.raises(LakeError, match="did you mean ns:bad"):
        look_up(ctx, "bad")
