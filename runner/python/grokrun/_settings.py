"""Names what a cell was trained with: one flat mapping of all settings of its config.json.

Owns those names, and which of them are axes. Knows nothing of files.

A setting has the name of its key in a spec (`weight_decay` of `[train]`), except for the seeds,
which are `data_seed` and `model_seed`. Where two tables have a key of one name, both keep their
tables: `data.kind`, `model.kind`. Lists and tables are JSON texts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

#: A value of a setting.
Value = str | int | float | bool | None

#: The tables of config.json that hold settings.
_TABLES = ("task", "seeds", "data", "model", "train", "start")
#: What follows from other settings.
_DERIVED = {
    ("task", "elements"), ("task", "notation"), ("task", "operands"),
    ("task", "train_pairs"), ("task", "test_pairs"), ("model", "trained_parameters"),
}  # fmt: skip
_SEEDS = {("seeds", "data"): "data_seed", ("seeds", "model"): "model_seed"}


def settings(config: Mapping[str, Any]) -> dict[str, Value]:
    """All settings of a cell by name, from its config.json."""
    found: dict[tuple[str, str], Value] = {}
    for table in _TABLES:
        for key, value in (config.get(table) or {}).items():
            if (table, key) not in _DERIVED:
                found[table, key] = _flat(value)
    times = Counter(key for _, key in found)
    return {_name(place, times): value for place, value in found.items()}


def _name(place: tuple[str, str], times: Mapping[str, int]) -> str:
    table, key = place
    if place in _SEEDS:
        return _SEEDS[place]
    return key if times[key] == 1 else f"{table}.{key}"


def _flat(value: Any) -> Value:
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def axes(cells: Iterable[Mapping[str, Value]]) -> list[str]:
    """The names of the settings in which the cells differ, in the order of a config.json."""
    every = list(cells)
    names = dict.fromkeys(name for cell in every for name in cell)
    differ = [name for name in names if len({_key(cell.get(name)) for cell in every}) > 1]
    return sorted(differ, key=lambda name: (name.endswith("_seed"), list(names).index(name)))


def _key(value: Value) -> tuple[str, Value]:
    # True and 1 are two values.
    return type(value).__name__, value


def same(wanted: Any, found: Value) -> bool:
    """Whether a setting has this value; lists and tables are compared by their content."""
    if isinstance(wanted, dict | list | tuple):
        return _flat(list(wanted) if isinstance(wanted, tuple) else wanted) == found
    return bool(wanted == found) and isinstance(wanted, bool) == isinstance(found, bool)
