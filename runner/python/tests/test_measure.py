"""A measure in Python, against the analysis that computes the same; what its failures become."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import grokrun as gk


def gini(snapshot: gk.Snapshot) -> dict[str, float]:
    """How few Fourier frequencies carry the embedding (Hurley and Rickard 2009)."""
    embedding = snapshot.weights["embed.W_E"][:-1]
    waves = np.abs(np.fft.rfft(embedding, axis=0)[1:]) ** 2
    norms = np.sort(np.sqrt(waves.sum(axis=1)))
    n = len(norms)
    weighted = (norms / norms.sum() * (n - np.arange(1, n + 1) + 0.5)).sum()
    return {"gini": 1 - 2 * weighted / n, "largest": norms[-1]}


def test_a_measure_in_python_finds_what_the_analysis_finds(single: Path) -> None:
    run = gk.analyze(single, only=["fourier-sparsity"], progress=False)
    found = run.measure_table(gini).to_pydict()
    theirs = run.series_table("fourier-sparsity", "W_E gini").to_pydict()
    assert found["epoch"] == theirs["epoch"] == list(range(0, 201, 5))
    assert found["gini"] == pytest.approx(theirs["W_E gini"], abs=1e-5)
    # The control: the other number of the function is another one.
    assert found["largest"] != pytest.approx(theirs["W_E gini"], abs=1e-2)


def test_it_has_the_axes_and_may_take_several_cells_at_once(sweep: Path) -> None:
    run = gk.open(sweep)
    table = run.measure_table(gini, every=40)
    assert table.column_names == ["cell", "fraction", "model_seed", "epoch", "gini", "largest"]
    assert table.num_rows == 6 * 3 and set(table.column("epoch").to_pylist()) == {0, 40, 60}
    with ThreadPoolExecutor(2) as pool:
        assert run.measure_table(gini, every=40, mapping=pool.map).equals(table)


def test_one_that_fails_takes_no_other_with_it(sweep: Path) -> None:
    run = gk.open(sweep)

    def fragile(snapshot: gk.Snapshot) -> dict[str, float]:
        if snapshot.epoch == 40 and snapshot.cell is run.all[1]:
            raise ZeroDivisionError("no key frequency")
        return {"x": 1.0} if snapshot.epoch else {"y": 2.0}

    said = f"failed for 1 snapshots: {run.all[1].id}, epoch 40: ZeroDivisionError: no key frequency"
    with pytest.warns(gk.AnalysisWarning, match=said):
        table = run.measure_table(fragile)
    assert table.num_rows == 6 * 4 - 1
    assert np.isnan(table.column("x").to_pylist()[0]) and table.column("y").to_pylist()[0] == 2.0
    with pytest.raises(gk.NotThere, match="it returned float; expected numbers by name"):
        run.measure_table(lambda snapshot: 1.0)  # type: ignore[arg-type, return-value]
