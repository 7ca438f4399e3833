"""Trains the small transformers of the grokking literature, and reads what a run left.

    import grokrun as gk
    run = gk.run("specs/tiny.toml")               # trains, by the program that came along
    run = gk.open("runs/seeds32")                 # or opens a run; needs no program
    run.series("progress-measures", "restricted loss")

Reading needs numpy and pyarrow. Everything else is optional, and says what to install when it is
used: pandas for frames, matplotlib for plots, plotly for figures, xarray, torch and
transformer-lens for models. doc/python.md is the manual.
"""

from ._adopt import adopt
from ._binary import find as binary
from ._cell import Cell
from ._findings import Findings, Tensors
from ._measure import Snapshot
from ._run import Run, open
from ._survival import Survival, kaplan_meier
from ._train import analyze, run
from .errors import (
    AnalysisFailed,
    AnalysisWarning,
    BinaryNotFound,
    CommandFailed,
    DamagedFile,
    GrokrunError,
    MissingPackage,
    NotARun,
    NotThere,
    Problem,
    RequestError,
    SpecError,
)

__version__ = "0.1.0"

__all__ = [
    "AnalysisFailed",
    "AnalysisWarning",
    "BinaryNotFound",
    "Cell",
    "CommandFailed",
    "DamagedFile",
    "Findings",
    "GrokrunError",
    "MissingPackage",
    "NotARun",
    "NotThere",
    "Problem",
    "RequestError",
    "Run",
    "Snapshot",
    "SpecError",
    "Survival",
    "Tensors",
    "adopt",
    "analyze",
    "binary",
    "kaplan_meier",
    "open",
    "run",
]
