"""The lines of doc/python.md and of the README, run on small runs of the names that they use."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import grokrun as gk
from conftest import REPOSITORY, tiny


def blocks(page: str) -> list[str]:
    """The fenced lines of Python, in order."""
    return re.findall(r"^```python\n(.*?)^```", (REPOSITORY / page).read_text("utf-8"), re.M | re.S)


@pytest.fixture
def folder(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with runs/mult59 and specs/seeds32.toml, small ones."""
    (tmp_path / "specs").mkdir()
    spec = tmp_path / "specs/seeds32.toml"
    spec.write_text(tiny(seeds="{ start = 0, count = 4 }", epochs=200, every=50))
    run = trained("manual", tiny(epochs=100, every=50, more="[analysis.effective-weights]\n"))
    shutil.copytree(run, tmp_path / "runs/mult59")
    # The page names the cell of the shipped spec where it does without the package.
    cells = tmp_path / "runs/mult59/cells"
    (cells / "mul-p59-f0.5-d598-m999").symlink_to(next(cells.iterdir()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_line_of_the_manual_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("pandas", "matplotlib"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    import matplotlib

    matplotlib.use("Agg")
    names: dict[str, Any] = {}
    ran, without = 0, []
    for block in blocks("doc/python.md"):
        link = folder / "runs/mult59/cells/mul-p59-f0.5-d598-m999"
        if "cells/" not in block and link.is_symlink():
            # Two folders of one cell are no run.
            link.rename(folder / "link")
        if "cells/" in block:
            (folder / "link").rename(link)
        for line in statements(block):
            try:
                exec(line, names)
                ran += 1
            except (gk.MissingPackage, ModuleNotFoundError) as error:
                without.append(str(error))
            except NameError as error:
                # What a package that is missing would have made.
                assert without and error.name in ("torch", "model"), error
    assert ran >= 28, (ran, without)
    said = capsys.readouterr().out
    assert re.search(r"--set 1 \d+ unknown key `epoch` in `train`.*`epochs`", said), said
    assert (folder / "restricted.png").stat().st_size > 10_000
    assert len(names["frame"]) == 4 * 3 and set(names["run"].analyses) == {
        "fourier-sparsity", "singular-values",
    }  # fmt: skip


def statements(block: str) -> list[str]:
    """A block's statements, so that one that needs a package does not hide the others."""
    import ast

    return [ast.unparse(statement) for statement in ast.parse(block).body]


def test_the_restricted_loss_of_32_seeds_takes_two_lines() -> None:
    page = (REPOSITORY / "doc/python.md").read_text("utf-8")
    after = page.split("The restricted loss of 32 seeds")[1]
    lines = re.search(r"```python\n(.*?)```", after, re.S)
    assert lines and lines[1].count("\n") == 2
    # The spec that the page trains has these seeds, and gets the analysis from the line before.
    spec = tomllib.loads((REPOSITORY / "specs/seeds32.toml").read_text("utf-8"))
    assert spec["seeds"]["model"]["count"] == 32
    assert 'gk.analyze(run, only=["progress-measures"])' in page.split("The restricted loss")[0]


def test_the_page_names_what_the_package_has() -> None:
    page = (REPOSITORY / "doc/python.md").read_text("utf-8")
    errors = [name for name in gk.__all__ if isinstance(getattr(gk, name), type)]
    errors = [n for n in errors if issubclass(getattr(gk, n), Exception | Warning)]
    for name in [*errors, "Problem", "kaplan_meier", "adopt", "analyze", "open", "run"]:
        # The base of all and what is raised of an analysis alone are in the docstrings.
        assert name in page or name in ("GrokrunError", "AnalysisFailed"), name
    for name in re.findall(r"`(\w+_table)`", page):
        assert hasattr(gk.Run, name), name


def test_a_researcher_with_500_checkpoints_from_elsewhere(tmp_path: Path) -> None:
    """From weights to what analyses find; the models are small, their number is not."""
    import numpy as np

    rng = np.random.default_rng(0)
    p, d, heads, d_head, width = 13, 32, 4, 8, 64
    shapes = {
        "embed.W_E": (p + 1, d), "pos_embed.W_pos": (3, d), "blocks.0.attn.W_Q": (heads, d, d_head),
        "blocks.0.attn.W_K": (heads, d, d_head), "blocks.0.attn.W_V": (heads, d, d_head),
        "blocks.0.attn.W_O": (heads, d_head, d), "blocks.0.mlp.W_in": (d, width),
        "blocks.0.mlp.b_in": (width,), "blocks.0.mlp.W_out": (width, d), "blocks.0.mlp.b_out": (d,),
        "unembed.W_U": (d, p),
    }  # fmt: skip
    # A planted history: the embedding goes from noise to two frequencies.
    at = 2 * np.pi * np.arange(p) / p
    waves = np.zeros((p + 1, d))
    for column in range(d):
        waves[:p, column] = np.cos((2 if column % 2 else 5) * at + column)
    noise = {name: rng.normal(size=shape) / np.sqrt(d) for name, shape in shapes.items()}

    def state(step: int) -> dict[str, Any]:
        share = step / 49_900
        embed = (1 - share) * noise["embed.W_E"] + share * waves
        return {n: np.float32(embed if n == "embed.W_E" else x) for n, x in noise.items()}

    train = np.sort(rng.permutation(p * p)[:80])
    theirs = {step: state(step) for step in range(0, 50_000, 100)}
    run = gk.adopt(theirs, tmp_path / "theirs", operation="add", train=train, progress=False)
    assert len(run.cell().checkpoints) == 500 and list(run.cell().split()[0]) == list(train)
    run = gk.analyze(run, only=["fourier-sparsity", "singular-values"], progress=False)
    frame = run.series_table("fourier-sparsity", "W_E gini").to_pydict()
    assert frame["epoch"] == list(range(0, 50_000, 100))
    gini = np.array(frame["W_E gini"])
    assert gini[0] < 0.3 and gini[-1] > 0.6
    norms = run.cell().tensors("fourier-sparsity")["W_E-norms"]
    assert norms.shape == (500, 6) and set(np.argsort(norms[-1])[-2:] + 1) == {2, 5}
    # Read by its own command line from files too: the packed run opens like any other.
    shown = subprocess.run(
        [gk.binary(), "show", run.folder], capture_output=True, text=True, check=True
    )
    assert "add-p13" in shown.stdout
