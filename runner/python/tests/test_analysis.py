"""Analyses in Python that the program calls: against the one in Rust, and how they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import tiny

import grokrun as gk
from grokrun.analysis import Snapshot, Task, collected, example

#: The Gini coefficient of the embedding's spectrum, as fourier-sparsity has it.
GINI = '''"""How few frequencies carry the embedding."""
import logging
from dataclasses import dataclass

import numpy as np

needs = ["weight.*", "history.*"]


@dataclass
class Config:
    scale: float = 1.0


class Analysis:
    def __init__(self, config, task):
        self.config, self.task, self.seen = config, task, 0

    def observe(self, snapshot, out):
        embedding = snapshot.weight("embed.W_E")[:-1].astype(np.float64)
        assert not snapshot.weight("embed.W_E").flags.writeable
        assert snapshot.history("test_loss").shape == (snapshot.epoch,)
        waves = np.abs(np.fft.rfft(embedding, axis=0)[1:]) ** 2
        norms = np.sort(np.sqrt(waves.sum(axis=1)))
        n = len(norms)
        weighted = (norms / norms.sum() * (n - np.arange(1, n + 1) + 0.5)).sum()
        out.scalar("gini", self.config.scale * (1 - 2 * weighted / n))
        out.scalar("nothing", float("nan"))
        out.tensor("norms", norms)
        out.keep("last", norms)
        self.seen += 1
        logging.getLogger("gini").warning("epoch %d", snapshot.epoch)

    def finish(self, out):
        kept = out.kept("last")
        out.table("seen", ["cell", "snapshots", "norm"], [[self.task.cell, self.seen, kept[-1]]])
        out.figure("norms", {"data": [{"type": "bar", "y": kept}], "layout": {}})
        out.note(f"{len(self.task.train)} pairs, of {self.task.model.activation} neurons")
'''


def calls(
    binary: Path, folder: Path, *arguments: str, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Calls the program with the interpreter of these tests."""
    environment = {**os.environ, "GROKRUN_PYTHON": sys.executable, "NO_COLOR": "1"}
    done = subprocess.run(
        [str(binary), *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    return done


def spec(folder: Path, more: str, seeds: str = "1") -> None:
    (folder / "small.toml").write_text(tiny(more=more, seeds=seeds))


def test_it_finds_what_the_analysis_in_rust_finds_in_every_cell(
    binary: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(GINI)
    spec(tmp_path, '[analysis.fourier-sparsity]\n[analysis.mine]\npython = "mine.py"\n', "[1, 2]")
    calls(binary, tmp_path, "small.toml")
    run = gk.open(tmp_path / "runs/small")
    mine = run.series_table("mine", "gini").to_pydict()
    theirs = run.series_table("fourier-sparsity", "W_E gini").to_pydict()
    assert mine["epoch"] == theirs["epoch"] and len(mine["epoch"]) == 2 * 3
    assert mine["gini"] == pytest.approx(theirs["W_E gini"], abs=1e-5)
    for cell in run.all:
        assert cell.tensors("mine")["norms"].shape == (3, 6)
        assert cell.table("mine", "seen")["snapshots"].tolist() == [3]
    assert run.series_table("mine", "nothing").num_rows == 0
    first = run.all[0].folder / "analysis/mine"
    index = json.loads((first / "findings.json").read_text())
    assert index["summary"] == "How few frequencies carry the embedding."
    assert index["notes"] == ["118 pairs, of relu neurons"]
    assert "epoch 40" in (tmp_path / "runs/small/log.jsonl").read_text()

    # The run keeps the text: without the file it is analysed again, to the same bytes.
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    (tmp_path / "mine.py").unlink()
    for path in first.iterdir():
        path.unlink()
    calls(binary, tmp_path, "analyze", "runs/small")
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    # Another text is another version, and the same command makes its findings.
    (tmp_path / "mine.py").write_text(GINI + "\n")
    calls(binary, tmp_path, "small.toml", "--set", "analysis.mine.scale=2")
    twice = run.series_table("mine", "gini").to_pydict()["gini"]
    assert twice == pytest.approx([2 * gini for gini in mine["gini"]])


def test_a_file_is_called_on_a_run_that_did_not_ask_for_it(binary: Path, tmp_path: Path) -> None:
    (tmp_path / "second_look.py").write_text(GINI)
    spec(tmp_path, "")
    calls(binary, tmp_path, "small.toml")
    chosen = ["--plugin", "second_look.py", "--only", "second-look"]
    calls(binary, tmp_path, "analyze", "runs/small", *chosen)
    assert gk.open(tmp_path / "runs/small").series_table("second-look", "gini").num_rows == 3


def test_a_new_one_passes_its_test_and_runs(binary: Path, tmp_path: Path) -> None:
    said = calls(binary, tmp_path, "new-plugin", "weight-norms", "--python").stdout
    assert "pytest test_weight_norms.py" in said
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_weight_norms.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path(gk.__file__).parents[1])},
        capture_output=True, text=True,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
    spec(tmp_path, '[analysis.weight-norms]\npython = "weight_norms.py"\nexponent = 1\n')
    calls(binary, tmp_path, "small.toml")
    run = gk.open(tmp_path / "runs/small")
    weights = run.all[0].weights(40)["embed.W_E"].astype(np.float64)
    found = run.series_table("weight-norms", "embed.W_E").to_pydict()["embed.W_E"]
    assert found[-1] == pytest.approx(np.abs(weights).sum())
    taken = calls(binary, tmp_path, "new-plugin", "weight-norms", "--python", status=2)
    assert "there already" in taken.stderr
    for name in ("class", "commutativity"):
        refused = calls(binary, tmp_path, "new-plugin", name, "--python", status=2)
        assert "cannot be the name" in refused.stderr


@pytest.mark.parametrize(
    ("text", "table", "said"),
    [
        ("needs = [", "", "mine.py, line 1: SyntaxError"),
        ("import nowhere_at_all", "", "line 1: ModuleNotFoundError"),
        ("x = 1", "", "no class `Analysis`"),
        (GINI.replace('"history.*"', '"loss"'), "", "`needs` has 'loss'; expected names or patterns of"),
        (GINI, "scale = 'high'", "`scale` must be of type number"),
        (GINI, "scales = 1", "did you mean `scale`?"),
        (GINI.replace("float = 1.0", "float"), "", "`scale` of `Config` has no default"),
        (None, "", "mine.py cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_at_its_place_in_the_spec(
    binary: Path, tmp_path: Path, text: str | None, table: str, said: str
) -> None:
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    spec(tmp_path, f'[analysis.mine]\npython = "mine.py"\n{table}\n')
    refused = calls(binary, tmp_path, "small.toml", status=2).stderr
    assert said in " ".join(refused.split()) and "small.toml:1" in refused
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("raise ZeroDivisionError('no key frequency')", "ZeroDivisionError: no key frequency"),
        ("out.figure('f', {'data': [object()]})", "object is no type of a value"),
        ("snapshot.logits()", "no logits is shown, which `needs` has to name and the model to have"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os._exit(7)", "called exit, with status 7"),
        ("import os; os.abort()", "SIGABRT"),
        ("while True: pass", "longer than 1 s"),
    ],
)
def test_one_that_fails_does_no_harm_to_the_training(
    binary: Path, tmp_path: Path, deed: str, said: str
) -> None:
    text = GINI.replace(
        "        self.seen += 1\n",
        f"        self.seen += 1\n        if snapshot.epoch == 20 and self.task.model_seed == 1:\n"
        f"            {deed}\n",
    )
    (tmp_path / "mine.py").write_text(text)
    spec(tmp_path, '[analysis.mine]\npython = "mine.py"\n', "[1, 2]")
    done = calls(binary, tmp_path, "small.toml", "--isolate-seconds", "1", status=3)
    assert said in done.stderr and "at epoch 20" in done.stderr
    run = gk.open(tmp_path / "runs/small")
    assert [cell.checkpoints for cell in run.all] == [[0, 20, 40]] * 2
    failures = [cell.findings("mine").failure for cell in run.all]
    assert failures[0] is not None and said in failures[0]
    if "os." in deed or "while" in deed:
        # The interpreter is the run's: cells that it was looking at are lost with it.
        # Which of its calls that is depends on how far the other cell was.
        ended = "its interpreter has ended in a call of another cell"
        lost = {f"at epoch {epoch}: {ended}" for epoch in (0, 20, 40)}
        assert failures[1] is None or failures[1] in lost
        (tmp_path / "mine.py").write_text(GINI)
        calls(binary, tmp_path, "analyze", "runs/small", "--plugin", "mine.py", "--only", "mine")
        assert run.series_table("mine", "gini").num_rows == 2 * 3
    else:
        assert failures[1] is None


def test_an_interpreter_that_is_none_is_said(binary: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GINI)
    spec(tmp_path, '[analysis.mine]\npython = "mine.py"\n')
    for program, said in (("/nowhere/python", "cannot be started"), ("/bin/true", "exit, with")):
        environment = {**os.environ, "GROKRUN_PYTHON": program}
        done = subprocess.run(
            [str(binary), "check", "small.toml"],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 2 and said in done.stderr, done.stderr


def test_examples_have_the_shapes_of_a_run(single: Path) -> None:
    task, snapshot = example(modulus=13)
    names = {name.removeprefix("weight.") for name in snapshot.tensors}
    assert names <= set(gk.open(single).all[0].weights(0))
    assert task.labels[3 * 13 + 12] == 2 and len(task.train) + len(task.test) == 169

    class Counts:
        def __init__(self) -> None:
            self.count = 0

        def observe(self, snapshot: Snapshot, out: object) -> None:
            self.count += 1

    counts = Counts()
    assert collected(counts, [snapshot, snapshot]).scalars == {} and counts.count == 2
    assert isinstance(task, Task | SimpleNamespace)


#: A gradient by the service against a difference of losses, along the gradient itself.
SLOPE = '''"""The slope of the train loss along its gradient, twice."""
import numpy as np

needs = ["trained.*", "history.*", "grad.*", "loss.samples"]


class Analysis:
    def __init__(self, config, task):
        self.task = task

    def observe(self, snapshot, out):
        weights = snapshot.trained_weights()
        found = out.train_loss(weights, gradient=True, samples=True)
        gradient = found.gradient.astype(np.float64)
        norm = np.linalg.norm(gradient)
        step = 1e-2 * gradient / norm
        above, below = out.train_loss(weights + step).loss, out.train_loss(weights - step).loss
        out.scalar("slope", norm)
        out.scalar("difference", (above - below) / 2e-2)
        out.scalar("loss", found.loss)
        out.scalar("mean", found.samples.mean())
        out.scalar("count", len(found.samples) - len(self.task.train))
        shown = np.concatenate([snapshot.gradient(name).ravel() for name in snapshot.trained()])
        out.scalar("apart", np.abs(shown - found.gradient).max())
        out.scalar("samples apart", np.abs(snapshot.sample_losses() - found.samples).max())
        structure = self.task.structure
        assert structure.kind == "cyclic" and list(structure.places) == list(range(structure.order))
        assert len(snapshot.trained()) > 5 and len(gradient) == len(weights)
'''


def test_the_train_loss_is_there_at_any_weights(binary: Path, tmp_path: Path) -> None:
    (tmp_path / "slope.py").write_text(SLOPE)
    spec(tmp_path, '[analysis.slope]\npython = "slope.py"\n')
    calls(binary, tmp_path, "small.toml")
    run = gk.open(tmp_path / "runs/small")
    found = run.series_table("slope").to_pydict()
    assert found["slope"] == pytest.approx(found["difference"], rel=1e-2)
    assert found["mean"] == pytest.approx(found["loss"], rel=1e-6) and set(found["count"]) == {0}
    # What a snapshot shows of the loss is what the service says at the snapshot's weights.
    assert set(found["apart"]) == set(found["samples apart"]) == {0}
    # The loss at epoch 20's weights is the train loss that its step began with.
    history = run.all[0].history_table("train_loss").to_pydict()["train_loss"]
    assert found["loss"][1] == pytest.approx(history[20], rel=1e-5)


def test_a_cluster_is_told_where_the_file_is(binary: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GINI)
    spec(tmp_path, '[analysis.mine]\npython = "mine.py"\n', "[1, 2]")
    shards = ["submit", "small.toml", "--shards", "2", "--engine"]
    script = calls(binary, tmp_path, *shards, "slurm", "--dry-run").stdout
    assert f'analysis."mine".python="{tmp_path}/mine.py"' in script
    pod = ["kubernetes", "--image", "grokrun:0.1.0", "--volume", "runs", "--gpus", "1"]
    config_map, job = json.loads(calls(binary, tmp_path, *shards, *pod).stdout)["items"]
    assert config_map["data"]["mine.py"] == GINI
    words = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert 'analysis."mine".python="/spec/mine.py"' in words

    validator = pytest.importorskip("kubernetes_validate", reason="the API's schemas")
    for kind in (config_map, job):
        validator.validate(kind, validator.latest_version(), strict=True)
    job["spec"]["completion"] = 2
    with pytest.raises(validator.ValidationError):
        validator.validate(job, validator.latest_version(), strict=True)
