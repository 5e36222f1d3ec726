"""Settings of jobs in a sources file: what is given counts, what is misspelt or of another kind is refused in a sentence."""

import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, PositiveInt

from jobs.errors import SourceError
from jobs.job_config import TYPE_NAMES, Positive, build_config
from jobs.registry import JOBS
from jobs.settings import REPOSITORY
from jobs.sources.config import load_sources

FILE = 'name = "x"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "logs"\n'


@dataclass(frozen=True)
class Settings:
    """Of every kind."""

    places: int = 20
    share: float = 0.5
    exact: bool = True
    way: str = "spread"
    presets: Annotated[tuple[str, ...], Field(min_length=1)] = ("a",)
    batch: PositiveInt = 8
    limit_s: Positive = 60.0
    model: Literal["a", "b"] = "a"


def test_what_is_given_counts_and_the_rest_stays() -> None:
    assert build_config(Settings, {}, "here") == Settings()
    config = build_config(Settings, {"places": 0, "share": 1, "exact": False, "presets": ["b", "c"]}, "here")
    assert config == replace(Settings(), places=0, share=1.0, exact=False, presets=("b", "c"))
    assert type(config.share) is float


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"place": 3}, "there is no setting place; available are places, share"),
        ({"places": "3"}, "places must be a whole number, such as 20; it is '3'"),
        ({"places": True}, "places must be a whole number"),
        ({"places": 2.5}, "places must be a whole number"),
        ({"places": -1}, "places must be 0 or more"),
        ({"exact": 1}, "exact must be true or false"),
        ({"presets": "b"}, "presets must be a list"),
        ({"presets": ["a", 1]}, "presets must be a list"),
        ({"presets": []}, "presets is empty; it must have a value, such as \\('a',\\)"),
        ({"batch": 0}, "batch must be above 0; it is 0"),
        ({"limit_s": 0.0}, "limit_s must be above 0; it is 0.0"),
        ({"limit_s": math.nan}, "limit_s must be a number"),
        ({"model": "c"}, "model = 'c' is unknown; it must be one of a, b"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=f"^here: {message}"):
        build_config(Settings, given, "here")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("[jobs.report]\nnightz = 3\n", r"\[jobs\.report\]: there is no setting nightz"),
        ('[jobs.mel]\nchoice = "best"\n', r"\[jobs\.mel\]: choice = 'best' is unknown; it must be one of spread, middle, random"),
    ],
)
def test_settings_of_the_last_job_are_refused_before_the_night(tmp_path: Path, settings: str, message: str) -> None:
    (tmp_path / "sources.toml").write_text(FILE + settings)
    with pytest.raises(SourceError, match=message):
        load_sources(tmp_path / "sources.toml")


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_setting_of_every_job_can_be_given(job: Any) -> None:
    kind = job.config_class()
    assert all(type(one.default) in TYPE_NAMES for one in fields(kind))
    defaults = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(kind()).items()}
    assert build_config(kind, defaults, "here") == kind()


def test_settings_of_all_jobs_load_without_heavy_packages() -> None:
    heavy = ("librosa", "numpy", "pandas", "pyarrow", "pyspark", "scipy", "sklearn", "torch")
    script = (
        "import sys\n"
        "from jobs.registry import JOBS\n"
        "names = [job.config_class().__name__ for job in JOBS]\n"
        f"print(len(names), *sorted(set({heavy!r}) & set(sys.modules)))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=True)
    assert done.stdout.split() == [str(len(JOBS))]


def test_a_sources_file_names_jobs(tmp_path: Path) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(FILE + "[jobs.rank]\noverall = 50\n")
    assert load_sources(file).jobs == {"rank": {"overall": 50}}
    file.write_text(FILE + "[jobs.ranks]\noverall = 50\n")
    with pytest.raises(SourceError, match="there is no job ranks with settings; available are events"):
        load_sources(file)
    file.write_text('jobs = "many"\n' + FILE)
    with pytest.raises(SourceError, match="tables of their own"):
        load_sources(file)


@pytest.mark.parametrize(
    ("job", "setting", "name"),
    [
        ("candidates", "overall", "overall"), ("candidates", "per_genre", "per_genre"), ("publish", "overall", "overall"),
        ("publish", "per_genre", "per_genre"), ("quality", "list_length", "overall"), ("quality", "per_genre", "per_genre"),
        ("quality", "places", "overall"),
    ],
)  # fmt: skip
def test_list_lengths_of_other_jobs_than_rank_are_refused(tmp_path: Path, job: str, setting: str, name: str) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(FILE + f"[jobs.{job}]\n{setting} = 50\n")
    message = rf"\[jobs\.{job}\]: {setting} is not a setting of this job any more; set {name} under \[jobs\.rank\]"
    with pytest.raises(SourceError, match=message):
        load_sources(file)
