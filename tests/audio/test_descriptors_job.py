"""The job `descriptors`: every usable file is described once."""

from pathlib import Path

import numpy as np
import pytest

from jobs.audio import descriptors, mel
from jobs.audio.config import DescriptorsConfig, MelConfig
from jobs.audio.decode import decode
from jobs.audio.librosa_features import RATE, extract_descriptors
from jobs.context import JobContext, Night
from tests.audio.conftest import Ingested
from tests.audio.hostile import tone, wav

MEL = MelConfig(presets=("pmrs-4s",), clips=1)


def run_both_jobs(night: Night) -> tuple[JobContext, dict[str, int]]:
    """Run both audio jobs of a night; return the rows written by the second."""
    for job, name, config in ((mel, "mel", MEL), (descriptors, "descriptors", DescriptorsConfig())):
        ctx = JobContext(night, name, config)
        job.run(ctx)
        ctx.commit()
    return ctx, {manifest.table: manifest.rows for manifest in ctx.pending}


def test_every_usable_file_is_described_once(
    ingested: Ingested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.audio.extraction.QUARANTINE_LIMIT", 0.9)
    wav(tmp_path / "a.wav", tone(3.0))
    (tmp_path / "bad.mp3").write_text("no music")
    files = {"a": tmp_path / "a.wav", "b": tmp_path / "a.wav", "bad": tmp_path / "bad.mp3"}
    ctx, written = run_both_jobs(ingested(files))
    # the job `mel` has already quarantined the bad file
    assert written == {
        "audio_descriptors": 1, "audio_status/audio_descriptors": 1, "quarantine/descriptors": 0, "track_descriptors": 2,
    }  # fmt: skip
    expected = extract_descriptors(decode(str(files["a"]), RATE, 30.0, 10**9).wave, 20)
    for row in ctx.read("track_descriptors").collect():
        for name, value in expected.items():
            np.testing.assert_allclose(row[name], value, atol=1e-4, rtol=1e-4)
    wav(tmp_path / "c.wav", tone(2.0, pitch=600.0))
    _, written = run_both_jobs(ingested(files | {"c": tmp_path / "c.wav"}, 1))
    assert (written["audio_descriptors"], written["track_descriptors"]) == (1, 3)
    _, written = run_both_jobs(ingested(files, 2))
    assert written == {"quarantine/descriptors": 0, "track_descriptors": 2}
