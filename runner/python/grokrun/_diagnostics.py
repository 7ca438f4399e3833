"""Reads the mistakes of a spec back from what the program printed of them.

Owns the form of a diagnostic. Knows nothing of processes.

    error: unknown operation `ad`
     --> bad.toml:1:12
      |
    1 | operation="ad"
      |            ^^ expected the name of an operation
      |
      = help: did you mean `add`?
"""

from __future__ import annotations

import re

from .errors import Problem

_PLACE = re.compile(r"^\s*--> (?P<file>.+):(?P<line>\d+):(?P<column>\d+)$", re.M)
_SOURCE = re.compile(r"^\s*\d+ \|(?: (?P<text>.*))?$", re.M)
_MARK = re.compile(r"^\s*\|\s*(?P<marks>[\^-]+)(?: (?P<label>.*))?$", re.M)
_HELP = re.compile(r"^\s*= (?:help|note): (?P<text>.*(?:\n {4,}(?!\|).*)*)$", re.M)


def problems(stderr: str) -> tuple[Problem, ...]:
    """The mistakes that have a place in a text; none where the program reported something else."""
    blocks = re.split(r"^(?=error: )", stderr, flags=re.M)
    found = (_problem(block) for block in blocks if block.startswith("error: "))
    return tuple(problem for problem in found if problem is not None)


def _problem(block: str) -> Problem | None:
    place = _PLACE.search(block)
    if place is None:
        return None
    message = block[len("error: ") : place.start()].strip()
    source, mark = _SOURCE.search(block, place.end()), _MARK.search(block, place.end())
    helps = tuple(re.sub(r"\s+", " ", found["text"]).strip() for found in _HELP.finditer(block))
    return Problem(
        message=message,
        file=place["file"],
        line=int(place["line"]),
        column=int(place["column"]),
        length=len(mark["marks"]) if mark else 0,
        source=(source["text"] or "") if source else "",
        label=(mark["label"] or "").strip() if mark else "",
        helps=helps,
    )
