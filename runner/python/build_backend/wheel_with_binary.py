"""Builds the wheel of the package, with the program `grokrun` in it where that was built.

A build backend as PEP 517 and 660 have it, in the tree and with nothing to install: an isolated
build fetches what a backend needs, so that maturin, setuptools or hatchling would make
`pip install ./runner/python` need a network, and maturin a second build of the program. The
metadata is that of pyproject.toml.

The program is that of GROKRUN_BINARY, else target/release/grokrun of the checkout. It goes to where
pip puts scripts, so that the command `grokrun` comes with the package. Without it the wheel is
for every platform, and reads runs. GROKRUN_WHEEL_PLATFORM names the platform of a program that was
built for another machine: `macosx_11_0_arm64`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
NAME = "grokrun"
#: What a source archive has.
SOURCES = ("pyproject.toml", "README.md", "build_backend", "grokrun", "tests")
#: Versions of glibc that a program asks for; the largest is the oldest system it runs on.
GLIBC = re.compile(rb"GLIBC_2\.(\d+)\0")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """PEP 517: the package's files, and the program."""
    files = {path.relative_to(HERE).as_posix(): path.read_bytes() for path in _below(HERE / NAME)}
    return _wheel(Path(wheel_directory), files)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """PEP 660: a pointer to this folder, and the program."""
    return _wheel(Path(wheel_directory), {f"{NAME}.pth": f"{HERE}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    """PEP 517: the sources, without the program."""
    base = f"{NAME}-{_project()['version']}"
    with tarfile.open(Path(sdist_directory, f"{base}.tar.gz"), "w:gz") as archive:
        for source in SOURCES:
            for path in _below(HERE / source):
                archive.add(path, f"{base}/{path.relative_to(HERE).as_posix()}")
    return f"{base}.tar.gz"


def _below(path):
    """The files of a folder, sorted, without what Python leaves."""
    if path.is_file():
        return [path]
    found = (p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return sorted(found)


def _project():
    return tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]


def _wheel(folder, files):
    project = _project()
    base = f"{NAME}-{project['version']}"
    program = _program(project["version"])
    platform = _platform(program) if program else "any"
    tag = f"py3-none-{platform}"
    info = f"{base}.dist-info"
    entries = [(name, data, 0o644) for name, data in files.items()]
    if program:
        entries.append((f"{base}.data/scripts/{program.name}", program.read_bytes(), 0o755))
        print(f"packing {program} for {platform}", file=sys.stderr)
    else:
        print("packing no program grokrun: none was built, and the package will read runs only "
              "(cargo build --release, or GROKRUN_BINARY)", file=sys.stderr)  # fmt: skip
    wheel = f"Wheel-Version: 1.0\nGenerator: {Path(__file__).stem}\n"
    wheel += f"Root-Is-Purelib: {'false' if program else 'true'}\nTag: {tag}\n"
    entries.append((f"{info}/METADATA", _metadata(project).encode(), 0o644))
    entries.append((f"{info}/WHEEL", wheel.encode(), 0o644))
    record = [f"{name},{_digest(data)},{len(data)}" for name, data, _ in entries]
    record.append(f"{info}/RECORD,,")
    entries.append((f"{info}/RECORD", ("\n".join(record) + "\n").encode(), 0o644))
    path = folder / f"{base}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in entries:
            # One time for all, so that the same files give the same wheel.
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return path.name


def _digest(data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return "sha256=" + digest.rstrip(b"=").decode()


def _metadata(project):
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        f"Requires-Python: {project['requires-python']}",
        "Description-Content-Type: text/markdown",
        *(f"Requires-Dist: {need}" for need in project["dependencies"]),
    ]
    for extra, needs in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {need}; extra == '{extra}'" for need in needs]
    return "\n".join(lines) + "\n\n" + (HERE / project["readme"]).read_text("utf-8")


def _program(version):
    """The program, if there is one; it has to be of the package's version."""
    named = os.environ.get("GROKRUN_BINARY")
    name = "grokrun.exe" if os.name == "nt" else "grokrun"
    path = Path(named) if named else HERE.parent.parent / "target" / "release" / name
    if not path.is_file():
        if named:
            raise SystemExit(f"GROKRUN_BINARY is {named}, and there is no such file")
        return None
    if not os.environ.get("GROKRUN_WHEEL_PLATFORM"):
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=True
        ).stdout
        if said.split() != ["grokrun", version]:
            raise SystemExit(
                f"{path} is {said.strip()}, and the package is of {version}: build it again"
            )
    return path


def _platform(program):
    """The platform's tag: on Linux with glibc the oldest that the program runs on."""
    named = os.environ.get("GROKRUN_WHEEL_PLATFORM")
    if named:
        return named
    own = re.sub(r"[-.]", "_", sysconfig.get_platform())
    glibc = [int(minor) for minor in GLIBC.findall(program.read_bytes())]
    if own.startswith("linux_") and glibc:
        return f"manylinux_2_{max(glibc)}_{own.removeprefix('linux_')}"
    return own
