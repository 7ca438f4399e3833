"""Reads a run without the package, by pandas, polars, plotly and numpy: each kind of its files.

    python read_run.py RUN CELL ANALYSIS FIGURE [EXPORTED.npz]

Exits with 77 and a line that begins with "skipped" where a package is missing.
"""
import sys

try:
    import numpy as np
    import pandas as pd
    import plotly.io
    import polars as pl
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def main(run, cell, analysis, figure, npz=None):
    folder = f"{run}/cells/{cell}"
    # pandas
    metrics = pd.read_parquet(f"{folder}/metrics.parquet")
    series = pd.read_parquet(f"{folder}/analysis/{analysis}/series.parquet")
    summary = pd.read_json(f"{run}/summary.json")
    assert list(metrics)[:5] == ["epoch", "train_loss", "test_loss", "train_accuracy", "test_accuracy"]
    assert (metrics["epoch"] == range(len(metrics))).all() and metrics["train_loss"].dtype == "float64"
    assert "epoch" in series and len(series) > 1
    assert summary["cell"].tolist() == [cell]
    # polars
    lazy = pl.scan_parquet(f"{folder}/metrics.parquet")
    best = lazy.filter(pl.col("test_accuracy") > 0.99).select(pl.col("epoch").min()).collect()
    rows = pl.read_parquet(f"{folder}/analysis/{analysis}/series.parquet")
    assert best.height == 1 and rows.columns == list(series)
    assert (pl.read_parquet(f"{folder}/metrics.parquet")["train_loss"].to_numpy() == metrics["train_loss"]).all()
    # plotly
    text = open(f"{folder}/analysis/{analysis}/{figure}.figure.json").read()
    drawn = plotly.io.from_json(text)
    assert len(drawn.data) > 0 and "<div" in drawn.to_html(include_plotlyjs=False)
    # numpy
    if npz:
        file = np.load(npz)
        assert (file["train_losses"] == metrics["train_loss"]).all()
        assert file["embed.W_E"].dtype == np.float32 and '"d_vocab"' in file["config"].item()
        assert len(np.intersect1d(file["train_indices"], file["test_indices"])) == 0
    print(f"read: {len(metrics)} epochs, {len(series)} rows, {len(drawn.data)} traces")


if __name__ == "__main__":
    main(*sys.argv[1:])
