"""Small runs that the tests read, made once by the program grokrun of this checkout.

The program is that of GROKRUN_BINARY, else target/release/grokrun: without one nothing is tested,
and pytest ends with an error that says so.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]

#: A small transformer on a small task; a run of it takes a second.
TINY = """
operation = "add"
modulus = 13
fraction = {fraction}
seeds = {{ data = 598, model = {seeds} }}
[model]
d_model = 32
d_head = 8
d_mlp = 64
[train]
epochs = {epochs}
[checkpoints]
every = {every}
{more}
"""


def tiny(
    fraction: str = "0.7", seeds: str = "1", epochs: int = 40, every: int = 20, more: str = ""
) -> str:
    """The text of a spec."""
    return TINY.format(fraction=fraction, seeds=seeds, epochs=epochs, every=every, more=more)


@pytest.fixture(scope="session", autouse=True)
def binary() -> Path:
    """The program that the package calls in these tests too."""
    named = os.environ.get("GROKRUN_BINARY")
    path = Path(named) if named else REPOSITORY / "target" / "release" / "grokrun"
    if not path.is_file():
        pytest.exit(f"no program {path}: cargo build --release, or set GROKRUN_BINARY", 1)
    os.environ["GROKRUN_BINARY"] = str(path.resolve())
    return path.resolve()


@pytest.fixture(scope="session")
def trained(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Trains a spec under a name, once; returns the run directory."""
    folder = tmp_path_factory.mktemp("runs")
    made: dict[str, str] = {}

    def train(name: str, spec: str) -> Path:
        if name not in made:
            path = folder / f"{name}.toml"
            path.write_text(spec)
            command = [binary, path, "--out", folder, "--backend", "cpu", "--quiet"]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            made[name] = spec
        assert made[name] == spec, f"two specs are called {name}"
        return folder / name

    return train


@pytest.fixture(scope="session")
def sweep(trained: Callable[[str, str], Path]) -> Path:
    """Six cells: two fractions by three seeds; a history, checkpoints, two analyses."""
    more = "[analysis.progress-measures]\n[analysis.effective-weights]\n"
    return trained("sweep", tiny("[0.6, 0.8]", "[0, 1, 2]", 60, 20, more))


@pytest.fixture(scope="session")
def single(trained: Callable[[str, str], Path]) -> Path:
    """One cell with many checkpoints."""
    return trained("single", tiny(epochs=200, every=5))
