"""Draws measures of a run with matplotlib.

Owns colours, bands and labels. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _frames
from ._optional import need
from .errors import NotThere, not_there

if TYPE_CHECKING:
    from ._cell import Cell
    from ._run import Run

Floats = NDArray[np.float64]

#: The quantiles of a band: its lower edge, its line, its upper edge.
_BANDS = {"quartiles": (0.25, 0.5, 0.75), "range": (0.0, 0.5, 1.0)}
#: Values that get an entry of the legend each; more are numbers on a colour bar, or not named.
_LEGEND = 12


def plot(
    run: Run,
    measure: str,
    analysis: str | None,
    color: str | None,
    band: str | None,
    logx: bool,
    logy: bool,
    every: int,
    ax: Any,
) -> Any:
    """What `Run.plot` says."""
    if band is not None and band not in _BANDS:
        raise not_there("band", band, _BANDS, "a plot")
    if color is not None and not any(color in cell.settings for cell in run.all):
        raise not_there("setting", color, run.all[0].settings if run.all else (), run.name)
    curves = _curves(run, measure, run.where(measure, analysis), every)
    ax = _axes(ax)
    groups = _groups(curves, color)
    alone = all(len(group) == 1 for _, group in groups)
    colours = _colours([value for value, _ in groups], color)
    for (_, group), (rgb, label) in zip(groups, colours, strict=True):
        for number, (_, epochs, values) in enumerate(group):
            named = label if number == 0 and (band is None or alone) else None
            faint = dict(linewidth=0.8, alpha=0.45) if band else dict(linewidth=1.3)
            ax.plot(epochs, values, color=rgb, label=named, **faint)
        if band is not None and not alone:
            _band(ax, group, band, rgb, label)
    if band is not None and alone:
        _band(ax, curves, band, "0.45", f"median of {len(curves)}")
    _finish(ax, run, measure, color, [value for value, _ in groups], logx, logy)
    return ax


Curve = tuple["Cell", Floats, Floats]


def _curves(run: Run, measure: str, analysis: str | None, every: int) -> list[Curve]:
    """The epochs and values of each cell, without what is not a number."""
    curves = []
    for cell in run.all if analysis is None else list(run._having(analysis)):
        if analysis is None:
            table = cell.history_table(measure, every=every)
        else:
            table = cell.series_table(analysis, measure)
        epochs, values = _frames.numbers(table, "epoch"), _frames.numbers(table, measure)
        there = np.isfinite(values)
        if there.any():
            curves.append((cell, epochs[there], values[there]))
    if not curves:
        raise NotThere(f"{measure!r} has no numbers in {run.name}")
    return curves


def _groups(curves: Sequence[Curve], color: str | None) -> list[tuple[Any, list[Curve]]]:
    """Curves by the value of a setting, in the order of the values."""
    groups: dict[Any, list[Curve]] = {}
    for curve in curves:
        groups.setdefault(curve[0].settings.get(color) if color else None, []).append(curve)
    if all(_number(value) for value in groups):
        return sorted(groups.items(), key=lambda item: float(item[0]))
    return list(groups.items())


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _colours(values: Sequence[Any], color: str | None) -> list[tuple[Any, str | None]]:
    """A colour and a label for each value of a setting."""
    pyplot = need("matplotlib.pyplot", "plot")
    if color is None:
        return [("C0", None)] * len(values)
    if len(values) <= 10 and not (len(values) > 4 and all(map(_number, values))):
        return [(f"C{i}", f"{color} = {value}") for i, value in enumerate(values)]
    ramp = pyplot.get_cmap("viridis")
    at = np.linspace(0.0, 0.92, len(values))
    named = len(values) <= _LEGEND
    return [(ramp(x), f"{color} = {v}" if named else None) for x, v in zip(at, values, strict=True)]


def _band(ax: Any, curves: Sequence[Curve], band: str, rgb: Any, label: str | None) -> None:
    """The median of curves and an area around it, at epochs at which any of them has a number."""
    epochs = np.unique(np.concatenate([epochs for _, epochs, _ in curves]))
    table = np.full((len(curves), len(epochs)), np.nan)
    for row, (_, at, values) in zip(table, curves, strict=True):
        row[np.searchsorted(epochs, at)] = values
    low, middle, high = np.nanquantile(table, _BANDS[band], axis=0)
    ax.fill_between(epochs, low, high, color=rgb, alpha=0.2, linewidth=0)
    ax.plot(epochs, middle, color=rgb, linewidth=2.0, label=label)


def plot_survival(run: Run, event: str, by: str | None, ax: Any) -> Any:
    """What `Run.plot_survival` says."""
    estimates = run.survivals(event, [by] if by else [])
    ax = _axes(ax)
    colours = _colours([values.get(by) if by else None for values, _ in estimates], by)
    for (_, estimate), (rgb, label) in zip(estimates, colours, strict=True):
        epochs = np.concatenate([[0], estimate.epoch])
        steps = {name: np.concatenate([[1.0], getattr(estimate, name)])
                 for name in ("survival", "lower", "upper")}  # fmt: skip
        ax.step(epochs, steps["survival"], where="post", color=rgb, label=label, linewidth=1.8)
        ax.fill_between(epochs, steps["lower"], steps["upper"], step="post", color=rgb, alpha=0.15,
                        linewidth=0)  # fmt: skip
        ended = estimate.censored > 0
        ax.plot(estimate.epoch[ended], estimate.survival[ended], "|", color=rgb, markersize=9)
    ax.set(
        xlabel="epoch",
        ylabel=f"share of cells that have not {event}",
        ylim=(-0.03, 1.03),
        title=run.name,
    )
    if by:
        ax.legend(frameon=False)
    return ax


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    pyplot = need(
        "matplotlib.pyplot", "plot", "Without matplotlib, `history` and `series` have the numbers"
    )
    return pyplot.subplots(figsize=(7.0, 4.2), layout="constrained")[1]


def _finish(
    ax: Any,
    run: Run,
    measure: str,
    color: str | None,
    values: Sequence[Any],
    logx: bool,
    logy: bool,
) -> None:
    ax.set(xlabel="epoch", ylabel=measure.replace("_", " "), title=run.name)
    if logx:
        # Epoch 0 has no logarithm, and stays visible.
        ax.set_xscale("symlog", linthresh=1)
    if logy:
        ax.set_yscale("log")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize="small")
    if color is not None and len(values) > _LEGEND:
        _note(ax, color, values)


def _note(ax: Any, color: str, values: Sequence[Any]) -> None:
    """Says what the colours run over where a legend would be too long."""
    said = f"colour: {color}, {values[0]} (dark) to {values[-1]} (light)"
    ax.annotate(
        said, (0.99, 0.99), xycoords="axes fraction", ha="right", va="top", fontsize="small"
    )
