"""The version of a program changes with the code that computes rows, and with nothing else."""

from pathlib import Path

import pytest

from jobs.code_version import _syntax, code_version
from jobs.registry import JOBS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A job, modules that it imports (in a function, for types only, with a schema), and a command that imports the job."""
    files = {
        "jobs/rank.py": "from typing import TYPE_CHECKING\nfrom jobs.schemas import tables\n"
        "if TYPE_CHECKING:\n    from jobs.rules import unused\n"
        'def run():\n    """Rank."""\n    from jobs.rules import tie\n    from models import topk\n    return tie, topk\n',
        "jobs/schemas/tables.py": "tables = column('rank', 'long', '1: the best')\n",
        "jobs/rules/__init__.py": "from jobs.rules.ties import tie\n",
        "jobs/rules/ties.py": "tie = 1\n",
        "jobs/rules/unused.py": "unused = 1\n",
        "jobs/cli.py": "from jobs import rank\nHELP = 'ranks'\n",
        "models/topk.py": "k = 20\n",
        "models/topk.toml": "k = 20\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def version(project: Path, *modules: str, **options: str | None) -> str:
    code_version.cache_clear()
    _syntax.cache_clear()
    return code_version(*modules, root=project, **options)


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("jobs/rank.py", '"""Rank."""', '"""Sort."""  # by score', False),
        ("jobs/cli.py", "'ranks'", "'sorts'", False),
        ("jobs/rules/unused.py", "1", "2", False),
        ("jobs/rank.py", "return tie, topk", "return topk, tie", True),
        ("jobs/schemas/tables.py", "1: the best", "the best item has 1", False),
        ("jobs/schemas/tables.py", "'long'", "'int'", True),
        ("jobs/rules/ties.py", "1", "2", True),
        ("jobs/rules/__init__.py", "import tie", "import tie as tie", True),
        ("models/topk.py", "20", "10", True),
        ("models/topk.toml", "20", "10", True),
    ],
)
def test_version_changes_with_imported_code_only(project: Path, file: str, old: str, new: str, changes: bool) -> None:
    before = version(project, "jobs.rank")
    (project / file).write_text((project / file).read_text().replace(old, new))
    assert (version(project, "jobs.rank") != before) == changes


def test_texts_with_spaces_count_below_a_folder_called_schemas(tmp_path: Path) -> None:
    file = tmp_path / "schemas" / "checkout" / "jobs" / "rank.py"
    file.parent.mkdir(parents=True)
    file.write_text("rule = 'score > 0'\n")
    before = version(tmp_path / "schemas" / "checkout", "jobs.rank")
    file.write_text("rule = 'score > 1'\n")
    assert version(tmp_path / "schemas" / "checkout", "jobs.rank") != before


def test_without_modules_every_module_counts(project: Path) -> None:
    before = version(project)
    (project / "jobs/cli.py").write_text("HELP = 'sorts'\n")
    assert version(project) != before


def test_an_unknown_module_is_refused(project: Path) -> None:
    with pytest.raises(ValueError, match=r"no module jobs\.gone"):
        version(project, "jobs.gone")


def test_version_of_a_job_covers_its_settings() -> None:
    from jobs.code_version import _closure
    from jobs.settings import REPOSITORY

    for job in JOBS:
        assert job.config.partition(":")[0] in _closure((job.module,), "", "", REPOSITORY), job.name


def test_no_job_depends_on_commands(project: Path) -> None:
    from jobs.code_version import _closure
    from jobs.settings import REPOSITORY

    for job in JOBS:
        imported = _closure((job.module,), "", "", REPOSITORY)
        assert not [name for name in imported if name.startswith(("jobs.cli", "jobs.runner"))], job.name


def test_stored_genre_predictions_depend_on_their_modules_and_on_models_alone() -> None:
    from jobs.code_version import _closure
    from jobs.settings import REPOSITORY

    modules = ("jobs.evaluate.genres.model_specs", "jobs.evaluate.genres.data", "jobs.training.audio_features")
    imported = _closure(modules, "models", "", REPOSITORY) - set(modules)
    assert {"models.genre_logreg", "models.training.loop"} <= imported
    assert all(name.startswith("models.") for name in imported)


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        (
            "jobs.audio.mel_clips",
            {"jobs.audio.clip_positions", "jobs.audio.decode", "models.mel", "models.mel_presets", "models.types"},
        ),
        ("jobs.embeddings.clip_embedding", {"models.musicnn", "models.types"}),
        ("models.genre_cnn", {"models.clip_network", "models.data.clips", "models.training.targets", "models.types"}),
    ],
)
def test_caches_of_audio_depend_on_the_program_that_computes_the_rows_alone(module: str, imported: set[str]) -> None:
    """Another module here would decode, embed or score a whole catalogue again after each change of it."""
    from jobs.code_version import _closure
    from jobs.settings import REPOSITORY

    assert _closure((module,), "", "", REPOSITORY) - {module} == imported
