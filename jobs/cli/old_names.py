"""Old spellings of commands, options, jobs and models: they keep working, and one line on stderr names the new one."""

import sys
from collections.abc import Mapping, Sequence

COMMANDS = {
    "evaluate-pairs": ("evaluate", "pairs"),
    "evaluate-genres": ("evaluate", "genres"),
    "evaluate-new-tracks": ("evaluate", "cold-start"),
    "open": ("night", "begin"),
    "close": ("night", "end"),
    "dictionary": ("schema",),
}
OPTIONS = {
    ("evaluate",): {"--lists": "--rankings", "--against": "--baseline"},
    ("evaluate", "cold-start"): {"--share": "--test-ratio"},
    ("promote",): {
        "--keep-coverage": "--min-coverage-ratio",
        "--more-lift": "--max-lift-increase",
        "--most-churn": "--max-churn",
        "--fewest-users": "--min-users",
    },
}
"""By command: old option to new option."""
JOBS = {"forget": "erase"}
"""Old job to new job, for `pmrs run`."""
VALUES: dict[tuple[str, ...], dict[str, dict[str, str]]] = {
    ("evaluate", "genres"): {
        "--models": {
            "pmrs_cnn": "genre_cnn", "head": "logreg", "head_embedding": "logreg_short_chunk",
            "logreg_embedding": "logreg_short_chunk",
        }
    },
}
"""By command and option: old value to new value, in comma-separated values."""


def translate(arguments: Sequence[str]) -> list[str]:
    """Return the arguments (without the program's name) in the new spelling."""
    translated = list(arguments)
    if translated and translated[0] in COMMANDS:
        command = COMMANDS[translated[0]]
        _warn(f"pmrs {translated[0]}", f"pmrs {' '.join(command)}")
        translated[:1] = command
    options = OPTIONS.get(tuple(translated[:2])) or OPTIONS.get(tuple(translated[:1]), {})
    values = VALUES.get(tuple(translated[:2]), {})
    for position, argument in enumerate(translated):
        option, equals, value = argument.partition("=")
        if option in options:
            _warn(option, options[option])
            translated[position] = options[option] + equals + value
        elif translated[0] == "run" and argument in JOBS:
            _warn(f"pmrs run {argument}", f"pmrs run {JOBS[argument]}")
            translated[position] = JOBS[argument]
        elif option in values and equals:
            translated[position] = f"{option}={_translate_value(value, values[option])}"
        elif position and translated[position - 1] in values:
            translated[position] = _translate_value(argument, values[translated[position - 1]])
    return translated


def _translate_value(value: str, names: Mapping[str, str]) -> str:
    words = value.split(",")
    for word in words:
        if word.strip() in names:
            _warn(word.strip(), names[word.strip()])
    return ",".join(names.get(word.strip(), word) for word in words)


def _warn(old: str, new: str) -> None:
    print(f"pmrs: `{old}` is now `{new}`; the old spelling still works.", file=sys.stderr)
