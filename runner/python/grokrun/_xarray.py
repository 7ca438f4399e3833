"""Puts the curves of a run into an xarray.Dataset.

Owns its dimensions. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from . import _frames
from ._optional import need

if TYPE_CHECKING:
    from ._cell import Cell
    from ._run import Run


def dataset(run: Run, analysis: str | None, names: Sequence[str], every: int) -> Any:
    """What `Run.xarray` says."""
    xarray = need("xarray", "xarray")
    tables: list[tuple[Cell, pa.Table]] = []
    for cell in run.all if analysis is None else list(run._having(analysis)):
        if analysis is None:
            table = cell.history_table(*names, every=every)
        else:
            table = _frames.thinned(cell.series_table(analysis, *names), every)
        tables.append((cell, table))
    variables = list(
        dict.fromkeys(n for _, table in tables for n in table.column_names if n != "epoch")
    )
    epochs = np.unique(
        np.concatenate([_epochs(table) for _, table in tables] or [np.zeros(0, np.int64)])
    )
    values = {name: np.full((len(tables), len(epochs)), np.nan) for name in variables}
    for row, (_, table) in enumerate(tables):
        at = np.searchsorted(epochs, _epochs(table))
        for name in set(variables) & set(table.column_names):
            values[name][row, at] = _frames.numbers(table, name)
    cells = [cell for cell, _ in tables]
    made = xarray.Dataset(
        {name: (("cell", "epoch"), numbers) for name, numbers in values.items()},
        coords={"cell": [cell.id for cell in cells], "epoch": epochs},
        attrs={"run": run.name, **({"analysis": analysis} if analysis else {})},
    )
    axes = {axis: ("cell", _values(cells, axis)) for axis in run.axes}
    made = made.assign_coords(axes)
    return _unstacked(made, run.axes) if _is_grid(cells, run.axes) else made


def _epochs(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(table.column("epoch").to_numpy(), np.int64)


def _values(cells: Sequence[Cell], axis: str) -> np.ndarray[Any, Any]:
    column = _frames.mixed_column([cell.settings.get(axis) for cell in cells])
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _is_grid(cells: Sequence[Cell], axes: Sequence[str]) -> bool:
    """Whether each combination of the axes' values is there once."""
    there = {tuple(cell.settings.get(axis) for axis in axes) for cell in cells}
    sizes = [len({point[i] for point in there}) for i in range(len(axes))]
    none = any(value is None for point in there for value in point)
    return bool(axes) and not none and len(there) == len(cells) == int(np.prod(sizes))


def _unstacked(made: Any, axes: Sequence[str]) -> Any:
    ids = made["cell"].to_numpy()
    made = made.drop_vars("cell")
    if len(axes) == 1:
        made = made.swap_dims({"cell": axes[0]}).sortby(axes[0])
        return made.transpose(axes[0], "epoch")
    made = made.assign(cell_id=("cell", ids))
    return made.set_index(cell=list(axes)).unstack("cell").transpose(*axes, "epoch", ...)
