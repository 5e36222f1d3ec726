"""Validate the tables of a sources file with pydantic, and report the first error in one sentence."""

from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.errors import SourceError

Model = TypeVar("Model", bound=BaseModel)


class Options(BaseModel):
    """Keys of a `[[source]]` that only its format has. Subclasses describe each field for error messages."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def validated(model: type[Model], values: Mapping[str, Any], where: str, other_keys: Iterable[str] = ()) -> Model:
    """Return an instance of the model. Raises SourceError, one sentence that starts with `where` and names the key.

    Every field of the model has a description that completes "KEY must be ...". `other_keys`: further keys of the same
    table, to be listed as known.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise SourceError(_sentence(model, error, where, list(other_keys))) from None


def _sentence(model: type[BaseModel], error: ValidationError, where: str, other_keys: list[str]) -> str:
    # an unknown key first: it is often the misspelt name of one that is missing
    first = min(error.errors(), key=lambda details: details["type"] != "extra_forbidden")
    table, key = _split_location(first["loc"], where)
    owner, description = _lookup(model, first["loc"])
    if first["type"] == "extra_forbidden":
        known = [*(other_keys if owner is model else []), *owner.model_fields]
        return f"{table}: the key {key} is unknown; known are {', '.join(known)}."
    if first["type"] == "missing":
        return f"{table}: the key {key} is missing; it must be {description}."
    return f"{table}: {key} must be {description}; it is {first['input']!r}."


def _split_location(location: tuple[int | str, ...], where: str) -> tuple[str, str]:
    """Return the table (numbered, where it is one of several) and the dotted key of an error."""
    for index, part in enumerate(location[:-1]):
        if isinstance(part, int):
            return f"{where}, {location[index - 1]} {part + 1}", ".".join(map(str, location[index + 1 :]))
    names = [str(part) for part in location if not isinstance(part, int)]
    return where, ".".join(names)


def _lookup(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[type[BaseModel], str]:
    """Return the model of the table with the error, and the description of the nearest field."""
    description = ""
    for part in location:
        if not isinstance(part, str) or part not in model.model_fields:
            continue
        field = model.model_fields[part]
        description = field.description or ""
        inner = _inner_model(field.annotation)
        if inner is None or part == location[-1]:
            break
        model = inner
    return model, description


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation such as `Model`, `list[Model]` or `Model | None`."""
    candidates = [annotation, *get_args(annotation)]
    models = [
        kind for kind in candidates if isinstance(kind, type) and kind is not NoneType and issubclass(kind, BaseModel)
    ]
    return models[0] if models else None
