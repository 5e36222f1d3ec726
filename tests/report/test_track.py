"""The page of a track with and without audio, and its spectrogram."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pyspark.sql import SparkSession

from jobs.context import JobContext, Night
from jobs.errors import LakeError
from jobs.job_config import NoSettings
from jobs.lake.schemas import audio, table
from jobs.report import sound
from jobs.report.track import UNITS, TrackDetails, calibration_note, no_audio_note, read_details, render
from jobs.report_paths import track_file
from jobs.settings import Settings
from jobs.sources.config import load_sources
from models.mel import log_mel
from models.mel_presets import PRESETS
from tests.report.literal import CARD
from tests.report.test_page import read

PRESET = PRESETS["pmrs-4s"]
VECTORS = {column.name: [0.1, 0.9, 0.5] for column in audio.VECTORS}
DESCRIPTORS = {**dict.fromkeys(UNITS, 1.0), "tempo": 127.6, "loudness": -14.25, **VECTORS}
TRACK = {"track_id": "T1", "title": "Song", "artist": "Band", "has_audio": True, "label_genre": "Trance", "terms_genre": None,
         "path": "/a.wav"}  # fmt: skip


def clip(pitch: float = 1_000.0, number: int = 0) -> dict[str, Any]:
    """A row of `mel`: a tone."""
    time = torch.arange(PRESET.clip_samples) / PRESET.sample_rate
    mel = log_mel(torch.sin(2 * torch.pi * pitch * time)[None], PRESET)[0]
    return {
        "preset": PRESET.name,
        "clip": number,
        "start": 4.0 * number,
        "tiled": False,
        "mel": mel.half().numpy().tobytes(),
    }


def details(**other: Any) -> TrackDetails:
    facts: dict[str, Any] = {
        "date": "2026-11-14", "sources": "small", "synthetic": False, "track": TRACK,
        "genre": {"genre": "Rock", "source": "audio_model", "confidence": 0.8},
        "probabilities": [("Trance", 0.2), ("Rock", 0.8)], "predicted": "Rock", "card": CARD,
        "clips": {"seconds": 30.01, "sample_rate": 22_050, "channels": 1}, "audio_error": None, "mels": [clip(), clip(number=1)],
        "descriptors": DESCRIPTORS, "quantiles": dict.fromkeys(UNITS, 0.25), "tags": ("rock", "jazz", "happy"),
        "embeddings": {"patches": 2, "tags": [0.2, 0.71, 0.04], "taggram": [0.3, 0.82, 0.0, 0.1, 0.6, 0.08]},
        "embedding_start": 3.0, "patch_hop": 93,
    }  # fmt: skip
    return TrackDetails(**{**facts, **other})


NO_AUDIO: dict[str, Any] = {
    "clips": None,
    "mels": [],
    "descriptors": None,
    "quantiles": {},
    "embeddings": None,
    "embedding_start": None,
    "predicted": None,
    "card": None,
}
LABELLED: dict[str, Any] = {
    "genre": {"genre": "Trance", "source": "label", "confidence": 1.0},
    "probabilities": [("Trance", 1.0)],
}


def shown(page: str) -> str:
    return " ".join(" ".join(read(page).text).split())


def test_page_has_the_most_probable_tags_and_a_taggram() -> None:
    page = render(details())
    assert "jazz 71 %, rock 20 %, happy 4.0 %." in shown(page)
    assert page.count("<svg") == render(details(embeddings=None, embedding_start=None)).count("<svg") + 1
    assert "means over 2 patches of 3 s" in shown(page)
    assert "Tags" not in shown(render(details(**NO_AUDIO)))


def test_page_of_a_track_with_audio() -> None:
    page = render(details())
    content = shown(page)
    for text in ("Rock , with a probability of 80 %", "the genre model's prediction", "annotators' label Trance",
                 "30.0 s of audio, 22,050 Hz, mono",
                   "tempo 128 beats a minute 25 %", "loudness -14.2 dB", "Strongest pitch classes: C#, D, C",
                   "Calibrated by one temperature, 1.20"):  # fmt: skip
        assert text in content, text
    assert content.index("Rock 80 %") < content.index("Trance 20 %"), "the most probable first"
    assert page.count("data:image/png;base64") == 5, "a picture for each clip, the scale, the taggram and its scale"
    links = [value for _, value in read(page).links]
    assert all(value.startswith(("#", "data:image/png;base64")) for value in links)


def test_page_of_a_track_without_audio_has_no_spectrogram() -> None:
    no_audio = details(**NO_AUDIO, **LABELLED, track={**TRACK, "has_audio": False})
    page = render(no_audio)
    assert "There is no audio of this track" in shown(page)
    assert "the annotators' label, which counts as certain" in shown(page)
    assert "<svg" not in page
    assert "Descriptors" not in page
    assert calibration_note(no_audio) == "", "a label is not calibrated by anything"


def test_no_audio_note_has_reason_or_remedy() -> None:
    assert no_audio_note(details(**NO_AUDIO, audio_error="it is empty")) == "Its audio is unusable: it is empty."
    assert "pmrs run audio --date 2026-11-14" in no_audio_note(details(**NO_AUDIO))


def test_calibration_note_says_whether_the_track_was_in_training() -> None:
    assert "may have been trained on this track" in calibration_note(details())
    assert "held out" in calibration_note(details(track={**TRACK, "track_id": "t1"}))
    assert calibration_note(details(card={**CARD, "calibration": ""})).startswith("Not calibrated")


def test_track_files_are_distinct_and_short() -> None:
    names = {
        track_file(Settings(), "s", "2026-11-14", track_id).name
        for track_id in ("a/b", "a%2Fb", "\u266b" * 90, "\u266b" * 91)
    }
    assert len(names) == 4
    assert all(len(name) < 255 and "/" not in name for name in names)


def test_input_text_is_escaped() -> None:
    bad = "<script>alert(1)</script>"
    page = render(details(track={**TRACK, "title": bad, "artist": bad}, **NO_AUDIO, audio_error=bad))
    assert "<script" not in page
    assert shown(page).count(bad) >= 3


@pytest.mark.parametrize("pitch", [150.0, 1_000.0, 5_000.0])
def test_spectrogram_has_a_tone_at_its_frequency(pitch: float) -> None:
    (level,) = sound.decibels([np.frombuffer(clip(pitch)["mel"], np.float16).reshape(599, 128).astype(np.float64)])
    edges = sound.bin_edges(PRESET)
    loudest = int(level.mean(0).argmax())
    assert edges[loudest - 1] <= pitch <= edges[loudest + 2]
    assert (level.max(), level.min()) == (0.0, sound.MIN_DB)
    assert edges[-1] < PRESET.sample_rate / 2


def test_decibels_of_loud_soft_and_silent_clips() -> None:
    loud, soft = (np.log1p(10_000 * np.full((599, 128), power)) for power in (1.0, 0.01))
    levels = sound.decibels([loud, soft, np.zeros((599, 128))])
    assert [round(float(one.mean()), 6) for one in levels] == [0.0, -20.0, -80.0]
    assert np.isfinite(sound.decibels([np.zeros((599, 128))])[0]).all()


def test_undecodable_audio_has_its_reason(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text('name = "small"\ngenres = "pmrs7"\n[[source]]\nname = "app"\nformat = "app_log"\npath = "/logs"\n')
    ctx = JobContext(Night(dt.date(2026, 11, 14), "r", load_sources(file), settings, spark), "track", NoSettings())
    names = ("ns:bad", "ns:waits")
    rows: dict[str, list[dict[str, Any]]] = {
        "tracks": [{"track_id": name, "has_audio": True, "terms_genre": "Rock", "origin": "audio"} for name in names],
        "track_genres": [{"track_id": name, "genre": "Rock", "confidence": 1.0, "probabilities": [0.0] * 5 + [1.0, 0.0],
                          "source": "terms", "model": None} for name in names],
        "audio_files": [{"track_id": name, "path": f"/{name}.wav", "bytes": 3, "content_hash": name} for name in names],
        "quarantine/mel": [{"source": "audio", "file": "/ns:bad.wav", "rule": "empty", "reason": "it holds no sound"}],
    }  # fmt: skip
    for part, values in rows.items():
        schema = table(part).read_schema
        ctx.write(part, spark.createDataFrame([[row.get(field) for field in schema.names] for row in values], schema))
    ctx.commit()
    bad = read_details(ctx, "ns:bad")
    assert no_audio_note(bad) == "Its audio is unusable: it holds no sound."
    assert "the vote of its artist's terms" in shown(render(bad))
    assert "pmrs run audio" in no_audio_note(read_details(ctx, "ns:waits"))
    with pytest.raises(LakeError, match="did you mean ns:bad"):
        read_details(ctx, "bad")
