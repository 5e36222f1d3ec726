"""Old spellings of commands, options, jobs and models keep working, and stderr names the new ones."""

import pytest
import typer

from jobs.cli import main
from jobs.cli.old_names import COMMANDS, JOBS, OPTIONS, VALUES, translate
from jobs.evaluate.genres.model_specs import GENRE_MODEL_SPECS
from jobs.registry import jobs_named


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["evaluate-genres", "--folds", "2"], ["evaluate", "genres", "--folds", "2"]),
        (["evaluate-new-tracks", "--share", "0.1"], ["evaluate", "cold-start", "--test-ratio", "0.1"]),
        (["evaluate", "--lists", "a.csv", "--against=ease"], ["evaluate", "--rankings", "a.csv", "--baseline=ease"]),
        (["promote", "ease", "--fewest-users", "9"], ["promote", "ease", "--min-users", "9"]),
        (["evaluate", "genres", "--models", "prior, head"], ["evaluate", "genres", "--models", "prior,logreg"]),
        (["evaluate-genres", "--models=head_embedding"], ["evaluate", "genres", "--models=logreg_short_chunk"]),
        (["run", "--force", "forget", "--date", "2026-11-14"], ["run", "--force", "erase", "--date", "2026-11-14"]),
    ],
)
def test_old_spelling_is_translated_with_a_warning(old: list[str], new: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert translate(old) == new
    assert "is now" in capsys.readouterr().err


def test_new_spelling_is_unchanged_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "genres", "--models", "--share", "forget"]
    assert translate(arguments) == arguments
    assert not capsys.readouterr().err


def test_every_new_name_exists() -> None:
    root = typer.main.get_command(main.app)
    for path in [*COMMANDS.values(), *OPTIONS]:
        command = root
        for name in path:
            command = command.commands[name]  # type: ignore[attr-defined]
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(OPTIONS.get(path, {}).values()) <= options
    for name in JOBS.values():
        assert jobs_named(name)
    models = VALUES["evaluate", "genres"]["--models"]
    assert set(models.values()) <= {spec.name for spec in GENRE_MODEL_SPECS}


def test_option_before_a_subcommand_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["pmrs", "evaluate", "--date", "2026-11-14", "genres"])
    with pytest.raises(SystemExit):
        main.main()
    assert "Write --date after `genres`" in capsys.readouterr().err
