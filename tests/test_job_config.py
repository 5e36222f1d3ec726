"""Settings of jobs in a sources file: what is given counts, what is misspelt or of another kind is refused in a sentence."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import SourceError
from jobs.job_config import TYPE_NAMES, build_config
from jobs.registry import JOBS
from jobs.sources.config import load_sources

FILE = 'name = "x"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "logs"\n'


@dataclass(frozen=True)
class Settings:
    """Of every kind."""

    places: int = 20
    share: float = 0.5
    exact: bool = True
    way: str = "spread"
    presets: tuple[str, ...] = ("a",)


def test_what_is_given_counts_and_the_rest_stays() -> None:
    assert build_config(Settings, {}, "here") == Settings()
    config = build_config(Settings, {"places": 0, "share": 1, "exact": False, "presets": ["b", "c"]}, "here")
    assert asdict(config) == {"places": 0, "share": 1.0, "exact": False, "way": "spread", "presets": ("b", "c")}
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
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=f"^here: {message}"):
        build_config(Settings, given, "here")


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_every_setting_of_every_job_can_be_given(job: Any) -> None:
    kind = job.load().Config
    assert all(type(one.default) in TYPE_NAMES for one in fields(kind))
    defaults = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(kind()).items()}
    assert build_config(kind, defaults, "here") == kind()


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
