"""What can go wrong, each with a class of its own, so that a caller can tell one from the other.

Owns the exceptions of the package. Knows nothing of where they are raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class GrokrunError(Exception):
    """The base of everything that this package raises."""


class NotARun(GrokrunError):
    """The folder is no run directory, or one of a newer format."""


class DamagedFile(GrokrunError):
    """A file of a run is cut off or changed, or is another cell's or epoch's."""


class NotThere(GrokrunError, KeyError):
    """What was asked for is not in the run; the message says what is."""

    def __str__(self) -> str:
        # A KeyError would print its message in quotes.
        return str(self.args[0]) if self.args else ""


class AnalysisFailed(GrokrunError):
    """The analysis has no findings in this cell, since it failed there."""


class AnalysisWarning(UserWarning):
    """Training is whole, but findings are missing for some cells."""


class MissingPackage(GrokrunError, ImportError):
    """An optional package is needed for this, and is not installed."""


class BinaryNotFound(GrokrunError):
    """The program `grokrun` is needed for this, and was not found."""


class CommandFailed(GrokrunError):
    """The program ended with another status than 0.

    Attributes:
        status: the exit status: 1 failed while running, 2 the request was wrong, 130 interrupted.
        stderr: what the program said.
    """

    def __init__(self, message: str, status: int, stderr: str) -> None:
        super().__init__(message)
        self.status = status
        self.stderr = stderr


class RequestError(CommandFailed):
    """The request was wrong: an option, a file that is not there, a run of another spec."""


@dataclass(frozen=True)
class Problem:
    """One mistake of a spec, with its place in the text.

    Attributes:
        message: what is wrong.
        file: the spec's name as the program was given it, or `--set`.
        line, column: where it begins, counted from 1.
        length: characters that are underlined; 0 where the place is a point.
        source: the line of the spec.
        label: what stands beside the underline: what was expected.
        helps: what to do, one sentence each.
    """

    message: str
    file: str
    line: int
    column: int
    length: int
    source: str
    label: str
    helps: tuple[str, ...]


class SpecError(RequestError):
    """The spec has mistakes, all of them reported together.

    Attributes:
        problems: each mistake with its place, in the order of the report.
    """

    def __init__(self, status: int, stderr: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(stderr.strip(), status, stderr)
        self.problems = problems


def not_there(kind: str, name: str, known: Iterable[str], place: str) -> NotThere:
    """An error for a name that is not among those that are known, with the nearest of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    there = ", ".join(map(repr, names)) if names else "none"
    return NotThere(f"{place} has no {kind} {name!r}{hint}; there are: {there}")
