"""Sides of the audio benchmark, one per process: `python -m bench.audio_sides SIDE`, on one core. Prints a JSON line.

- `mel_*`: compute log-mel of 4 s clips in memory.
- `files_*`: compute clips of all presets from music files.
- `score_*`: predict genres of clips.
- `musicnn_*`: compute embeddings.

Code is compiled and loaded before the clock starts.
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
from jobs.audio.clip_positions import clip_starts
from jobs.audio.config import MelConfig
from jobs.audio.decode import decode, mix_to_mono
from jobs.audio.mel_clips import extract_clips
from jobs.embeddings.clip_embedding import embed_clip
from jobs.embeddings.config import EmbeddingsConfig
from jobs.embeddings.embeddings import CLIPS_PER_BATCH, build_embeddings
from jobs.embeddings.pretrained import package_folder, read_checkpoint
from jobs.genre import score
from jobs.genre.config import GenreScoreConfig
from jobs.genre.model import GenreModel
from jobs.lake.model_registry import RegisteredModel
from jobs.settings import Settings
from jobs.spark import rows_per_batch, session
from models import musicnn, tensorflow_checkpoint
from models.clip_network import predict
from models.genre_cnn import GenreCNN, GenreCNNConfig
from models.genre_networks import make_config, to_bytes, to_card
from models.mel import COMPRESSION, fit_clip, log_mel
from models.mel_presets import PRESETS, MelPreset

FILES, SECONDS, RATE = 48, 30, 44_100
"""Music files: stereo MP3, like previews."""
CLIPS = 960
"""Clips in memory."""
BATCH = 8
PASSES = 2
"""Times that each file is processed; one pass takes two seconds."""
SCORED = 2_048
"""Clips that the genre network scores."""
EMBEDDED = 48
"""Clips of 30 s that musicnn embeds."""
PATCH_FLOPS = 2.8e9
"""Arithmetic of musicnn for one patch."""
FOUR, THIRTY = PRESETS["pmrs-4s"], PRESETS["musicnn"]


def music() -> list[Path]:
    """Write FILES synthetic pieces (notes, beats, noise; seeded) unless they exist, and return their paths."""
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


def waves(preset: MelPreset, n: int) -> NDArray[np.float32]:
    """Return random clips [n, samples], seeded."""
    return np.random.default_rng(1).normal(size=(n, preset.clip_samples)).astype(np.float32) * 0.1


def mel_ours(preset: MelPreset = FOUR, n: int = CLIPS) -> dict[str, float]:
    """Compute log-mel with models/mel.py, in batches."""
    clips = torch.from_numpy(waves(preset, n))
    log_mel(clips[:1], preset)
    batches = [clips[start : start + BATCH] for start in range(0, n, BATCH)]
    return measure(lambda: for_each(lambda batch: log_mel(batch, preset), batches), n)


def mel_librosa(preset: MelPreset = FOUR, n: int = CLIPS) -> dict[str, float]:
    """Compute log-mel with librosa, one clip at a time."""
    clips = waves(preset, n)

    def clip_log_mel(wave: NDArray[np.float32]) -> NDArray[np.float32]:
        power = librosa.feature.melspectrogram(
            y=wave, sr=preset.sample_rate, n_fft=preset.n_fft, hop_length=preset.hop, n_mels=preset.n_mels
        )
        return np.asarray(np.log1p(COMPRESSION * power), np.float32)

    clip_log_mel(clips[0])
    return measure(lambda: for_each(clip_log_mel, clips), n)


def mel_musicnn_ours() -> dict[str, float]:
    """Compute log-mel of 30 s clips for musicnn."""
    return mel_ours(THIRTY, CLIPS // 4)


def mel_musicnn_librosa() -> dict[str, float]:
    """Compute the same with librosa; its logarithm costs the same in any base."""
    return mel_librosa(THIRTY, CLIPS // 4)


def musicnn_network() -> musicnn.Musicnn:
    """Return the network of the installed package."""
    checkpoint = read_checkpoint(package_folder(), "MSD_musicnn")
    return musicnn.from_tensors(tensorflow_checkpoint.read_checkpoint(checkpoint.index, checkpoint.data))


def musicnn_files() -> dict[str, float]:
    """Decode files, compute log-mel, and embed, as a night does on new audio."""
    network, files = musicnn_network(), music()

    def embed(path: Path) -> None:
        wave, _ = fit_clip(decode(str(path), THIRTY.sample_rate, SECONDS, 10**9).wave, THIRTY)
        embed_clip(log_mel(torch.from_numpy(wave)[None], THIRTY)[0].numpy(), network, EmbeddingsConfig())

    embed(files[0])
    return measure(lambda: for_each(embed, files), FILES)


def musicnn_floor() -> dict[str, float]:
    """Multiply matrices, with as many operations as the network's for all patches of the files."""
    factor = torch.randn(2_048, 2_048)
    patches = len(range(0, THIRTY.frames - musicnn.PATCH + 1, EmbeddingsConfig().hop))
    products = round(FILES * patches * PATCH_FLOPS / (2 * 2_048**3))
    torch.mm(factor, factor)
    return measure(lambda: for_each(lambda _: torch.mm(factor, factor), range(products)), FILES)


def musicnn_mels() -> NDArray[np.float16]:
    """Return EMBEDDED log-mel clips [EMBEDDED, 1876, 96]."""
    return np.random.default_rng(2).uniform(0, 4, (EMBEDDED, THIRTY.frames, THIRTY.n_mels)).astype(np.float16)


def musicnn_torch() -> dict[str, float]:
    """Embed clips with the network alone."""
    network, clips = musicnn_network(), musicnn_mels()
    embed_clip(clips[0].astype(np.float32), network, EmbeddingsConfig())
    return measure(
        lambda: for_each(lambda clip: embed_clip(clip.astype(np.float32), network, EmbeddingsConfig()), clips), EMBEDDED
    )


def musicnn_spark() -> dict[str, float]:
    """Embed as the job does: read Parquet, run one task, write."""
    weights = musicnn.to_bytes(musicnn_network())
    spark = session("bench", Settings(var=WORK, master="local[1]", driver_memory="4g"))
    output = str(WORK / "embedded.parquet")
    rows = [(f"{number:06d}", bytearray(clip.tobytes())) for number, clip in enumerate(musicnn_mels())]
    spark.createDataFrame(rows, "content_hash string, mel binary").write.mode("overwrite").parquet(output)
    clips = spark.read.parquet(output)

    def embed() -> None:
        with rows_per_batch(spark, CLIPS_PER_BATCH):
            build_embeddings(clips, weights, "", EmbeddingsConfig()).write.format("noop").mode("overwrite").save()

    embed()
    return measure(embed, EMBEDDED)


def files_ours() -> dict[str, float]:
    """Run the work of the job `mel` for all presets."""
    config = MelConfig()
    files = [{"path": str(path), "content_hash": sha256(path.read_bytes()).hexdigest()} for path in music()]
    extract_clips(files[0], config)
    return measure(lambda: for_each(lambda file: extract_clips(file, config), files * PASSES), FILES * PASSES)


def files_floor() -> dict[str, float]:
    """Read, mix and resample to both rates, then compute the bare FFT of the clips' frames."""
    files, config = music(), MelConfig()
    rates = sorted({PRESETS[name].sample_rate for name in config.presets})

    def read_waves(path: Path) -> list[NDArray[np.float32]]:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = mix_to_mono(wave)
        return [np.asarray(soxr.resample(mono, rate, target, quality="HQ"), np.float32) for target in rates]

    samples = {rate: wave.size for rate, wave in zip(rates, read_waves(files[0]), strict=True)}
    frames = [_frames(PRESETS[name], samples[PRESETS[name].sample_rate], config) for name in config.presets]
    for_each(torch.fft.rfft, frames)
    paths = files * PASSES
    decoding = measure(lambda: for_each(read_waves, paths), len(paths))
    transforming = measure(lambda: for_each(lambda _: for_each(torch.fft.rfft, frames), paths), len(paths))
    seconds = decoding["seconds"] + transforming["seconds"]
    return {"seconds": seconds, "per_second": len(paths) / seconds}


def _frames(preset: MelPreset, samples: int, config: MelConfig) -> torch.Tensor:
    """Return random windows [clips x frames, n_fft], as many as a file of so many samples has."""
    n_clips = min(config.clips, preset.max_clips or config.clips)
    clips = len(clip_starts(samples, preset.clip_samples, n_clips, config.choice, ""))
    return torch.randn(clips * preset.frames, preset.n_fft)


def untrained_network() -> tuple[GenreCNN, NDArray[np.float16]]:
    """Return the untrained network and SCORED random clips."""
    network = GenreCNN(GenreCNNConfig()).eval()
    return network, np.random.default_rng(2).uniform(0, 20, (SCORED, 599, 128)).astype(np.float16)


def score_torch() -> dict[str, float]:
    """Score with the network alone, in batches of Spark's size."""
    network, mels = untrained_network()
    predict(network, mels[:32], 32)
    return measure(lambda: predict(network, mels, GenreScoreConfig().batch), SCORED)


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

    def score_clips() -> None:
        with rows_per_batch(spark, GenreScoreConfig().batch):
            score.build_scores(clips, model, GenreScoreConfig()).write.format("noop").mode("overwrite").save()

    for _ in range(3):  # Java compiles code that runs often
        score_clips()
    return measure(score_clips, SCORED)


def for_each(work: Callable[[Any], object], items: Iterable[Any]) -> None:
    """Run `work` on each item and drop the result at once, as a night does; results in memory would add allocation time."""
    for item in items:
        work(item)


def measure(work: Callable[[], object], n_items: int) -> dict[str, float]:
    """Return the seconds of the work, and its items per second."""
    start = time.monotonic()
    work()
    seconds = time.monotonic() - start
    return {"seconds": seconds, "per_second": n_items / seconds}


SIDES = {
    side.__name__: side
    for side in (
        mel_ours, mel_librosa, files_ours, files_floor, score_torch, score_spark, mel_musicnn_ours, mel_musicnn_librosa,
        musicnn_files, musicnn_floor, musicnn_torch, musicnn_spark,
    )
}  # fmt: skip

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(SIDES[sys.argv[1]]()))
