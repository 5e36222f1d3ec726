"""Config dataclasses of jobs: built from the sources file's `[jobs.NAME]`, and written into manifests."""

import json
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, fields
from typing import Annotated, Any, ClassVar, Protocol, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError, create_model
from pydantic import Field as Bounds

from jobs.errors import SourceError

TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list"}

NonNegative = Annotated[float, Bounds(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Bounds(gt=0, allow_inf_nan=False)]


class JobConfig(Protocol):
    """A job's frozen config dataclass: *what* is computed."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


@dataclass(frozen=True)
class NoSettings:
    """Config of a job without settings."""


def build_config(cls: type, values: Mapping[str, Any], location: str) -> Any:
    """Return a `cls` with these values over its defaults. Raises SourceError, one sentence that begins with `location`.

    pydantic checks a value against the annotation of its field, without conversion (a whole number is a number too). Numbers
    must be finite and 0 or more if the annotation has no other bound. A method `check` of the class has conditions on several
    settings at once.
    """
    arguments = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        validated = _pydantic_model(cls).model_validate(arguments)
    except ValidationError as error:
        raise SourceError(f"{location}: {_sentence(cls, error)}") from None
    config = cls(**{name: getattr(validated, name) for name in values})
    if hasattr(config, "check"):
        config.check()
    return config


def _pydantic_model(cls: type) -> type[BaseModel]:
    hints = get_type_hints(cls, include_extras=True)
    fields_of_model: dict[str, Any] = {
        field.name: ({int: NonNegativeInt, float: NonNegative}.get(hints[field.name], hints[field.name]), field.default)
        for field in fields(cls)
    }
    return create_model(cls.__name__, __config__=ConfigDict(strict=True, extra="forbid"), **fields_of_model)


def _sentence(cls: type, error: ValidationError) -> str:
    # an unknown setting first: it is often the misspelt name of one whose value is then missing
    first = min(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
    name, value, bound = str(first["loc"][0]), first["input"], first.get("ctx", {})
    defaults = {field.name: field.default for field in fields(cls)}
    default, hints = defaults.get(name), get_type_hints(cls)
    sentences = {
        "extra_forbidden": lambda: f"there is no setting {name}; available are {', '.join(defaults) or 'none'}.",
        "literal_error": lambda: f"{name} = {value!r} is unknown; it must be one of {', '.join(_choices(hints[name]))}.",
        "greater_than_equal": lambda: f"{name} must be {bound['ge']:g} or more; it is {value}.",
        "greater_than": lambda: f"{name} must be above {bound['gt']:g}; it is {value}.",
        "less_than_equal": lambda: f"{name} must be {bound['le']:g} or less; it is {value}.",
        "too_short": lambda: f"{name} is empty; it must have a value, such as {default!r}.",
    }
    if first["type"] in sentences:
        return sentences[first["type"]]()
    return f"{name} must be {TYPE_NAMES[type(default)]}, such as {default!r}; it is {value!r}."


def _choices(annotation: Any) -> list[str]:
    """Return the texts of all Literals in an annotation."""
    return [annotation] if isinstance(annotation, str) else [text for part in get_args(annotation) for text in _choices(part)]


def config_dict(config: JobConfig) -> dict[str, Any]:
    """Return the config as JSON represents it (tuples become lists), so that a stored one can be compared."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}


def config_json(config: JobConfig) -> str:
    """Return the config as the manifest of another job records it among its inputs."""
    return json.dumps(config_dict(config), sort_keys=True)
