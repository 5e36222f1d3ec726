"""The job `mel` over nights: what is new is decoded, once; what is bad is told of; equal content is recognised."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jobs.audio import mel
from jobs.audio.decode import decode
from jobs.context import JobContext
from jobs.errors import LakeError, SourceError
from jobs.lake.partitions import Partitions
from models.mel import log_mel, preset
from tests.audio.conftest import DAY, Ingested
from tests.audio.hostile import BAD, ODD, tone, wav

CONFIG = mel.Config(presets=("pmrs-4s",), clips=2, max_seconds=20.0)
Begun = Callable[..., JobContext]


@pytest.fixture
def begun(ingested: Ingested) -> Begun:
    """The job on the night `days` after the first, with these audio files (track -> path) ingested."""

    def night(files: dict[str, Path], days: int = 0, config: mel.Config = CONFIG, force: bool = False) -> JobContext:
        return JobContext(ingested(files, days), "mel", config, force=force)

    return night


def ran(ctx: JobContext) -> dict[str, int]:
    """Run and commit; rows written, by table."""
    mel.run(ctx)
    return {manifest.table: manifest.rows for manifest in ctx.commit()}


def sounds(folder: Path, *names: str) -> dict[str, Path]:
    """A file of 9 s for each name, of another pitch each."""
    for number, name in enumerate(names):
        wav(folder / f"{name}.wav", tone(9.0, pitch=200.0 + 100 * number + len(name)))
    return {name: folder / f"{name}.wav" for name in names}


def test_a_service_without_audio_has_nights_too(begun: Begun) -> None:
    assert ran(begun({})) == {"quarantine/mel": 0, "track_clips": 0}


def test_a_night_that_was_not_ingested_is_said_so(begun: Begun) -> None:
    ctx = begun({})
    ctx.night.date = DAY + dt.timedelta(1)
    with pytest.raises(LakeError, match="Table tracks has nothing for 2026-11-15; run `pmrs run catalogue"):
        mel.run(ctx)


def test_clips_are_those_of_the_front_end(begun: Begun, tmp_path: Path) -> None:
    ctx = begun(sounds(tmp_path, "a"))
    assert ran(ctx) == {"mel": 2, "audio_status/mel": 1, "quarantine/mel": 0, "track_clips": 1}
    (told,) = ctx.read("track_clips").collect()
    assert (told["track_id"], told["seconds"], told["sample_rate"], told["channels"], told["clips"]) == ("a", 9.0, 22_050, 1, 2)
    rows = ctx.read("mel", Partitions.CACHE).orderBy("clip").collect()
    assert {row["producer_version"] for row in rows} == {told["producer_version"]}
    shape = preset("pmrs-4s")
    wave = decode(str(tmp_path / "a.wav"), 22_050, 20.0, 10**9).wave
    for row in rows:
        begin = round(row["start"] * 22_050)
        clip = torch.from_numpy(wave[begin : begin + shape.clip_samples])[None]
        found = np.frombuffer(row["mel"], np.float16).reshape(599, 128).astype(np.float32)
        np.testing.assert_allclose(found, log_mel(clip, shape)[0].numpy(), atol=0.02)


def test_a_second_night_decodes_what_is_new_and_nothing_else(begun: Begun, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a", "b")
    ran(begun(files))
    assert ran(begun(files, 1)) == {"quarantine/mel": 0, "track_clips": 2}
    renamed = tmp_path / "renamed.wav"
    files["b"].rename(renamed)
    third = begun({"c": renamed, "d": renamed, **sounds(tmp_path, "ee")}, 2)
    assert ran(third) == {"mel": 2, "audio_status/mel": 1, "quarantine/mel": 0, "track_clips": 3}
    clips = third.read("track_clips").join(third.read("mel", Partitions.CACHE), ["content_hash", "producer_version"])
    assert {row["track_id"]: row["n"] for row in clips.groupBy("track_id").agg({"*": "count"}).toDF("track_id", "n").collect()} == {
        "c": 2, "d": 2, "ee": 2,
    }  # fmt: skip


def test_a_rerun_with_another_file_keeps_what_the_first_run_decoded(begun: Begun, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a")
    ran(begun(files))
    assert ran(begun(files | sounds(tmp_path, "a", "bb")))["mel"] == 4
    forced = begun(files, force=True)
    assert ran(forced)["mel"] == 2
    assert forced.read("mel", Partitions.CACHE).select("content_hash").distinct().count() == 1


def test_other_settings_decode_anew(begun: Begun, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a")
    ran(begun(files))
    other = begun(files, 1, replace(CONFIG, choice="random", clips=3))
    assert ran(other)["mel"] == 3
    assert other.read("mel", Partitions.CACHE).count() == 5
    assert other.read("track_clips").join(other.read("mel", Partitions.CACHE), ["content_hash", "producer_version"]).count() == 3


def test_content_that_two_nights_decoded_counts_once(begun: Begun, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a")
    beside = begun(files, 1)
    mel.run(beside)  # begun before the other night has committed
    ran(begun(files))
    beside.commit()
    assert beside.read("mel", Partitions.CACHE).count() == 2
    assert ran(begun(files, 2))["track_clips"] == 1


def test_bad_files_are_told_of_and_never_hurt_their_neighbours(
    begun: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.audio.by_content.QUARANTINE_LIMIT", 0.9)
    for name, (_, make) in {**BAD, **ODD}.items():
        make(tmp_path / name)
    files = {Path(name).stem: tmp_path / name for name in (*BAD, *ODD)}
    ctx = begun(files)
    gone = files["silent"]
    gone.unlink()
    written = ran(ctx)
    bad = {Path(row["file"]).name: row["rule"] for row in ctx.read("quarantine/mel").collect()}
    # a file that went meanwhile may be back tomorrow: nothing is kept of it
    assert bad == {name: rule for name, (rule, _) in BAD.items()} | {"silent.wav": "unreadable"}
    assert written["audio_status/mel"] == len(BAD) + len(ODD) - 1
    assert {row["track_id"] for row in ctx.read("track_clips").collect()} == {Path(name).stem for name in ODD}
    BAD["silent.wav"][1](gone)
    again = begun(files, 1)
    assert ran(again)["audio_status/mel"] == 1
    assert again.read("quarantine/mel").count() == len(BAD)


def test_too_many_bad_files_stop_the_night(begun: Begun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.mp3").write_text("no music")
    alone = {"text": tmp_path / "text.mp3"}
    told = r"1 of {} audio files are unusable, more than 5%; the first is .*text\.mp3: no audio that libsndfile"
    with pytest.raises(SourceError, match=told.format(1)):
        mel.run(begun(alone))
    beside = alone | sounds(tmp_path, "a")
    assert ran(begun(beside))["quarantine/mel"] == 1, "a small folder with one bad file is no bad feed"
    monkeypatch.setattr("jobs.audio.by_content.QUARANTINE_DAY_LINES", 0)
    with pytest.raises(SourceError, match=told.format(2)):
        mel.run(begun(beside, 1))


def test_what_a_file_may_cost_is_no_reason_to_hear_it_again(begun: Begun, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a", "b")
    wav(files["b"], tone(15.0))
    first = begun(files, config=replace(CONFIG, max_bytes=500_000))
    assert ran(first) == {"mel": 2, "audio_status/mel": 1, "quarantine/mel": 1, "track_clips": 1}
    later = begun(files, 1, replace(CONFIG, max_bytes=10**9, file_seconds=120.0))
    assert ran(later) == {"mel": 2, "audio_status/mel": 1, "quarantine/mel": 0, "track_clips": 2}


@pytest.mark.parametrize(
    "wrong", [{"presets": ()}, {"presets": ("pmrs-4",)}, {"choice": "middel"}, {"clips": 0}, {"max_seconds": 0.0}]
)
def test_settings_by_which_nothing_is_heard_are_refused(begun: Begun, wrong: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match=rf"{next(iter(wrong))} = .* under \[jobs\.mel\] cannot be; presets are pmrs-4s, spoti"):
        mel.run(begun({}, config=replace(CONFIG, **wrong)))
