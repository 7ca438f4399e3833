"""What `grokrun export` writes for tables and trackers, read back by the stock readers."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from pyarrow import csv

import grokrun as gk

METRICS = ["train_loss", "test_loss", "train_accuracy", "test_accuracy"]


@pytest.fixture(scope="module")
def exported(sweep: Path, tmp_path_factory: pytest.TempPathFactory):
    """Exports the sweep in a format; returns where."""
    folder = tmp_path_factory.mktemp("exported")

    def export(format: str, *more: str) -> Path:
        path = folder / "-".join([format, *more])
        if path.exists():
            return path
        command = [gk.binary(), "export", sweep, "--format", format, "-o", path, *more]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str(path)
        return path

    return export


def curves(cell: gk.Cell) -> dict[str, dict[int, float]]:
    """Each curve of a cell by its name: the value at each epoch at which there is one."""
    table = cell.history_table()
    epochs = table.column("epoch").to_pylist()
    found = {m: dict(zip(epochs, table.column(m).to_pylist(), strict=True)) for m in METRICS}
    for analysis in cell.analyses:
        table = cell.series_table(analysis)
        epochs = table.column("epoch").to_pylist()
        for name in table.column_names[1:]:
            values = zip(epochs, table.column(name).to_pylist(), strict=True)
            found[f"{analysis}/{name}"] = {e: v for e, v in values if v is not None and v == v}
    return found


def test_a_table_has_every_value_of_every_cell(exported, sweep: Path) -> None:
    table = csv.read_csv(exported("csv"))
    run = gk.open(sweep)
    assert table.column_names[:4] == ["cell", *run.axes, "epoch"]
    assert table.column("cell").unique().to_pylist() == [cell.id for cell in run]
    for cell in run:
        rows = table.filter(pc.equal(table.column("cell"), cell.id))
        for axis in run.axes:
            assert rows.column(axis).unique().to_pylist() == [cell.settings[axis]]
        epochs = rows.column("epoch").to_pylist()
        for name, values in curves(cell).items():
            column = zip(epochs, rows.column(name).to_pylist(), strict=True)
            assert {e: v for e, v in column if v is not None} == values, name
    one = csv.read_csv(exported("csv", "--cell", run.all[2].id))
    assert one.column("cell").unique().to_pylist() == [run.all[2].id]
    assert one.column_names[1] == "epoch"


def test_tensorboard_reads_every_value_and_the_settings(exported, sweep: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="tensorboard is not installed",
    )
    from tensorboard.plugins.hparams import plugin_data_pb2

    logs = exported("tensorboard")
    run = gk.open(sweep)
    assert {path.name for path in logs.iterdir()} == {cell.id for cell in run}
    for cell in run:
        everything = {name: 0 for name in accumulator.DEFAULT_SIZE_GUIDANCE}
        events = accumulator.EventAccumulator(str(logs / cell.id), everything)
        events.Reload()
        want = {name: values for name, values in curves(cell).items() if values}
        assert set(events.Tags()["scalars"]) == set(want)
        for name, values in want.items():
            found = {event.step: event.value for event in events.Scalars(name)}
            assert found == {e: float(np.float32(v)) for e, v in values.items()}, name
        content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
        told = {n: getattr(v, v.WhichOneof("kind")) for n, v in start.hparams.items()}
        assert told == {n: v for n, v in cell.settings.items() if v is not None}


@pytest.mark.parametrize("fast", ["false", "true"])
def test_tensorboards_own_server_lists_them(exported, sweep: Path, fast: str) -> None:
    """The page's plugins for scalars and hyperparameters, behind each of TensorBoard's readers."""
    program = pytest.importorskip("tensorboard.program", reason="tensorboard is not installed")
    from tensorboard import default

    board = program.TensorBoard(default.get_plugins())
    flags = ["--logdir", str(exported("tensorboard")), "--host", "127.0.0.1", "--port", "0"]
    board.configure(
        argv=[None, *flags, "--load_fast", fast, "--samples_per_plugin", "scalars=100000"]
    )
    url = board.launch()

    def get(path: str, body: object = None) -> object:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{url.rstrip('/')}/data/plugin/{path}", data)
        asked.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)

    run = gk.open(sweep)
    want = {cell.id: {n for n, values in curves(cell).items() if values} for cell in run}
    deadline = time.monotonic() + 60
    while {cell: set(tags) for cell, tags in get("scalars/tags").items()} != want:
        assert time.monotonic() < deadline, get("scalars/tags")
        time.sleep(0.2)
    for cell in run:
        query = urllib.parse.urlencode({"run": cell.id, "tag": "test_loss"})
        points = {step: value for _, step, value in get(f"scalars/scalars?{query}")}
        assert points == pytest.approx(curves(cell)["test_loss"], rel=1e-6, abs=0.0)
    asked = {"allowedStatuses": ["STATUS_SUCCESS"], "colParams": [], "sliceSize": 100}
    groups = get("hparams/session_groups", {"experimentName": "", "startIndex": 0, **asked})
    hparams = {group["name"]: group["hparams"] for group in groups["sessionGroups"]}
    assert set(hparams) == {cell.id for cell in run}
    for cell in run:
        assert hparams[cell.id]["model_seed"] == cell.settings["model_seed"]


def test_mlflow_reads_every_value_and_the_settings(
    exported, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    # Newer versions want this before it opens a folder.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    client = MlflowClient(exported("mlflow").as_uri())
    experiment = client.get_experiment_by_name("sweep")
    runs = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
    run = gk.open(sweep)
    assert set(runs) == {cell.id for cell in run}
    for cell in run:
        theirs = runs[cell.id]
        assert theirs.info.status == "FINISHED"
        assert theirs.data.tags["verdict"] == cell.verdict
        told = {n: v for n, v in cell.settings.items() if v is not None}
        assert set(theirs.data.params) == set(told)
        for name, value in told.items():
            said = theirs.data.params[name]
            assert said == value if isinstance(value, str) else json.loads(said) == value, name
        want = {_key(name): values for name, values in curves(cell).items() if values}
        assert set(theirs.data.metrics) == set(want)
        for name in ("test_loss", "progress-measures/restricted loss", next(reversed(want))):
            history = client.get_metric_history(theirs.info.run_id, name)
            assert {point.step: point.value for point in history} == want[name]
        for name, values in want.items():
            assert theirs.data.metrics[name] == values[max(values)], name


def _key(name: str) -> str:
    """A name as MLflow takes it."""
    analysis, slash, series = name.partition("/")
    series = "".join(c if c.isalnum() or c in "_-. " else "_" for c in series)
    return f"{analysis}{slash}{series}"


def test_an_output_that_is_there_is_not_replaced(exported, sweep: Path) -> None:
    logs = exported("tensorboard", "--cell", gk.open(sweep).all[0].id)
    command = [gk.binary(), "export", sweep, "--format", "tensorboard", "-o", logs]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "is there already" in done.stderr
    command = [gk.binary(), "export", sweep, "--format", "csv", "-o", logs / "x", "--cell", "c"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "has no cell c" in done.stderr
    assert not (logs / "x").exists()
