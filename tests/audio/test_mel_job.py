"""The job `mel` over several nights: new contents are decoded once, bad files are quarantined, equal contents are
recognized.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jobs.audio import mel
from jobs.audio.config import MelConfig
from jobs.audio.decode import decode
from jobs.context import JobContext
from jobs.errors import LakeError, SourceError
from jobs.job_config import build_config
from jobs.lake.partitions import Partitions
from models.mel import log_mel
from models.mel_presets import preset
from tests.audio.conftest import DAY, Ingested
from tests.audio.hostile import BAD, UNUSUAL, tone, wav

CONFIG = MelConfig(presets=("pmrs-4s",), clips=2, max_seconds=20.0)
MakeContext = Callable[..., JobContext]


@pytest.fixture
def make_context(ingested: Ingested) -> MakeContext:
    """Return a function that makes the job's context on the night `days` after the first, with these audio files (track
    -> path).
    """

    def night(files: dict[str, Path], days: int = 0, config: MelConfig = CONFIG, force: bool = False) -> JobContext:
        return JobContext(ingested(files, days), "mel", config, force=force)

    return night


def run_and_commit(ctx: JobContext) -> dict[str, int]:
    """Run and commit; return the rows written by table."""
    mel.run(ctx)
    return {manifest.table: manifest.rows for manifest in ctx.commit()}


def sounds(folder: Path, *names: str) -> dict[str, Path]:
    """Write a file of 9 s for each name, each with another pitch."""
    for number, name in enumerate(names):
        wav(folder / f"{name}.wav", tone(9.0, pitch=200.0 + 100 * number + len(name)))
    return {name: folder / f"{name}.wav" for name in names}


def test_mel_without_audio_files_writes_empty_tables(make_context: MakeContext) -> None:
    assert run_and_commit(make_context({})) == {"quarantine/mel": 0, "track_clips": 0}


def test_mel_before_ingest_raises(make_context: MakeContext) -> None:
    ctx = make_context({})
    ctx.night.date = DAY + dt.timedelta(1)
    with pytest.raises(LakeError, match="Table tracks has no partition for 2026-11-15; run `pmrs run catalogue"):
        mel.run(ctx)


def test_clips_equal_those_of_the_front_end(make_context: MakeContext, tmp_path: Path) -> None:
    ctx = make_context(sounds(tmp_path, "a"))
    assert run_and_commit(ctx) == {"mel": 2, "audio_status/mel": 1, "quarantine/mel": 0, "track_clips": 1}
    (track,) = ctx.read("track_clips").collect()
    assert (track["track_id"], track["seconds"], track["sample_rate"], track["channels"], track["clips"]) == (
        "a",
        9.0,
        22_050,
        1,
        2,
    )
    rows = ctx.read("mel", Partitions.CACHE).orderBy("clip").collect()
    assert {row["producer_version"] for row in rows} == {track["producer_version"]}
    shape = preset("pmrs-4s")
    wave = decode(str(tmp_path / "a.wav"), 22_050, 20.0, 10**9).wave
    for row in rows:
        begin = round(row["start"] * 22_050)
        clip = torch.from_numpy(wave[begin : begin + shape.clip_samples])[None]
        stored = np.frombuffer(row["mel"], np.float16).reshape(599, 128).astype(np.float32)
        np.testing.assert_allclose(stored, log_mel(clip, shape)[0].numpy(), atol=0.02)


def test_a_second_night_decodes_only_new_contents(make_context: MakeContext, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a", "b")
    run_and_commit(make_context(files))
    assert run_and_commit(make_context(files, 1)) == {"quarantine/mel": 0, "track_clips": 2}
    renamed = tmp_path / "renamed.wav"
    files["b"].rename(renamed)
    third = make_context({"c": renamed, "d": renamed, **sounds(tmp_path, "ee")}, 2)
    assert run_and_commit(third) == {"mel": 2, "audio_status/mel": 1, "quarantine/mel": 0, "track_clips": 3}
    clips = third.read("track_clips").join(third.read("mel", Partitions.CACHE), ["content_hash", "producer_version"])
    assert {row["track_id"]: row["n"] for row in clips.groupBy("track_id").agg({"*": "count"}).toDF("track_id", "n").collect()} == {
        "c": 2, "d": 2, "ee": 2,
    }  # fmt: skip


def test_a_rerun_with_a_new_file_reuses_stored_clips(make_context: MakeContext, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a")
    run_and_commit(make_context(files))
    assert run_and_commit(make_context(files | sounds(tmp_path, "a", "bb")))["mel"] == 4
    forced = make_context(files, force=True)
    assert run_and_commit(forced)["mel"] == 2
    assert forced.read("mel", Partitions.CACHE).select("content_hash").distinct().count() == 1


def test_other_settings_decode_again(make_context: MakeContext, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a")
    run_and_commit(make_context(files))
    other = make_context(files, 1, replace(CONFIG, choice="random", clips=3))
    assert run_and_commit(other)["mel"] == 3
    assert other.read("mel", Partitions.CACHE).count() == 5
    assert (
        other.read("track_clips")
        .join(other.read("mel", Partitions.CACHE), ["content_hash", "producer_version"])
        .count()
        == 3
    )


def test_content_decoded_by_two_nights_counts_once(make_context: MakeContext, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a")
    both = make_context(files, 1)
    mel.run(both)  # begun before the other night has committed
    run_and_commit(make_context(files))
    both.commit()
    assert both.read("mel", Partitions.CACHE).count() == 2
    assert run_and_commit(make_context(files, 2))["track_clips"] == 1


def test_bad_files_are_quarantined_and_others_are_used(
    make_context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.audio.extraction.QUARANTINE_LIMIT", 0.9)
    for name, (_, make) in {**BAD, **UNUSUAL}.items():
        make(tmp_path / name)
    files = {Path(name).stem: tmp_path / name for name in (*BAD, *UNUSUAL)}
    ctx = make_context(files)
    missing = files["silent"]
    missing.unlink()
    written = run_and_commit(ctx)
    bad = {Path(row["file"]).name: row["rule"] for row in ctx.read("quarantine/mel").collect()}
    # a file that went meanwhile may be back tomorrow: nothing is kept of it
    assert bad == {name: rule for name, (rule, _) in BAD.items()} | {"silent.wav": "unreadable"}
    assert written["audio_status/mel"] == len(BAD) + len(UNUSUAL) - 1
    assert {row["track_id"] for row in ctx.read("track_clips").collect()} == {Path(name).stem for name in UNUSUAL}
    BAD["silent.wav"][1](missing)
    again = make_context(files, 1)
    assert run_and_commit(again)["audio_status/mel"] == 1
    assert again.read("quarantine/mel").count() == len(BAD)


def test_too_many_bad_files_stop_the_night(
    make_context: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.mp3").write_text("no music")
    alone = {"text": tmp_path / "text.mp3"}
    message = r"1 of {} audio files are unusable, more than 5%; the first is .*text\.mp3: no audio that libsndfile"
    with pytest.raises(SourceError, match=message.format(1)):
        mel.run(make_context(alone))
    both = alone | sounds(tmp_path, "a")
    assert run_and_commit(make_context(both))["quarantine/mel"] == 1, "a small folder with one bad file is no bad feed"
    monkeypatch.setattr("jobs.audio.extraction.QUARANTINE_DAY_LINES", 0)
    with pytest.raises(SourceError, match=message.format(2)):
        mel.run(make_context(both, 1))


def test_other_cost_limits_decode_nothing_again(make_context: MakeContext, tmp_path: Path) -> None:
    files = sounds(tmp_path, "a", "b")
    wav(files["b"], tone(15.0))
    first = make_context(files, config=replace(CONFIG, max_bytes=500_000))
    assert run_and_commit(first) == {"mel": 2, "audio_status/mel": 1, "quarantine/mel": 1, "track_clips": 1}
    later = make_context(files, 1, replace(CONFIG, max_bytes=10**9, file_seconds=120.0))
    assert run_and_commit(later) == {"mel": 2, "audio_status/mel": 1, "quarantine/mel": 0, "track_clips": 2}


@pytest.mark.parametrize(
    "wrong", [{"presets": []}, {"presets": ["pmrs-4"]}, {"choice": "middel"}, {"clips": 0}, {"max_seconds": 0.0}]
)
def test_invalid_settings_raise(wrong: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match=rf"^\[jobs\.mel\]: {next(iter(wrong))} "):
        build_config(MelConfig, wrong, "[jobs.mel]")
