"""How runs and cells look in a notebook.

Owns the HTML: tables with a small curve for each cell. Knows nothing of files. Colours are the
notebook's own, so that light and dark themes both work.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import GrokrunError

if TYPE_CHECKING:
    from ._cell import Cell
    from ._run import Run

#: Rows that are shown of a run; the rest is counted.
_ROWS = 24
_WIDTH, _HEIGHT, _POINTS = 160, 26, 80


def run(of: Run) -> str:
    """A run: its cells with their axes, verdicts and losses."""
    axes = of.axes
    head = ["cell", *axes, "verdict", "train loss", "test loss", "test accuracy", "losses"]
    rows = [_row(cell, axes) for cell in of.all[:_ROWS]]
    more = len(of.all) - len(rows)
    note = f"<p>and {more} more: <code>run.cells</code></p>" if more else ""
    title = (
        f"<p><b>{escape(of.name)}</b>: {_count(len(of.all), 'cell')}, {escape(str(of.folder))}</p>"
    )
    return f"<div>{title}{_table(head, rows)}{note}</div>"


def cell(of: Cell) -> str:
    """A cell: its settings, what it has, its losses."""
    kept = of.checkpoints
    rows = [[escape(name), escape(str(value))] for name, value in of.settings.items()
            if value is not None]  # fmt: skip
    rows.append(["checkpoints", f"{len(kept)}, epochs {kept[0]} to {kept[-1]}" if kept else "none"])
    rows.append(["analyses", escape(", ".join(of.analyses) or "none")])
    title = f"<p><b>{escape(of.id)}</b>: {escape(of.verdict)}</p>"
    settings = f"<details><summary>settings and files</summary>{_table(['', ''], rows)}</details>"
    return f"<div>{title}{_curve(of)}{settings}</div>"


def _row(of: Cell, axes: list[str]) -> list[str]:
    last: dict[str, Any] = of.summary.get("last") or {}
    axis = [escape(_short(of.settings.get(name))) for name in axes]
    numbers = [_short(last.get("train_loss")), _short(last.get("test_loss"))]
    accuracy = last.get("test_accuracy")
    share = "" if accuracy is None else f"{100 * accuracy:.1f} %"
    return [f"<code>{escape(of.id)}</code>", *axis, escape(of.verdict), *numbers, share, _curve(of)]


def _short(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _table(head: list[str], rows: list[list[str]]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{value}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _curve(of: Cell) -> str:
    """Train (thin) and test loss over the epochs, both on one logarithmic axis."""
    try:
        table = of.history_table("train_loss", "test_loss")
    except GrokrunError as error:
        return escape(str(error))
    if table.num_rows < 2:
        return ""
    at = np.unique(np.linspace(0, table.num_rows - 1, _POINTS).astype(int))
    curves = [np.log10(np.maximum(table.column(name).to_numpy()[at], 1e-30))
              for name in ("train_loss", "test_loss")]  # fmt: skip
    finite = np.concatenate(curves)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return "no finite loss"
    low, high = float(finite.min()), float(finite.max())
    lines = "".join(
        f'<polyline points="{_points(at, curve, low, high)}" fill="none" '
        f'stroke="currentColor" stroke-width="{width}" opacity="{opacity}"/>'
        for curve, width, opacity in zip(curves, (0.8, 1.6), (0.6, 1.0), strict=True)
    )
    said = f"train and test loss, 10^{low:.1f} to 10^{high:.1f}"
    return (f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{said}">'
            f"<title>{said}</title>{lines}</svg>")  # fmt: skip


def _points(at: Any, curve: Any, low: float, high: float) -> str:
    x = 1 + (_WIDTH - 2) * at / max(at[-1], 1)
    y = 1 + (_HEIGHT - 2) * (high - curve) / max(high - low, 1e-9)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
