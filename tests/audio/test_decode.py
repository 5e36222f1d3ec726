"""Decoding of files of any kind: samples, or an error with the reason."""

import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jobs.audio.config import MelConfig
from jobs.audio.decode import BLOCK_FRAMES, UnusableAudio, check_content, decode
from jobs.audio.mel_clips import extract_clips
from models.mel_presets import PRESETS
from tests.audio.hostile import BAD, RATE, UNUSUAL, tone, unknown_length, wav

MANY = 10**9


@pytest.mark.parametrize("name", BAD)
def test_unusable_audio_raises_with_the_reason(name: str, tmp_path: Path) -> None:
    rule, make = BAD[name]
    make(tmp_path / name)
    with pytest.raises(UnusableAudio) as error:
        decode(str(tmp_path / name), RATE, 90.0, MANY)
    assert error.value.rule == rule
    assert str(tmp_path) not in error.value.reason


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_files_are_decoded(name: str, tmp_path: Path) -> None:
    (seconds, rate, channels), make = UNUSUAL[name]
    make(tmp_path / name)
    decoded = decode(str(tmp_path / name), RATE, 90.0, MANY)
    assert (round(decoded.seconds, 2), decoded.sample_rate, decoded.channels) == (seconds, rate, channels)
    assert decoded.wave.dtype == np.float32
    assert decoded.wave.shape == (pytest.approx(min(seconds, 90.0) * RATE, abs=RATE // 20),)
    assert np.isfinite(decoded.wave).all()
    spectrum = np.abs(np.fft.rfft(decoded.wave[: RATE // 2]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)


def test_without_a_sample_rate_the_samples_are_those_of_the_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16_000, subtype="FLOAT")
    decoded = decode(str(tmp_path / "a.wav"), None, 90.0, MANY)
    assert decoded.sample_rate == 16_000
    np.testing.assert_array_equal(decoded.wave, tone(1.0).astype(np.float32).ravel())


def test_only_the_middle_of_a_long_file_is_decoded(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav", np.concatenate([tone(10.0, pitch=200), tone(2.0, pitch=800), tone(10.0, pitch=200)]))
    decoded = decode(str(tmp_path / "a.wav"), RATE, 2.0, MANY)
    assert decoded.seconds == 22.0
    assert np.argmax(np.abs(np.fft.rfft(decoded.wave))) / 2 == pytest.approx(800, abs=4)


@pytest.mark.parametrize("left", [0.3, 0.455])
def test_a_file_truncated_before_its_middle_is_decoded_from_the_beginning(tmp_path: Path, left: float) -> None:
    """Nothing, or a third of a second, is left of the 20 s around the middle."""
    path = tmp_path / "a.mp3"
    wav_like = np.concatenate([tone(30.0, pitch=800), tone(90.0, pitch=200)])
    soundfile.write(path, wav_like, RATE)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * left)])
    decoded = decode(str(path), RATE, 20.0, MANY)
    assert decoded.start_s == 0
    assert decoded.seconds == pytest.approx(len(decoded.wave) / RATE) == pytest.approx(20.0, abs=1.0)
    assert np.argmax(np.abs(np.fft.rfft(decoded.wave[: 2 * RATE]))) / 2 == pytest.approx(800, abs=4)


def test_a_file_of_unknown_length_is_decoded(tmp_path: Path) -> None:
    unknown_length(tmp_path / "a.flac")
    decoded = decode(str(tmp_path / "a.flac"), RATE, 90.0, MANY)
    assert decoded.start_s == 0
    assert decoded.seconds == len(decoded.wave) / RATE == pytest.approx(3.0, abs=BLOCK_FRAMES / RATE)


@pytest.mark.slow
def test_ten_hours_cost_no_more_memory_than_their_middle(tmp_path: Path) -> None:
    """288 million samples; the middle 90 s have another pitch. The presets need 45 MB of samples at most."""
    path, rate, minute = tmp_path / "a.flac", 8_000, tone(60.0, 8_000, pitch=200)
    with soundfile.SoundFile(path, "w", rate, 1, format="FLAC") as file:
        for block in [minute] * 299 + [tone(120.0, rate, pitch=800)] + [minute] * 299:
            file.write(block)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    tracemalloc.start()
    facts, rows = extract_clips({"path": str(path), "content_hash": content}, MelConfig())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts == {"seconds": 36_000.0, "sample_rate": rate, "channels": 1}
    assert {row["preset"] for row in rows} == set(PRESETS)
    assert all(17_955 <= row["start"] <= 18_045 for row in rows)
    assert np.argmax(np.abs(np.fft.rfft(decode(str(path), None, 90.0, MANY).wave[:rate]))) == pytest.approx(800, abs=2)
    assert peak < 100_000_000, "samples of ten hours would take 1.2 GB"


def test_a_file_with_many_channels_is_decoded_for_less_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.audio.decode.MAX_SAMPLES", 6 * RATE)
    wav(tmp_path / "six.wav", tone(4.0, channels=6))
    decoded = decode(str(tmp_path / "six.wav"), RATE, 90.0, MANY)
    assert (len(decoded.wave), decoded.start_s, decoded.seconds) == (RATE, 1.5, 4.0)


def test_large_missing_and_replaced_files_raise(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav", tone(1.0))
    with pytest.raises(UnusableAudio, match="44144 bytes; files over 1000 bytes"):
        decode(str(tmp_path / "a.wav"), RATE, 90.0, 1_000)
    with pytest.raises(UnusableAudio, match="No such file"):
        decode(str(tmp_path / "b.wav"), RATE, 90.0, MANY)
    check_content(str(tmp_path / "a.wav"), hashlib.sha256((tmp_path / "a.wav").read_bytes()).hexdigest())
    with pytest.raises(UnusableAudio, match="not those that were ingested"):
        check_content(str(tmp_path / "a.wav"), "0" * 64)
    with pytest.raises(UnusableAudio, match="No such file"):
        check_content(str(tmp_path / "b.wav"), "0" * 64)
