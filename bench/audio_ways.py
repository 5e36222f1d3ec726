"""One way to hear per process: `python -m bench.audio_ways WAY`, on one core; prints one line of JSON with its seconds.

`mel_*`: 4 s clips in memory to log-mel. `files_*`: music files to clips of both presets. `score_*`: clips to genres.
What is compiled or loaded once is done before the clock starts.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from bench.harness import WORK
from jobs.audio import mel
from jobs.audio.clip_positions import clip_starts
from jobs.audio.config import MelConfig
from jobs.audio.decode import mix_to_mono
from jobs.genre import score
from jobs.genre.config import GenreScoreConfig
from jobs.genre.model import GenreModel
from jobs.lake.model_registry import RegisteredModel
from jobs.settings import Settings
from jobs.spark import rows_per_batch, session
from models.clip_network import predict
from models.genre_cnn import GenreCNN, GenreCNNConfig
from models.genre_networks import make_config, to_bytes, to_card
from models.mel import COMPRESSION, log_mel
from models.mel_presets import PRESETS, MelPreset

FILES, SECONDS, RATE = 48, 30, 44_100
"""Music files: stereo MP3, as previews are."""
CLIPS = 960
"""Clips in memory."""
BATCH = 8
PASSES = 2
"""Times that each file is heard: one pass takes two seconds."""
SCORED = 2_048
"""Clips that the genre network hears."""
FOUR = PRESETS["pmrs-4s"]


def music() -> list[Path]:
    """FILES synthetic pieces: notes, beats and noise, seeded."""
    folder = WORK / "music"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{number:03d}.mp3" for number in range(FILES)]
    time_of = np.arange(SECONDS * RATE) / RATE
    for number, path in enumerate(files):
        if path.exists():
            continue
        rng = np.random.default_rng(number)
        wave = 0.02 * rng.normal(size=(time_of.size, 2))
        for pitch, beat in zip(rng.uniform(80, 4_000, 12), rng.uniform(0.2, 2.0, 12), strict=True):
            wave += 0.06 * (np.sin(2 * np.pi * pitch * time_of) * np.exp(-6 * (time_of % beat)))[:, None]
        soundfile.write(path, wave, RATE)
    return files


def waves() -> NDArray[np.float32]:
    """[CLIPS, samples] of 4 s, seeded."""
    return np.random.default_rng(1).normal(size=(CLIPS, FOUR.clip_samples)).astype(np.float32) * 0.1


def mel_ours() -> dict[str, float]:
    """models/mel.py, a batch at a time."""
    clips = torch.from_numpy(waves())
    log_mel(clips[:1], FOUR)
    parts = [clips[begin : begin + BATCH] for begin in range(0, CLIPS, BATCH)]
    return timed(lambda: each(lambda part: log_mel(part, FOUR), parts), CLIPS)


def mel_librosa() -> dict[str, float]:
    """Run the plain loop."""
    clips = waves()

    def one(wave: NDArray[np.float32]) -> NDArray[np.float32]:
        power = librosa.feature.melspectrogram(
            y=wave, sr=FOUR.sample_rate, n_fft=FOUR.n_fft, hop_length=FOUR.hop, n_mels=FOUR.n_mels
        )
        return np.asarray(np.log1p(COMPRESSION * power), np.float32)

    one(clips[0])
    return timed(lambda: each(one, clips), CLIPS)


def files_ours() -> dict[str, float]:
    """Run the work of the job `mel` for both presets."""
    config = MelConfig()
    files = [{"path": str(path), "content_hash": sha256(path.read_bytes()).hexdigest()} for path in music()]
    mel.extract_clips(files[0], config)
    return timed(lambda: each(lambda file: mel.extract_clips(file, config), files * PASSES), FILES * PASSES)


def files_floor() -> dict[str, float]:
    """Read, mix and resample, then compute the bare FFT of the clips' frames."""
    files, config = music(), MelConfig()

    def decoded(path: Path) -> NDArray[np.float32]:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return np.asarray(soxr.resample(mix_to_mono(wave), rate, FOUR.sample_rate, quality="HQ"), np.float32)

    many = decoded(files[0]).size
    frames = [_frames(preset, many, config) for preset in PRESETS.values()]
    [torch.fft.rfft(part) for part in frames]
    many_files = files * PASSES
    decoding = timed(lambda: each(decoded, many_files), len(many_files))
    transforming = timed(lambda: each(lambda _: each(torch.fft.rfft, frames), many_files), len(many_files))
    seconds = decoding["seconds"] + transforming["seconds"]
    return {"seconds": seconds, "a_second": len(many_files) / seconds}


def _frames(preset: MelPreset, samples: int, config: MelConfig) -> torch.Tensor:
    """Windows [clips x frames, n_fft] as the clips of a file have them."""
    clips = len(clip_starts(samples, preset.clip_samples, config.clips, config.choice, ""))
    return torch.randn(clips * preset.frames, preset.n_fft)


def untrained_network() -> tuple[GenreCNN, NDArray[np.float16]]:
    """Return the untrained network and SCORED random clips."""
    network = GenreCNN(GenreCNNConfig()).eval()
    return network, np.random.default_rng(2).uniform(0, 20, (SCORED, 599, 128)).astype(np.float16)


def score_torch() -> dict[str, float]:
    """Run the network on batches of Spark's size."""
    network, mels = untrained_network()
    predict(network, mels[:32], 32)
    return timed(lambda: predict(network, mels, GenreScoreConfig().batch), SCORED)


def score_spark() -> dict[str, float]:
    """Score as the job does: read Parquet, run batches, average over the clips of a content, write."""
    network, mels = untrained_network()
    spark = session("bench", Settings(var=WORK, master="local[1]", driver_memory="4g"))
    output = str(WORK / "scored.parquet")
    rows = [(f"{number // 4:06d}", number % 4, bytearray(clip.tobytes())) for number, clip in enumerate(mels)]
    spark.createDataFrame(rows, "content_hash string, clip int, mel binary").write.mode("overwrite").parquet(output)
    card: dict[str, Any] = {"network": to_card(make_config("genre_cnn"))}
    model = GenreModel(RegisteredModel("", card, to_bytes(network)), tuple("abcdefg"), FOUR.name)
    clips = spark.read.parquet(output)

    def once() -> None:
        with rows_per_batch(spark, GenreScoreConfig().batch):
            score.build_scores(clips, model, GenreScoreConfig()).write.format("noop").mode("overwrite").save()

    for _ in range(3):  # Java compiles what it does often
        once()
    return timed(once, SCORED)


def each(work: Callable[[Any], object], parts: Iterable[Any]) -> None:
    """Work on each; what comes of it goes at once, as in a night: with hundreds of clips kept, fresh memory would be timed."""
    for part in parts:
        work(part)


def timed(work: Callable[[], object], many: int) -> dict[str, float]:
    """Seconds of the work, and how many a second."""
    began = time.monotonic()
    work()
    took = time.monotonic() - began
    return {"seconds": took, "a_second": many / took}


WAYS = {way.__name__: way for way in (mel_ours, mel_librosa, files_ours, files_floor, score_torch, score_spark)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(WAYS[sys.argv[1]]()))
