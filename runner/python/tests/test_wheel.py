"""The wheel that `pip install ./runner/python` builds, with the program and without it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1]


def fake(folder: Path, version: str) -> Path:
    """A small program that says a version, and has a version of glibc in it."""
    program = folder / "grokrun"
    program.write_text(f"#!/bin/sh\necho grokrun {version}\n# GLIBC_2.17\0 GLIBC_2.34\0\n")
    program.chmod(0o755)
    return program


def pip(args: list[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--no-input", *args]
    known = {k: v for k, v in os.environ.items() if not k.startswith("GROKRUN_")}
    return subprocess.run(command, capture_output=True, text=True, env=known | environment)


def backend(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Any:
    """The build backend, with an environment."""
    for name in ("GROKRUN_BINARY", "GROKRUN_WHEEL_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(FOLDER / "build_backend")
    return importlib.import_module("wheel_with_binary")


@pytest.mark.skipif(sys.platform != "linux", reason="tags of glibc are Linux's")
def test_the_wheel_carries_the_program(tmp_path: Path) -> None:
    # As a person does, with no index to ask.
    flags = ["wheel", "--no-index", "--no-deps", "--wheel-dir", tmp_path, FOLDER]
    done = pip(flags, GROKRUN_BINARY=str(fake(tmp_path, "0.1.0")))
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("grokrun-0.1.0-py3-none-manylinux_2_34_")
    site = tmp_path / "site"
    done = pip(["install", "--no-index", "--no-deps", "--target", site, wheel])
    assert done.returncode == 0, done.stderr
    program = site / "bin" / "grokrun"
    assert subprocess.check_output([program], text=True) == "grokrun 0.1.0\n"
    lines = "import grokrun; from importlib.metadata import metadata as m; "
    lines += "print(grokrun.__file__, m('grokrun')['Version'], grokrun.__version__)"
    said = subprocess.check_output(
        [sys.executable, "-c", lines],
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
    ).split()
    assert Path(said[0]).parent.parent == site and said[1:] == ["0.1.0", "0.1.0"]
    assert (site / "grokrun/py.typed").exists()


def test_a_program_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"GROKRUN_BINARY": str(fake(tmp_path, "9.9.9"))}
    with pytest.raises(SystemExit, match=r"9\.9\.9.*0\.1\.0"):
        backend(monkeypatch, **old).build_wheel(tmp_path)
    with pytest.raises(SystemExit, match="/nowhere"):
        backend(monkeypatch, GROKRUN_BINARY="/nowhere").build_wheel(tmp_path)
    # One for another machine cannot be called, and is packed as it is.
    other = backend(monkeypatch, **old, GROKRUN_WHEEL_PLATFORM="macosx_11_0_arm64")
    assert other.build_wheel(tmp_path) == "grokrun-0.1.0-py3-none-macosx_11_0_arm64.whl"


def test_without_a_program_the_wheel_is_for_every_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backend(monkeypatch)
    monkeypatch.setattr(made, "_program", lambda version: None)
    name = made.build_wheel(tmp_path)
    assert name == "grokrun-0.1.0-py3-none-any.whl"
    names = zipfile.ZipFile(tmp_path / name).namelist()
    assert not any("scripts" in entry for entry in names)


def test_the_same_files_give_the_same_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backend(monkeypatch, GROKRUN_BINARY=str(fake(tmp_path, "0.1.0")))
    wheels = []
    for name in "ab":
        (tmp_path / name).mkdir()
        wheels.append(tmp_path / name / made.build_wheel(tmp_path / name))
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    names = zipfile.ZipFile(wheels[0]).namelist()
    assert not any("__pycache__" in name or "tests" in name for name in names)
    source = made.build_sdist(tmp_path)
    with tarfile.open(tmp_path / source) as archive:
        assert f"{source.removesuffix('.tar.gz')}/grokrun/_packed.py" in archive.getnames()


def test_the_version_is_the_programs() -> None:
    import tomllib

    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    workspace = tomllib.loads((FOLDER.parents[1] / "Cargo.toml").read_text())
    version = workspace.get("workspace", {}).get("package", {}).get("version")
    assert project["version"] == (version or workspace["package"]["version"])
