"""The notebook of the course, executed on a smaller model than it trains by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import grokrun as gk
from conftest import REPOSITORY

NOTEBOOK = REPOSITORY / "doc/notebooks/course.ipynb"
#: In place of the notebook's own: modulo 59 for 3,000 epochs takes some minutes.
SMALLER = {
    "name": "course", "modulus": 23, "fraction": 0.7, "train.epochs": 600, "checkpoints.every": 60,
    "model.d_model": 64, "model.d_mlp": 128, "model.d_head": 16,
}  # fmt: skip


def test_the_course_from_a_short_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 12 and not any(cell["outputs"] for cell in code)
    monkeypatch.chdir(tmp_path)
    # Figures that another test has drawn are not counted.
    pyplot.close("all")
    names: dict[str, Any] = {}
    replaced, drawn = 0, 0
    for cell in code:
        source = "".join(cell["source"])
        if "parameters" in cell["metadata"].get("tags", ()):
            source, replaced = f"settings = {SMALLER!r}", replaced + 1
        exec(compile(source, str(NOTEBOOK), "exec"), names)
        for number in pyplot.get_fignums():
            figure = pyplot.figure(number)
            figure.canvas.draw()
            # Something was drawn in each of its axes.
            assert all(ax.has_data() for ax in figure.axes), source
            drawn += 1
        pyplot.close("all")
    assert replaced == 1 and drawn == 9
    cell = gk.open(tmp_path / "runs/course").cell()
    assert cell.memorised is not None or cell.summary["train_accuracy_since"] is not None
