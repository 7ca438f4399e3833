"""Shows how far a training is, from the lines that the program prints.

Owns the bar. Knows nothing of processes. With tqdm installed it is tqdm's, in notebooks too;
without it lines of progress replace each other on a terminal and follow each other elsewhere.
"""

from __future__ import annotations

import re
import sys
from typing import Any

#: "mul-p59 and 3 more epoch 10/500 train loss ...".
_STEP = re.compile(r"^(?P<cells>\S.*?) epoch (?P<at>\d+)/(?P<of>\d+) (?P<rest>.*)$")


class Progress:
    """Takes the program's lines, one call each; ends with `close`."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._bars: Any = _tqdm() if shown else None
        self._bar: Any = None
        self._cells = ""
        self._in_place = False
        self._failing = False

    def __call__(self, line: str) -> None:
        # Errors end a command, and are what the exception says.
        self._failing = self._failing or line.startswith("error")
        if self._failing:
            return
        step = _STEP.match(line)
        if step is None:
            # Warnings and what was assumed are never left out.
            if self._shown or line.startswith(("warning", "note")):
                self._plain(line)
        elif self._bars is not None:
            self._step(step)
        elif self._shown:
            self._line(line)

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._in_place:
            print(file=sys.stderr)
            self._in_place = False

    def _step(self, step: re.Match[str]) -> None:
        if self._bar is None or step["cells"] != self._cells:
            self.close()
            self._cells = step["cells"]
            self._bar = self._bars(total=int(step["of"]), desc=self._cells, unit="epoch")
        self._bar.update(int(step["at"]) - self._bar.n)
        losses = step["rest"].split("  ")[:2]
        self._bar.set_postfix_str(", ".join(re.sub(r"\s+", " ", part) for part in losses))

    def _line(self, line: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            self._in_place = True
        else:
            print(line, file=sys.stderr)

    def _plain(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
            return
        if self._in_place:
            print("\r\x1b[K", end="", file=sys.stderr)
            self._in_place = False
        print(line, file=sys.stderr)


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm
