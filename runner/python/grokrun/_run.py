"""A run directory: its cells, and what they have, put together with the axes of the sweep.

Owns what can be asked of a run, and opening one. Knows nothing of the files of a cell.
"""

from __future__ import annotations

import builtins
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from . import _frames, _html, _measure, _settings, _survival
from ._cell import METRICS, Cell
from ._measure import Map, Measure
from ._owned import json_file
from ._survival import Survival
from .errors import AnalysisWarning, NotARun, NotThere, not_there

if TYPE_CHECKING:
    import matplotlib.axes
    import pandas as pd
    import xarray

#: The newest layout of a run directory that is read.
_FORMAT = 1
#: Events by name, each with the keys of summary.json: held for 500 epochs, and not yet.
EVENTS = {
    "grokked": ("test_accuracy_epoch", "test_accuracy_since"),
    "memorised": ("train_accuracy_epoch", "train_accuracy_since"),
}


def open(run: str | os.PathLike[str], *, verify: bool = False) -> Run:
    """Opens a run directory. Nothing but numpy and pyarrow is needed, and no program `grokrun`.

    Whose a file is, is compared whenever it is read.

    Args:
        run: the folder, `runs/seeds32`.
        verify: compare the digest of each file too; needs the package blake3.

    Raises:
        NotARun: the folder is none of a run, or of a newer version.
    """
    folder = Path(run)
    try:
        meta = json_file(folder / "run.json", verify)
    except (FileNotFoundError, NotADirectoryError):
        raise NotARun(_not_a_run(folder)) from None
    if not isinstance(meta, dict) or meta.get("format", 0) > _FORMAT:
        raise NotARun(f"{folder} has the format of a newer grokrun; update this package to read it")
    path = folder / "summary.json"
    summaries = json_file(path, verify) if path.is_file() else []
    by_cell = {summary["cell"]: summary for summary in summaries}
    cells = folder / "cells"
    names = sorted(os.listdir(cells)) if cells.is_dir() else []
    there = [name for name in names if (cells / name / "config.json").is_file()]
    # As the plan orders them; cells that are being trained have no summary yet, and come last.
    order = {name: place for place, name in enumerate(by_cell)}
    there.sort(key=lambda name: (order.get(name, len(order)), name))
    made = [Cell(cells / name, by_cell.get(name, {}), verify) for name in there]
    return Run(folder, meta, made)


def _not_a_run(folder: Path) -> str:
    said = f"{folder} is no run: it has no run.json"
    if not folder.is_dir():
        said = f"{folder} is no folder"
    beside = folder if folder.is_dir() else folder.parent
    found = (
        sorted(path.parent.name for path in beside.glob("*/run.json")) if beside.is_dir() else []
    )
    if found:
        said += f"; runs in {beside}: {', '.join(found[:20])}"
    return said


class Run:
    """A run, or a part of its cells; made by `grokrun.open`, `grokrun.run` and `select`.

    Attributes:
        folder: the run directory.
        name: the run's name.
        meta: run.json.
        all: its cells, in the order of the plan.
        axes: the names of the settings in which the cells differ, seeds last.
    """

    def __init__(self, folder: Path, meta: Mapping[str, Any], cells: Sequence[Cell]) -> None:
        self.folder = folder
        self.meta = meta
        self.name = str(meta.get("name") or folder.name)
        self.all = list(cells)
        self.axes = _settings.axes(cell.settings for cell in cells)

    # -- cells

    @property
    def cells(self) -> pd.DataFrame:
        """A row a cell: `cell`, the axes, and how it went.

        `status`, `verdict` (texts), `epochs` (in its history), `memorised`, `grokked` (Int64: first
        epoch of the train and the test accuracy at 0.99 or more for 500 further epochs),
        `memorised_since`, `grokked_since` (Int64: at 0.99 from this epoch to the end, which is
        not yet 500 epochs), the last epoch's `train_loss`, `test_loss`, `train_accuracy`,
        `test_accuracy`, the best of each (`best_…`), `seconds` of the last session, `device`.
        """
        whole = ["epochs", "memorised", "grokked", "memorised_since", "grokked_since"]
        return _frames.frame(self.cells_table(), "cells", whole)

    def cells_table(self) -> pa.Table:
        """The same as a pyarrow.Table, without pandas."""
        rows = [{**cell.known_by(self.axes), **_outcome(cell.summary)} for cell in self.all]
        names = list(rows[0]) if rows else ["cell", *_outcome({})]
        return pa.table({name: _frames.mixed_column([row[name] for row in rows]) for name in names})

    def cell(self, id: str | None = None, /, **settings: Any) -> Cell:
        """The one cell with this id, or with these settings: `run.cell(model_seed=7)`.

        A setting has the name of its key in the spec, seeds are `data_seed` and `model_seed`. A
        run of one cell needs neither.

        Raises:
            NotThere: no cell has these settings, or several have; the message tells them apart.
        """
        if id is not None:
            for cell in self.all:
                if cell.id == id:
                    return cell
            raise not_there("cell", id, [cell.id for cell in self.all], self.name)
        found = self.select(**settings).all
        if len(found) == 1:
            return found[0]
        differ = _settings.axes(cell.settings for cell in found)
        values = {axis: _values(found, axis) for axis in differ}
        said = ", ".join(f"{axis} = {' | '.join(v)}" for axis, v in values.items())
        raise NotThere(
            f"{len(found)} cells of {self.name} have these settings; tell them apart by {said}"
        )

    def select(self, **settings: Any) -> Run:
        """The cells with these settings, as a run of their own; a list stands for any in it.

        Raises:
            NotThere: no cell has them, or there is no such setting.
        """
        found = self.all
        for name, wanted in settings.items():
            self._setting(name)
            left = [cell for cell in found if _is(wanted, cell.settings.get(name))]
            if not left:
                there = ", ".join(_values(found, name))
                raise NotThere(
                    f"no cell of {self.name} has {name} = {wanted!r}; there are: {there}"
                )
            found = left
        if not found:
            raise NotThere(f"{self.name} has no cells yet")
        return Run(self.folder, self.meta, found)

    def _setting(self, name: str) -> None:
        known = dict.fromkeys(name for cell in self.all for name in cell.settings)
        if name not in known:
            raise not_there("setting", name, known, self.name)

    # -- curves

    def history(self, *names: str, every: int = 1) -> pd.DataFrame:
        """Losses and accuracies of all cells: `cell`, the axes, `epoch`, a column for each name.

        Args:
            names: of `train_loss`, `test_loss`, `train_accuracy`, `test_accuracy`; all by default.
            every: only epochs that are multiples of it, and each cell's last.
        """
        return _frames.frame(self.history_table(*names, every=every), "history")

    def history_table(self, *names: str, every: int = 1) -> pa.Table:
        """The same as a pyarrow.Table, without pandas."""
        parts = (
            (cell.known_by(self.axes), cell.history_table(*names, every=every)) for cell in self.all
        )
        columns = [(name, pa.float64()) for name in (names or METRICS)]
        return _frames.tidy(parts, self.axes, pa.schema([("epoch", pa.int64()), *columns]))

    def series(self, analysis: str, *names: str) -> pd.DataFrame:
        """Series of an analysis over all cells: `cell`, the axes, `epoch`, a column for each name.

        Epochs at which none of these series has a number are left out. Cells without findings are
        left out with an `AnalysisWarning` that names them.

        Args:
            analysis: `progress-measures`, for instance; `analyses` lists them.
            names: of series, `"restricted loss"`; all by default.
        """
        return _frames.frame(self.series_table(analysis, *names), "series")

    def series_table(self, analysis: str, *names: str) -> pa.Table:
        """The same as a pyarrow.Table, without pandas."""
        parts = []
        for cell in self._having(analysis):
            table = cell.series_table(analysis, *names)
            parts.append(
                (cell.known_by(self.axes), _frames.with_values(table, table.column_names[1:]))
            )
        return _frames.tidy(parts, self.axes, pa.schema([("epoch", pa.int64())]))

    def measure(
        self, function: Measure, *, every: int = 1, mapping: Map = builtins.map
    ) -> pd.DataFrame:
        """Calls your function with every checkpoint: `cell`, the axes, `epoch`, its numbers.

        A snapshot at which it fails is left out with an `AnalysisWarning` that says why. Nothing is
        written: an analysis that belongs to the run and its report is a plugin (doc/plugins.md).

        Args:
            function: takes a `Snapshot` (`weights`, `epoch`, `cell`), returns numbers by name.
            every: only checkpoints at multiples of it, and each cell's last.
            mapping: calls a function for each cell: `ThreadPoolExecutor().map`, to do several at
                once.
        """
        table = self.measure_table(function, every=every, mapping=mapping)
        return _frames.frame(table, "measure")

    def measure_table(
        self, function: Measure, *, every: int = 1, mapping: Map = builtins.map
    ) -> pa.Table:
        """The same as a pyarrow.Table, without pandas."""
        return _measure.measure(self, function, every, mapping)

    @property
    def analyses(self) -> list[str]:
        """The names of the analyses that at least one cell has, sorted."""
        return sorted({name for cell in self.all for name in cell.analyses})

    def _having(self, analysis: str) -> Iterator[Cell]:
        """The cells with findings of an analysis; warns of the others."""
        if analysis not in self.analyses:
            raise not_there("analysis", analysis, self.analyses, self.name)
        without, partly = [], []
        for cell in self.all:
            if analysis not in cell.analyses:
                without.append(cell.id)
            elif (failure := cell.findings(analysis).failure) is not None:
                without.append(f"{cell.id} ({failure})")
            else:
                if (epoch := cell.findings(analysis).so_far) is not None:
                    partly.append(f"{cell.id} (to epoch {epoch})")
                yield cell
        for cells, what in (without, "nothing"), (partly, "not all"):
            if cells:
                said = f"{analysis} has {what} of {len(cells)} of {len(self.all)} cells: "
                warnings.warn(said + ", ".join(cells[:8]), AnalysisWarning, stacklevel=3)

    def where(self, measure: str, analysis: str | None = None) -> str | None:
        """The analysis that has a series of this name; none for a metric of the history.

        Raises:
            NotThere: none has it, or several have, and `analysis` does not say which.
        """
        if analysis is None and measure in METRICS:
            return None
        having: dict[str, set[str]] = {}
        for cell in self.all:
            for name in cell.analyses:
                having.setdefault(name, set()).update(cell.findings(name).names("series"))
        if analysis is not None:
            if analysis not in having:
                raise not_there("analysis", analysis, having, self.name)
            having = {analysis: having[analysis]}
        found = [name for name, series in having.items() if measure in series]
        if len(found) == 1:
            return found[0]
        if found:
            raise NotThere(
                f"{measure!r} is a series of {' and '.join(sorted(found))}: say analysis=…"
            )
        every = {name for series in having.values() for name in series}
        raise not_there("series", measure, every | set(METRICS), self.name)

    # -- outcomes

    def survival(
        self, event: str = "grokked", by: str | Sequence[str] = (), confidence: float = 0.95
    ) -> pd.DataFrame:
        """When the cells grokked, by Kaplan and Meier's estimate: cells that did not are censored.

        A cell counts as later than its last epoch, or, where it is at 99 % to the end but not yet
        for 500 epochs, as later than the epoch since when it is. Cells whose training failed are
        left out. The formulas, Greenwood's error and the log-log interval, are in doc/python.md.

        Args:
            event: `grokked` or `memorised`.
            by: settings; an estimate for each combination of their values.
            confidence: the probability of the interval.

        Returns:
            The columns of `by`, then `epoch`, `at_risk`, `events`, `censored` (int64), `survival`
            (the share that has not grokked after this epoch), `error`, `lower`, `upper` (float64).
        """
        return _frames.frame(self.survival_table(event, by, confidence), "survival")

    def survival_table(
        self, event: str = "grokked", by: str | Sequence[str] = (), confidence: float = 0.95
    ) -> pa.Table:
        """The same as a pyarrow.Table, without pandas."""
        names = [by] if isinstance(by, str) else list(by)
        parts = []
        for values, estimate in self.survivals(event, names, confidence):
            columns: dict[str, Any] = estimate.columns()
            keys = {name: _frames.column_of(values[name], len(estimate.epoch)) for name in names}
            parts.append(pa.table({**keys, **columns}))
        return pa.concat_tables(parts, promote_options="permissive")

    def survivals(
        self, event: str = "grokked", by: Sequence[str] = (), confidence: float = 0.95
    ) -> list[tuple[dict[str, Any], Survival]]:
        """The estimates themselves, each with its values of `by`."""
        if event not in EVENTS:
            raise not_there("event", event, EVENTS, "a cell")
        for name in by:
            self._setting(name)
        groups: dict[tuple[Any, ...], list[Cell]] = {}
        for cell in self.all:
            if cell.summary and cell.summary.get("status") != "failed":
                groups.setdefault(tuple(cell.settings.get(name) for name in by), []).append(cell)
        if not groups:
            raise NotThere(f"{self.name} has no cell yet whose outcome is known")
        made = []
        for values, cells in groups.items():
            epochs, seen = zip(*(_when(cell.summary, event) for cell in cells), strict=True)
            estimate = _survival.kaplan_meier(epochs, seen, confidence)
            made.append((dict(zip(by, values, strict=True)), estimate))
        return made

    # -- pictures

    def plot(
        self,
        measure: str,
        *,
        analysis: str | None = None,
        color: str | None = None,
        band: str | None = None,
        logx: bool = False,
        logy: bool = False,
        every: int = 1,
        ax: matplotlib.axes.Axes | None = None,
    ) -> matplotlib.axes.Axes:
        """Draws a metric or a series over the epochs, a line a cell. Needs matplotlib.

        Args:
            measure: a metric (`"test_loss"`) or a series of an analysis (`"restricted loss"`).
            analysis: whose series, where several have one of this name.
            color: a setting; cells of one value have one colour.
            band: `"quartiles"` or `"range"`: a line at the median and an area from the first to
                the third quartile, or from the least to the greatest, of the cells of each colour;
                of all cells where each has a colour of its own.
            logx, logy: logarithmic axes.
            every: only epochs of a metric that are multiples of it.
            ax: axes to draw on; new ones by default.
        """
        from . import _plot

        drawn: matplotlib.axes.Axes = _plot.plot(
            self, measure, analysis, color, band, logx, logy, every, ax
        )
        return drawn

    def plot_survival(
        self,
        event: str = "grokked",
        *,
        by: str | None = None,
        ax: matplotlib.axes.Axes | None = None,
    ) -> matplotlib.axes.Axes:
        """Draws the share that has not grokked yet, with its interval. Needs matplotlib."""
        from . import _plot

        drawn: matplotlib.axes.Axes = _plot.plot_survival(self, event, by, ax)
        return drawn

    def xarray(self, analysis: str | None = None, *names: str, every: int = 1) -> xarray.Dataset:
        """The histories, or the series of an analysis, as an xarray.Dataset. Needs xarray.

        Its dimensions are the axes and `epoch` where the cells are a full grid of their axes, else
        `cell` and `epoch`, with the axes as coordinates of `cell`. NaN where a cell has no number.
        """
        from . import _xarray

        return _xarray.dataset(self, analysis, names, every)

    # -- looks

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.all)

    def __repr__(self) -> str:
        axes = f" over {', '.join(self.axes)}" if self.axes else ""
        return f"<grokrun.Run {self.name}: {len(self.all)} cell{'s' * (len(self.all) != 1)}{axes}>"

    def _repr_html_(self) -> str:
        return _html.run(self)


def _is(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, list | tuple | set | range | np.ndarray):
        several = [_settings.same(_plain(one), found) for one in wanted]
        return any(several) or (isinstance(wanted, list) and _settings.same(wanted, found))
    return _settings.same(_plain(wanted), found)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _values(cells: Sequence[Cell], name: str) -> list[str]:
    """The different values of a setting, at most twenty of them."""
    found = list(dict.fromkeys(repr(cell.settings.get(name)) for cell in cells))
    return found if len(found) <= 20 else [*found[:20], f"and {len(found) - 20} more"]


def _outcome(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `Run.cells` after the axes."""
    outcome = {name: summary.get(name) for name in ("status", "verdict", "epochs")}
    for event, (held, since) in reversed(EVENTS.items()):
        outcome |= {event: summary.get(held), f"{event}_since": summary.get(since)}
    last, best = summary.get("last") or {}, summary.get("best") or {}
    outcome |= {name: last.get(name) for name in METRICS}
    outcome |= {f"best_{name}": best.get(name) for name in METRICS}
    return outcome | {name: summary.get(name) for name in ("seconds", "device")}


def _when(summary: Mapping[str, Any], event: str) -> tuple[int, bool]:
    """The epoch of the event and True, or until when it is not known to have happened and False."""
    held, since = (summary.get(key) for key in EVENTS[event])
    if held is not None:
        return int(held), True
    return int(since if since is not None else summary["epochs"]), False
