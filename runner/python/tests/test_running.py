"""Training from Python: what is passed on, what comes back, what mistakes and interrupts become."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import grokrun as gk
from conftest import tiny
from grokrun._progress import Progress
from grokrun._train import toml


def test_a_spec_is_trained_with_other_values(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    spec = tmp_path / "mine.toml"
    spec.write_text(tiny())
    changed = {"train.epochs": 30, "seeds.model": [3, 4], "train.learning_rate": 2e-3, "name": "o"}
    run = gk.run(spec, set=changed, out=tmp_path / "runs", backend="cpu", progress=False)
    assert run.folder == tmp_path / "runs/o" and run.axes == ["model_seed"]
    assert {cell.settings["learning_rate"] for cell in run} == {2e-3}
    assert [cell.settings["model_seed"] for cell in run] == [3, 4]
    assert run.history_table().num_rows == 60
    assert capfd.readouterr().err == ""
    # Once more: there is nothing to do, and the run is opened.
    again = gk.run(spec, set=changed, out=tmp_path / "runs", backend="cpu", progress=False)
    assert again.history_table().equals(run.history_table())


def test_mistakes_of_a_spec_keep_their_places(tmp_path: Path) -> None:
    spec = tmp_path / "bad.toml"
    text = 'operation = "ad"\nmodulus = 1\nfraction = 0.3\nseeds = { data = 1, model = 2 }\n'
    spec.write_text(text)
    with pytest.raises(gk.SpecError) as caught:
        gk.run(spec, out=tmp_path, progress=False)
    first, second = caught.value.problems
    assert (first.line, first.column, first.length) == (1, 14, 2)
    for problem, underlined in ((first, "ad"), (second, "1")):
        line = text.splitlines()[problem.line - 1]
        assert line == problem.source and problem.file == str(spec)
        assert line[problem.column - 1 :][: problem.length] == underlined
    assert first.message == "unknown operation `ad`" and first.helps == ("did you mean `add`?",)
    assert "^^" in str(caught.value) and caught.value.status == 2
    # A mistake in a value that was set is of that text.
    spec.write_text(tiny())
    with pytest.raises(gk.SpecError) as caught:
        gk.run(spec, set={"train.epoch": 5}, out=tmp_path, progress=False)
    assert caught.value.problems[0].file == "--set"
    assert "epochs" in caught.value.problems[0].helps[0]


def test_a_request_that_is_wrong_otherwise_is_another_error(tmp_path: Path) -> None:
    with pytest.raises(gk.RequestError, match=r"nothing\.toml") as caught:
        gk.run(tmp_path / "nothing.toml", progress=False)
    assert not isinstance(caught.value, gk.SpecError)
    with pytest.raises(gk.RequestError, match="run"):
        gk.analyze(tmp_path, progress=False)


def test_analyses_are_run_again(single: Path) -> None:
    run = gk.analyze(single, only=["fourier-sparsity", "singular-values"], progress=False)
    assert run.analyses == ["fourier-sparsity", "singular-values"]
    gini = run.series_table("fourier-sparsity", "W_E gini")
    assert gini.column("epoch").to_pylist() == list(range(0, 201, 5))
    with pytest.raises(gk.RequestError, match="fourier-sparsit"):
        gk.analyze(run, only=["fourier-sparsit"], progress=False)


LONG = """
import sys
import grokrun as gk
try:
    gk.run(sys.argv[1], out=sys.argv[2], backend="cpu", progress=False)
except KeyboardInterrupt:
    print("interrupted")
"""


def interrupted(spec: Path, out: Path) -> bool:
    """Interrupts a training at its first checkpoint after the start; false if it had ended by then."""
    command = [sys.executable, "-c", LONG, spec, out]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    first = out / "long/cells/add-p13-f0.7-d598-m1/checkpoints/00000050.safetensors"
    deadline = time.monotonic() + 60
    while not first.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=60)[0] == "interrupted\n"


def test_an_interrupt_saves_and_the_same_call_goes_on(tmp_path: Path) -> None:
    spec = tmp_path / "long.toml"
    # A fast machine is done with a short training before the interrupt reaches it.
    for epochs in (3_000, 15_000, 75_000):
        spec.write_text(tiny(epochs=epochs, every=50, more="[analysis.singular-values]\n"))
        stopped_in = tmp_path / f"stopped-{epochs}"
        if interrupted(spec, stopped_in):
            break
    else:
        pytest.fail("no training was interrupted: each had ended before")
    stopped = gk.open(stopped_in / "long").cell()
    assert stopped.summary["status"] == "interrupted" and 50 <= stopped.summary["epochs"] < epochs
    part = stopped.findings("singular-values")
    assert part.so_far is not None and part.so_far < epochs and not part.names("figures")
    assert part.series().column("epoch").to_pylist()[-1] == part.so_far
    with pytest.warns(gk.AnalysisWarning, match=f"not all of 1 of 1 cells.*{part.so_far}"):
        gk.open(stopped_in / "long").series("singular-values", part.names("series")[0])
    on = gk.run(spec, out=stopped_in, backend="cpu", progress=False).cell()
    whole = gk.run(spec, out=tmp_path / "whole", backend="cpu", progress=False).cell()
    assert on.history_table().equals(whole.history_table())
    assert on.findings("singular-values").so_far is None
    name = f"checkpoints/{epochs:08}.safetensors"
    assert (on.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_program_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROKRUN_BINARY", "/nowhere/grokrun")
    with pytest.raises(gk.BinaryNotFound, match="/nowhere/grokrun"):
        gk.run("tiny")
    monkeypatch.delenv("GROKRUN_BINARY")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sysconfig.get_path", lambda *_: "/nowhere")
    with pytest.raises(gk.BinaryNotFound, match="cargo build"):
        gk.binary()


def test_values_are_written_as_toml() -> None:
    import tomllib

    import numpy as np

    for value in [
        True, 3, 1e-3, 1e-7, 1e22, "a \"b\" \\ ∂", [1, 2.5], {"start": 0, "count": 32},
        {"grokfast": "ema", "alpha": 0.98}, [],
    ]:  # fmt: skip
        assert tomllib.loads(f"x = {toml(value)}") == {"x": value}
    assert toml(np.arange(3)) == "[0, 1, 2]" and toml(np.float64(0.5)) == "0.5"
    assert toml(range(2)) == "[0, 1]"
    with pytest.raises(TypeError, match="no value of a spec"):
        toml(object())


def test_progress_shows_steps_and_never_hides_warnings(capsys: pytest.CaptureFixture) -> None:
    quiet = Progress(shown=False)
    for line in ["a epoch 1/10 train loss 1", "warning: look", "note: so", "error: bad", " more"]:
        quiet(line)
    quiet.close()
    assert capsys.readouterr().err == "warning: look\nnote: so\n"
    shown = Progress(shown=True)
    for at in (1, 10):
        shown(f"mul-p13 and 1 more epoch {at}/10 train loss  0.5 acc  10.0%  test loss 2 acc 1.0%")
    shown("mul-p13: did not grok in 10 epochs")
    shown.close()
    said = capsys.readouterr().err
    assert "10/10" in said and "did not grok" in said and "mul-p13 and 1 more" in said
