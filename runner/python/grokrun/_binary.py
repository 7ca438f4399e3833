"""Finds the program `grokrun` and calls it.

Owns how it is found, its exit statuses, and what an interrupt does. Knows nothing of commands.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._diagnostics import problems
from .errors import BinaryNotFound, CommandFailed, RequestError, SpecError

_NAME = "grokrun.exe" if os.name == "nt" else "grokrun"
#: Done, but an analysis failed: training is kept.
ANALYSIS_FAILED = 3


def find() -> Path:
    """The program: that of GROKRUN_BINARY, else the one that came with this package, else on PATH.

    Raises:
        BinaryNotFound: there is none of them.
    """
    named = os.environ.get("GROKRUN_BINARY")
    if named:
        if not Path(named).is_file():
            raise BinaryNotFound(f"GROKRUN_BINARY is {named}, and there is no such file")
        return Path(named)
    for scheme in (None, sysconfig.get_preferred_scheme("user")):
        scripts = (
            sysconfig.get_path("scripts")
            if scheme is None
            else sysconfig.get_path("scripts", scheme)
        )
        if (Path(scripts) / _NAME).is_file():
            return Path(scripts) / _NAME
    on_path = shutil.which(_NAME)
    if on_path:
        return Path(on_path)
    raise BinaryNotFound(
        "the program grokrun is needed to train, to analyse and to import; reading works without "
        "it. This package came without it, and it is not on PATH. In a checkout: `cargo build "
        "--release`, then `pip install ./runner/python` again; or set GROKRUN_BINARY to its path"
    )


@dataclass(frozen=True)
class Finished:
    """What a command said.

    Attributes:
        status: 0, or 3 where an analysis failed.
        stdout, stderr: what it printed.
    """

    status: int
    stdout: str
    stderr: str


def call(args: Sequence[str | os.PathLike[str]], line: Callable[[str], None]) -> Finished:
    """Calls the program, and hands each line of its standard error to `line` as it comes.

    An interrupt (Ctrl-C, or a notebook's stop button) is passed on once: the program saves, ends,
    and KeyboardInterrupt is raised; the same call goes on where it ended.

    Raises:
        SpecError: the spec has mistakes.
        RequestError: the request was wrong otherwise.
        CommandFailed: it failed while running, or was ended by a signal.
    """
    program = find()
    command = [str(program), *(os.fspath(arg) for arg in args)]
    said: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        # A group of its own: a terminal's Ctrl-C would reach it twice otherwise.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
            text=True, encoding="utf-8", errors="replace", start_new_session=True,
        )  # fmt: skip
        interrupted = _follow(process, said, line)
        out.seek(0)
        stdout = out.read()
    if interrupted:
        raise KeyboardInterrupt
    stderr = "".join(said)
    if process.returncode in (0, ANALYSIS_FAILED):
        return Finished(process.returncode, stdout, stderr)
    raise _failure(process.returncode, stderr, args)


def _follow(process: subprocess.Popen[str], said: list[str], line: Callable[[str], None]) -> bool:
    """Reads what the process says until it ends; returns whether it was interrupted by us."""
    assert process.stderr is not None
    interrupted = False
    while True:
        try:
            for text in process.stderr:
                said.append(text)
                line(text.rstrip("\n"))
            process.wait()
            return interrupted
        except KeyboardInterrupt:
            if not interrupted and process.poll() is None:
                process.send_signal(signal.SIGINT)
            interrupted = True
        except BaseException:
            # What shows the progress failed: the program is not left behind.
            process.terminate()
            process.wait()
            raise


def _failure(status: int, stderr: str, args: Sequence[str | os.PathLike[str]]) -> CommandFailed:
    said = stderr.strip()
    if status == 2:
        found = problems(stderr)
        if found:
            return SpecError(status, stderr, found)
        return RequestError(_last_error(said), status, stderr)
    if status < 0:
        name = signal.Signals(-status).name
        return CommandFailed(f"`grokrun {args[0]}` was ended by {name}:\n{said}", status, stderr)
    return CommandFailed(_last_error(said) or f"exit status {status}", status, stderr)


def _last_error(said: str) -> str:
    """From the last line that begins an error on: progress and warnings stand before it."""
    at = said.rfind("\nerror: ")
    return said[at + 1 :] if at >= 0 else said


def to_stderr(text: str) -> None:
    """Passes a line on."""
    print(text, file=sys.stderr)
