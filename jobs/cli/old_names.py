"""Old spellings of commands, options and jobs: they keep working, and one line on stderr names the new one."""

import sys
from collections.abc import Sequence

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


def translate(arguments: Sequence[str]) -> list[str]:
    """Return the arguments (without the program's name) in the new spelling."""
    translated = list(arguments)
    if translated and translated[0] in COMMANDS:
        command = COMMANDS[translated[0]]
        _warn(f"pmrs {translated[0]}", f"pmrs {' '.join(command)}")
        translated[:1] = command
    options = OPTIONS.get(tuple(translated[:2])) or OPTIONS.get(tuple(translated[:1]), {})
    for position, argument in enumerate(translated):
        option, equals, value = argument.partition("=")
        if option in options:
            _warn(option, options[option])
            translated[position] = options[option] + equals + value
        elif translated[0] == "run" and argument in JOBS:
            _warn(f"pmrs run {argument}", f"pmrs run {JOBS[argument]}")
            translated[position] = JOBS[argument]
    return translated


def _warn(old: str, new: str) -> None:
    print(f"pmrs: `{old}` is now `{new}`; the old spelling still works.", file=sys.stderr)
