"""Config dataclasses of jobs: built from the sources file's `[jobs.NAME]`, and written into manifests."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import Any, ClassVar, Protocol

from jobs.errors import SourceError

TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list"}


class JobConfig(Protocol):
    """A job's frozen config dataclass: *what* is computed."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


@dataclass(frozen=True)
class NoSettings:
    """Config of a job without settings."""


def build_config(cls: type, values: Mapping[str, Any], location: str) -> Any:
    """Return a `cls` with these values over its defaults. Raises SourceError, one sentence that begins with `location`.

    A value must have the type of its default; whole numbers must be 0 or more. A method `check` of the class has further
    conditions.
    """
    defaults = {field.name: field.default for field in fields(cls) if field.default is not MISSING}
    if unknown := sorted(set(values) - set(defaults)):
        raise SourceError(f"{location}: there is no setting {unknown[0]}; available are {', '.join(defaults) or 'none'}.")
    config = cls(**{name: _checked(value, defaults[name], f"{location}: {name}") for name, value in values.items()})
    if hasattr(config, "check"):
        config.check()
    return config


def _checked(value: Any, default: Any, setting: str) -> Any:
    required = type(default)
    converted: Any = tuple(value) if required is tuple and isinstance(value, list) else value
    converted = float(converted) if required is float and type(converted) is int else converted
    if type(converted) is not required:
        raise SourceError(f"{setting} must be {TYPE_NAMES[required]}, such as {default!r}; it is {value!r}.")
    if required is int and converted < 0:
        raise SourceError(f"{setting} must be 0 or more; it is {converted}.")
    return converted


def config_dict(config: JobConfig) -> dict[str, Any]:
    """Return the config as JSON represents it (tuples become lists), so that a stored one can be compared."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}


def config_json(config: JobConfig) -> str:
    """Return the config as the manifest of another job records it among its inputs."""
    return json.dumps(config_dict(config), sort_keys=True)
