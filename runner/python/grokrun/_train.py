"""Trains a spec, and runs analyses again, by the program.

Owns those two commands. Knows nothing of what a run holds.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import _binary
from ._binary import Finished
from ._progress import Progress
from ._run import Run
from ._run import open as open_run
from .errors import AnalysisWarning, CommandFailed

Pathlike = str | os.PathLike[str]


def run(
    spec: Pathlike,
    *,
    set: Mapping[str, Any] | None = None,
    out: Pathlike = "runs",
    backend: str | None = None,
    fresh: bool = False,
    force: bool = False,
    progress: bool = True,
) -> Run:
    """Trains what a spec says, and opens the run; goes on with an unfinished one.

    A finished run is opened as it is. Needs the program `grokrun`, which comes with this package
    where it was installed from a checkout that was built.

    Args:
        spec: the file, or the name of a shipped spec (`"mult59"`).
        set: keys of the spec and their values, in place of those in the file:
            `{"train.epochs": 5000, "seeds.model": [0, 1, 2]}`.
        out: the folder of all runs.
        backend: `"cpu"`, `"gpu"`, or `"auto"`, the program's default.
        fresh: start over, even where the run could go on.
        force: replace the run of another spec that has the same name.
        progress: show a bar (by tqdm where it is installed).

    Raises:
        SpecError: the spec has mistakes; `problems` has each with its place.
        RequestError: there is no such file, or another spec's run of this name.
        CommandFailed: it failed while running.
        BinaryNotFound: the program is not there.

    Warns:
        AnalysisWarning: training is whole, and an analysis failed.
    """
    args: list[Pathlike] = ["run", spec, "--out", out]
    for key, value in (set or {}).items():
        args += ["--set", f"{key}={toml(value)}"]
    args += ["--backend", backend] if backend else []
    args += ["--fresh"] if fresh else []
    args += ["--force"] if force else []
    finished = call(args, progress)
    return open_run(_folder(finished))


def analyze(
    run: Run | Pathlike,
    *,
    only: Sequence[str] = (),
    plugins: Sequence[Pathlike] = (),
    progress: bool = True,
) -> Run:
    """Runs a run's analyses again on the checkpoints that were kept, and opens the run anew.

    Args:
        run: a run, or its folder.
        only: names of analyses, with their defaults where the spec does not have them; all of the
            spec's by default.
        plugins: shared libraries whose analyses can be named too.
        progress: show the program's lines.

    Raises, Warns:
        As `grokrun.run`.
    """
    folder = run.folder if isinstance(run, Run) else Path(run)
    args: list[Pathlike] = ["analyze", folder]
    for name in [only] if isinstance(only, str) else only:
        args += ["--only", name]
    for library in plugins:
        args += ["--plugin", library]
    call(args, progress)
    return open_run(folder)


def call(args: Sequence[Pathlike], progress: bool) -> Finished:
    """Calls a command with a bar, and warns where an analysis failed."""
    bar = Progress(progress)
    try:
        finished = _binary.call(args, bar)
    finally:
        bar.close()
    if finished.status == _binary.ANALYSIS_FAILED:
        warnings.warn(finished.stderr.strip(), AnalysisWarning, stacklevel=3)
    return finished


def _folder(finished: Finished) -> Path:
    """The run directory: where the report is that the program names last."""
    lines = [line for line in finished.stdout.splitlines() if line.endswith("report.html")]
    if not lines:
        message = f"grokrun named no report; it printed:\n{finished.stdout}"
        raise CommandFailed(message, finished.status, finished.stderr)
    return Path(lines[-1]).parent


def toml(value: Any) -> str:
    """A value as TOML has it."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        value = item()
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case Mapping():
            return "{ " + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + " }"
        case Sequence():
            return "[" + ", ".join(map(toml, value)) + "]"
    if hasattr(value, "tolist"):
        return toml(value.tolist())
    raise TypeError(
        f"{value!r} is no value of a spec: expected a number, a text, a boolean, a list or a dict"
    )
