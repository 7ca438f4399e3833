"""Measures of your own: a Python function over the checkpoints of a run.

Owns how it is called and what becomes of its values. Knows nothing of what it computes. What it
finds is a table in Python; files of a run are written by the program alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from . import _frames
from ._safetensors import Array
from .errors import AnalysisWarning, NotThere

if TYPE_CHECKING:
    from ._cell import Cell
    from ._run import Run


@dataclass
class Snapshot:
    """What a measure is called with: a cell after so many steps.

    Attributes:
        cell: the cell, with its `config`, `settings`, `split()` and findings.
        epoch: steps taken; 0 is the initial weights.
    """

    cell: Cell
    epoch: int

    @cached_property
    def weights(self) -> dict[str, Array]:
        """The weights by name, as float64: (p + 1, d_model) for `embed.W_E`, and so on."""
        return {name: x.astype(np.float64) for name, x in self.cell.weights(self.epoch).items()}


#: A measure: numbers by name.
Measure = Callable[[Snapshot], Mapping[str, float]]
#: The built-in `map`, or that of an executor.
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def measure(run: Run, function: Measure, every: int, mapping: Map) -> pa.Table:
    """What `Run.measure_table` says."""
    parts, failed = [], []
    one = partial(_of_cell, function, every)
    for cell, (table, failures) in zip(run.all, mapping(one, run.all), strict=True):
        failed += failures
        if table.num_rows:
            parts.append((cell.known_by(run.axes), table))
    if not parts:
        raise NotThere(_said(failed) if failed else f"{run.name} has no checkpoints to measure")
    if failed:
        warnings.warn(_said(failed), AnalysisWarning, stacklevel=3)
    return _frames.tidy(parts, run.axes, pa.schema([("epoch", pa.int64())]))


def _of_cell(function: Measure, every: int, cell: Cell) -> tuple[pa.Table, list[str]]:
    """The values of a cell, and of which epochs there are none, and why."""
    epochs, rows, failed = [], [], []
    for epoch in _chosen(cell.checkpoints, every):
        try:
            rows.append(_numbers(function(Snapshot(cell, epoch))))
            epochs.append(epoch)
        except Exception as error:
            # One that fails takes no other with it.
            failed.append(f"{cell.id}, epoch {epoch}: {type(error).__name__}: {error}")
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {n: pa.array([row.get(n, np.nan) for row in rows], pa.float64()) for n in names}
    return pa.table({"epoch": pa.array(epochs, pa.int64()), **columns}), failed


def _chosen(epochs: Sequence[int], every: int) -> list[int]:
    """The epochs that are multiples of `every`, and the last."""
    if every < 1:
        raise ValueError(f"every={every}: expected 1 or more epochs")
    return [epoch for epoch in epochs if epoch % every == 0 or epoch == epochs[-1]]


def _numbers(values: Any) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise TypeError(f"it returned {type(values).__name__}; expected numbers by name")
    return {str(name): float(value) for name, value in values.items()}


def _said(failed: list[str]) -> str:
    more = f", and {len(failed) - 3} more" if len(failed) > 3 else ""
    return f"the measure failed for {len(failed)} snapshots: {'; '.join(failed[:3])}{more}"
