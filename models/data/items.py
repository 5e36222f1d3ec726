"""What is known of the items of a catalogue, by domain: categories such as artist and genre, and vectors of audio or text."""

from dataclasses import dataclass

import numpy as np

from models.types import F32, I64, Mask, Tensors

UNKNOWN = 0
"""Category of an item without a known one."""


@dataclass(frozen=True)
class ItemDomains:
    """Domains of I items besides their ids, in this order: categories, then vectors."""

    categories: dict[str, I64]
    """[I] by domain: 1, 2, ..., or UNKNOWN."""
    vectors: dict[str, F32]
    """[I, E] by domain; a row of zeros if the item has none."""
    n_items: int

    def __post_init__(self) -> None:
        for name, array in self.tensors().items():
            if len(array) != self.n_items:
                raise ValueError(f"domain {name!r} has {len(array)} rows for {self.n_items} items")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the domains, in their order."""
        return (*self.categories, *self.vectors)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of categories with UNKNOWN, or length of the vectors, by domain."""
        counts = {name: int(values.max(initial=0)) + 1 for name, values in self.categories.items()}
        return counts | {name: values.shape[1] for name, values in self.vectors.items()}

    @property
    def known(self) -> Mask:
        """Whether each item has a value in each domain [I, J]."""
        columns = [values != UNKNOWN for values in self.categories.values()]
        columns += [np.any(values != 0, axis=1) for values in self.vectors.values()]
        return np.stack(columns, 1) if columns else np.zeros((self.n_items, 0), np.bool_)

    def tensors(self) -> Tensors:
        """Return the arrays by name."""
        return {**self.categories, **self.vectors}


def number_categories(values: list[str | None]) -> I64:
    """Return 1, 2, ... for the distinct values in the order of their names, UNKNOWN for None."""
    names = {name: number for number, name in enumerate(sorted({v for v in values if v is not None}), 1)}
    return np.array([UNKNOWN if value is None else names[value] for value in values], np.int64)
