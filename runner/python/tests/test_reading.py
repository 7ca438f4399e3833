"""Tables of a run agree with its files, read by other means."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import grokrun as gk

pd = pytest.importorskip("pandas")


def test_cells_have_the_axes_and_the_outcomes(sweep: Path) -> None:
    run = gk.open(sweep)
    assert run.axes == ["fraction", "model_seed"] and len(run) == 6
    frame = run.cells
    assert list(frame.columns[:3]) == ["cell", "fraction", "model_seed"]
    summary = {cell["cell"]: cell for cell in json.loads((sweep / "summary.json").read_text())}
    assert list(frame["cell"]) == list(summary)
    for row in frame.to_dict("records"):
        said = summary[row["cell"]]
        config = json.loads((sweep / "cells" / row["cell"] / "config.json").read_text())
        assert row["fraction"] == config["task"]["fraction"]
        assert row["model_seed"] == config["seeds"]["model"]
        assert row["test_loss"] == said["last"]["test_loss"]
        assert row["best_test_loss"] == said["best"]["test_loss"]
        held = said["train_accuracy_epoch"]
        assert pd.isna(row["memorised"]) if held is None else row["memorised"] == held
    # Whole numbers stay whole beside missing ones.
    assert frame["grokked"].dtype == "Int64"


def test_histories_stand_below_each_other(sweep: Path) -> None:
    run = gk.open(sweep)
    frame = run.history("test_loss")
    assert list(frame.columns) == ["cell", "fraction", "model_seed", "epoch", "test_loss"]
    assert len(frame) == 6 * 60
    for cell in run:
        direct = pq.read_table(cell.folder / "metrics.parquet")["test_loss"].to_numpy()
        assert (frame[frame["cell"] == cell.id]["test_loss"].to_numpy() == direct).all()
    few = run.history("test_loss", every=25)
    assert list(few[few["cell"] == run.all[0].id]["epoch"]) == [0, 25, 50, 59]


def test_restricted_loss_of_32_seeds_in_two_lines(trained) -> None:
    from conftest import tiny

    more = "[analysis.progress-measures]\n"
    folder = trained("seeds32", tiny(seeds="{ start = 0, count = 32 }", epochs=20, more=more))
    # The two lines.
    run = gk.open(folder)
    frame = run.series("progress-measures", "restricted loss")
    wide = frame.pivot(index="epoch", columns="model_seed", values="restricted loss")
    assert wide.shape == (2, 32) and list(wide.columns) == list(range(32))
    for cell in run:
        direct = pq.read_table(cell.folder / "analysis/progress-measures/series.parquet")
        seed = cell.settings["model_seed"]
        assert (wide[seed].to_numpy() == direct["restricted loss"].to_numpy()).all()
    assert np.isfinite(wide.to_numpy()).all() and len(set(wide.iloc[-1])) == 32


def test_a_cell_is_found_by_its_settings(sweep: Path) -> None:
    run = gk.open(sweep)
    cell = run.cell(fraction=0.6, model_seed=2)
    assert cell.settings["model_seed"] == 2 and run.cell(cell.id).folder == cell.folder
    assert len(run.select(model_seed=[0, 2])) == 4 and run.select(fraction=0.6).axes == [
        "model_seed"
    ]
    assert run.cell(fraction=0.6, model_seed=np.int64(2)).id == cell.id
    with pytest.raises(gk.NotThere, match=r"3 cells.*model_seed = 0 \| 1 \| 2"):
        run.cell(fraction=0.6)
    with pytest.raises(
        gk.NotThere, match="no cell of sweep has model_seed = 7; there are: 0, 1, 2"
    ):
        run.cell(model_seed=7)
    with pytest.raises(gk.NotThere, match="did you mean 'model_seed'"):
        run.cell(model_sed=1)


def test_settings_with_one_name_in_two_tables_keep_their_tables() -> None:
    from grokrun._settings import axes, settings

    cell = settings(
        {"data": {"kind": 1}, "model": {"kind": "mlp", "hidden": [2, 3]}, "train": None}
    )
    assert cell == {"data.kind": 1, "model.kind": "mlp", "hidden": "[2,3]"}
    # 1 and True are two values, and a setting that only one has is an axis.
    assert axes([{"a": 1, "b": 2}, {"a": True, "b": 2, "c": 0}]) == ["a", "c"]


def test_findings_of_a_cell(sweep: Path) -> None:
    cell = gk.open(sweep).cell(fraction=0.8, model_seed=1)
    assert cell.analyses == ["effective-weights", "progress-measures"]
    tensors = cell.tensors("effective-weights")
    heads = tensors["W_neur-norms"]
    assert heads.shape == (4, 4, 6) and heads.dtype == np.float32
    assert list(tensors.epochs("W_neur-norms")) == [0, 20, 40, 60]
    assert not any(name.endswith(".epochs") for name in tensors)
    table = cell.table("progress-measures", "key-frequencies")
    text = (cell.folder / "analysis/progress-measures/key-frequencies.table.json").read_text()
    assert [list(row) for row in table.itertuples(index=False)] == json.loads(text)["rows"]
    assert {"data", "layout"} <= set(cell.figure_json("progress-measures", "losses"))
    with pytest.raises(gk.NotThere, match="did you mean 'losses'"):
        cell.figure_json("progress-measures", "loses")
    with pytest.raises(gk.NotThere, match="has no analysis 'progress'"):
        cell.tensors("progress")


def test_cells_without_findings_are_named(sweep: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "sweep"
    shutil.copytree(sweep, copy)
    run = gk.open(copy)
    gone, failed = run.all[0], run.all[1]
    shutil.rmtree(gone.folder / "analysis/progress-measures")
    index = failed.folder / "analysis/progress-measures/findings.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "failure": "out of frequencies"}))
    with pytest.warns(gk.AnalysisWarning, match=f"2 of 6.*{gone.id}.*out of frequencies"):
        frame = run.series("progress-measures", "restricted loss")
    assert set(frame["cell"]) == {cell.id for cell in run.all[2:]}
    with pytest.raises(gk.AnalysisFailed, match="out of frequencies"):
        failed.tensors("progress-measures")


def test_a_run_that_is_being_trained_can_be_read(sweep: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "sweep"
    shutil.copytree(sweep, copy)
    (copy / "summary.json").unlink()
    run = gk.open(copy)
    assert len(run) == 6 and run.cells["verdict"].isna().all()
    with pytest.raises(gk.NotThere, match="no cell yet"):
        run.survival()


def test_what_is_no_run_is_said(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(gk.NotARun, match="sweep"):
        gk.open(sweep.parent)
    with pytest.raises(gk.NotARun, match="no folder"):
        gk.open(tmp_path / "nothing")
    (tmp_path / "run.json").write_text('{"format": 2}')
    with pytest.raises(gk.NotARun, match="newer"):
        gk.open(tmp_path)


def test_xarray_has_the_axes_as_dimensions(sweep: Path) -> None:
    pytest.importorskip("xarray")
    run = gk.open(sweep)
    made = run.xarray("progress-measures", "restricted loss")
    assert dict(made.sizes) == {"fraction": 2, "model_seed": 3, "epoch": 4}
    frame = run.series("progress-measures", "restricted loss")
    for row in frame.to_dict("records"):
        point = made["restricted loss"].sel(
            {k: row[k] for k in ("fraction", "model_seed", "epoch")}
        )
        assert float(point) == row["restricted loss"]
    # A grid with a hole is a list of cells.
    run.all.pop()
    ragged = run.xarray()
    assert dict(ragged.sizes) == {"cell": 5, "epoch": 60}
    assert list(ragged["model_seed"].to_numpy()) == [0, 1, 2, 0, 1]


def test_notebooks_show_runs_and_cells(sweep: Path) -> None:
    run = gk.open(sweep)
    html = run._repr_html_()
    assert html.count("<svg") == 6 and all(cell.id in html for cell in run)
    cell = run.all[0]
    cell.summary = {"verdict": "<script>"}
    assert "<script>" not in cell._repr_html_() and "&lt;script&gt;" in cell._repr_html_()
    import xml.etree.ElementTree as ET

    ET.fromstring(run._repr_html_())


def test_nothing_warns_on_the_way(sweep: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = gk.open(sweep)
        assert len(run.cells) and len(run.history()) and len(run.series("effective-weights"))
        assert len(run.survival("memorised", by="fraction"))
