"""Puts what the cells of a run have below each other: tidy tables with the axes as columns.

Owns the tables' columns. Knows nothing of files, and makes pandas frames of tables where pandas is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ._optional import need
from ._settings import Value

if TYPE_CHECKING:
    import pandas as pd


def frame(table: pa.Table, use: str, nullable: Sequence[str] = ()) -> pd.DataFrame:
    """A pandas frame of a table; integers of `nullable` columns stay integers beside missing ones.

    Args:
        use: the method that was called, for the error where pandas is missing.
    """
    pandas = need("pandas", use, f"Without pandas, `{use}_table` gives a pyarrow.Table")
    made: pd.DataFrame = table.to_pandas()
    for name in nullable:
        numbers = table.column(name).to_pylist()
        made[name] = pandas.array(numbers, dtype="Int64")
    return made


def tidy(
    parts: Iterable[tuple[Mapping[str, Value], pa.Table]], axes: Sequence[str], empty: pa.Schema
) -> pa.Table:
    """Tables below each other, before each the cell's id and its values of the axes.

    Args:
        parts: of each cell, what it is known by (`cell` and each axis) and its table.
        axes: the names of the axes.
        empty: the columns of a table without rows, should there be no parts.
    """
    keys = ["cell", *axes]
    whole = [_beside(known, table, keys) for known, table in parts]
    if not whole:
        return _beside(dict.fromkeys(keys), empty.empty_table(), keys)
    return pa.concat_tables(whole, promote_options="permissive")


def _beside(known: Mapping[str, Value], table: pa.Table, keys: Sequence[str]) -> pa.Table:
    rows = table.num_rows
    columns = {key: column_of(known.get(key), rows) for key in keys}
    clash = [name for name in table.column_names if name in columns]
    for name in clash:
        # A series that has an axis's name: the axis is told from it.
        columns[f"axis {name}"] = columns.pop(name)
    columns |= {name: table.column(name) for name in table.column_names}
    return pa.table(columns)


def column_of(value: Value, rows: int) -> pa.Array:
    """A value so many times."""
    return pa.nulls(rows) if value is None else pa.repeat(pa.scalar(value), rows)


def mixed_column(values: Sequence[Any]) -> pa.Array:
    """Values of any kind: of one type where they have one, else as texts."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        numbers = all(v is None or isinstance(v, int | float) for v in values)
        if numbers and not any(isinstance(v, bool) for v in values):
            return pa.array(values, pa.float64())
        return pa.array([None if v is None else str(v) for v in values])


def thinned(table: pa.Table, every: int) -> pa.Table:
    """The rows whose epoch is a multiple of `every`, and the last one."""
    if every < 1:
        raise ValueError(f"every={every}: expected 1 or more epochs")
    if every == 1 or table.num_rows == 0:
        return table
    epochs = table.column("epoch").to_numpy()
    keep = epochs % every == 0
    keep[-1] = True
    return table.filter(pa.array(keep))


def with_values(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The rows in which at least one of these columns of doubles is a number."""
    if not names or table.num_rows == 0:
        return table
    known = [pc.invert(pc.is_null(table.column(n), nan_is_null=True)) for n in names]
    keep = known[0]
    for other in known[1:]:
        keep = pc.or_(keep, other)
    return table.filter(keep)


def numbers(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A column as float64, NaN where it is null."""
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), np.float64)
