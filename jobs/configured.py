"""Settings of jobs that a sources file names under `[jobs.NAME]`, over the defaults that stand with each job."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from jobs.errors import SourceError

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list"}


def configured(kind: type, given: Mapping[str, Any], where: str) -> Any:
    """An object of the config dataclass `kind` with these settings. Raises SourceError, one sentence, that begins with `where`.

    Every setting has a default, whose type the given value must have; whole numbers are 0 or more.
    """
    defaults = {one.name: one.default for one in fields(kind) if one.default is not MISSING}
    if unknown := sorted(set(given) - set(defaults)):
        raise SourceError(f"{where}: there is no setting {unknown[0]}; there are {', '.join(defaults) or 'none'}.")
    return kind(**{name: _value(value, defaults[name], f"{where}: {name}") for name, value in given.items()})


def _value(value: Any, default: Any, what: str) -> Any:
    wanted = type(default)
    found: Any = tuple(value) if wanted is tuple and isinstance(value, list) else value
    found = float(found) if wanted is float and type(found) is int else found
    if type(found) is not wanted:
        raise SourceError(f"{what} must be {KINDS[wanted]}, such as {default!r}; it is {value!r}.")
    if wanted is int and found < 0:
        raise SourceError(f"{what} must be 0 or more; it is {found}.")
    return found
