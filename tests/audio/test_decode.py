"""Files of any kind end well: used, or refused for a reason."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jobs.audio.decode import PIECE, Unusable, check_content, decode
from tests.audio.hostile import BAD, ODD, RATE, tone, unknown_length, wav

MANY = 10**9


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_says_why(name: str, tmp_path: Path) -> None:
    rule, make = BAD[name]
    make(tmp_path / name)
    with pytest.raises(Unusable) as told:
        decode(str(tmp_path / name), RATE, 90.0, MANY)
    assert told.value.rule == rule
    assert str(tmp_path) not in told.value.reason


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_used(name: str, tmp_path: Path) -> None:
    (seconds, rate, channels), make = ODD[name]
    make(tmp_path / name)
    found = decode(str(tmp_path / name), RATE, 90.0, MANY)
    assert (round(found.seconds, 2), found.sample_rate, found.channels) == (seconds, rate, channels)
    assert found.wave.dtype == np.float32
    assert found.wave.shape == (pytest.approx(min(seconds, 90.0) * RATE, abs=RATE // 20),)
    assert np.isfinite(found.wave).all()
    spectrum = np.abs(np.fft.rfft(found.wave[: RATE // 2]))
    assert np.argmax(spectrum) * 2 == pytest.approx(440, abs=4)


def test_only_the_middle_of_a_long_file_is_decoded(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav", np.concatenate([tone(10.0, pitch=200), tone(2.0, pitch=800), tone(10.0, pitch=200)]))
    found = decode(str(tmp_path / "a.wav"), RATE, 2.0, MANY)
    assert found.seconds == 22.0
    assert np.argmax(np.abs(np.fft.rfft(found.wave))) / 2 == pytest.approx(800, abs=4)


@pytest.mark.parametrize("left", [0.3, 0.455])
def test_of_a_file_cut_off_before_its_middle_the_beginning_is_heard(tmp_path: Path, left: float) -> None:
    """Of the 20 s around the middle nothing is left, or a third of a second."""
    path = tmp_path / "a.mp3"
    wav_like = np.concatenate([tone(30.0, pitch=800), tone(90.0, pitch=200)])
    soundfile.write(path, wav_like, RATE)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * left)])
    found = decode(str(path), RATE, 20.0, MANY)
    assert found.begins == 0
    assert found.seconds == pytest.approx(len(found.wave) / RATE) == pytest.approx(20.0, abs=1.0)
    assert np.argmax(np.abs(np.fft.rfft(found.wave[: 2 * RATE]))) / 2 == pytest.approx(800, abs=4)


def test_a_file_that_does_not_know_its_length_is_heard(tmp_path: Path) -> None:
    unknown_length(tmp_path / "a.flac")
    found = decode(str(tmp_path / "a.flac"), RATE, 90.0, MANY)
    assert found.begins == 0
    assert found.seconds == len(found.wave) / RATE == pytest.approx(3.0, abs=PIECE / RATE)


def test_many_channels_are_heard_shorter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.audio.decode.MOST_SAMPLES", 6 * RATE)
    wav(tmp_path / "six.wav", tone(4.0, channels=6))
    found = decode(str(tmp_path / "six.wav"), RATE, 90.0, MANY)
    assert (len(found.wave), found.begins, found.seconds) == (RATE, 1.5, 4.0)


def test_large_missing_and_exchanged_files_are_refused(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav", tone(1.0))
    with pytest.raises(Unusable, match="44144 bytes; files over 1000 bytes"):
        decode(str(tmp_path / "a.wav"), RATE, 90.0, 1_000)
    with pytest.raises(Unusable, match="No such file"):
        decode(str(tmp_path / "b.wav"), RATE, 90.0, MANY)
    check_content(str(tmp_path / "a.wav"), hashlib.sha256((tmp_path / "a.wav").read_bytes()).hexdigest())
    with pytest.raises(Unusable, match="not those that were ingested"):
        check_content(str(tmp_path / "a.wav"), "0" * 64)
    with pytest.raises(Unusable, match="No such file"):
        check_content(str(tmp_path / "b.wav"), "0" * 64)
