"""What is not installed says what to install, and reading works without any of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Makes packages look as if they were not installed.
BLOCKED = """
import sys
NAMES = {"pandas", "torch", "transformer_lens", "xarray", "matplotlib", "plotly", "blake3",
         "safetensors", "tqdm", "IPython"}
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import grokrun as gk
run = gk.open(sys.argv[1])
cell = run.all[0]
"""


def alone(run: Path, lines: str) -> str:
    command = [sys.executable, "-c", BLOCKED + lines, run]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_reading_needs_numpy_and_pyarrow_alone(sweep: Path) -> None:
    said = alone(
        sweep,
        """
print(run.cells_table().num_rows, run.history_table("test_loss").num_rows)
print(run.series_table("progress-measures", "restricted loss").num_rows)
print(run.survival_table("memorised").num_rows > 0, len(run._repr_html_()) > 500)
print(cell.weights(20)["embed.W_E"].shape, cell.split()[0].dtype)
print(len(cell.tensors("effective-weights")))
print(len(cell.table_json("progress-measures", "phases")["columns"]) > 1)
import sys
print(sorted({name.split(".")[0] for name in sys.modules} & {"pandas", "torch", "safetensors"}))
""",
    )
    assert said.splitlines() == [
        "6 360", "24", "True True", "(14, 32) int64", "8", "True", "[]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "package"),
    [
        ("run.cells", "pandas"),
        ("run.history()", "pandas"),
        ("cell.table('progress-measures', 'phases')", "pandas"),
        ("run.plot('test_loss')", "matplotlib"),
        ("run.plot_survival('memorised')", "matplotlib"),
        ("run.xarray()", "xarray"),
        ("cell.figure('progress-measures', 'losses')", "plotly"),
        ("cell.state_dict()", "torch"),
        ("cell.hooked_transformer()", "transformer-lens"),
        ("gk.open(sys.argv[1], verify=True)", "blake3"),
    ],
)
def test_each_optional_package_is_named(sweep: Path, call: str, package: str) -> None:
    lines = f"try:\n    {call}\nexcept gk.MissingPackage as error:\n    print(error)\n"
    assert f"pip install {package}" in alone(sweep, lines)


def test_types_are_checked() -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    folder = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "mypy", "--cache-dir", "/dev/null"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "Success" in done.stdout and (folder / "grokrun/py.typed").exists()
