"""One cell of a run: a model that was trained on one task with one pair of seeds.

Owns what can be asked of a cell. Knows nothing of other cells.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from . import _frames, _html, _models, _settings
from ._checkpoints import Checkpoints
from ._findings import Findings, Tensors
from ._optional import need
from ._owned import Owner, json_file
from ._safetensors import Array
from ._settings import Value
from .errors import NotThere, not_there

if TYPE_CHECKING:
    import pandas as pd

#: The columns of a history after `epoch`, all doubles.
METRICS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


class Cell:
    """A cell of a run; made by `Run.cell` and in `Run.all`. Files are read when they are asked for.

    Attributes:
        folder: the cell's folder.
        id: its name, `mul-p59-f0.5-d598-m999`.
        config: config.json: everything that rebuilds the model and the data set.
        settings: what it was trained with, by the names that `Run.cell` takes.
        summary: its object of summary.json; empty where the run has none yet.
    """

    def __init__(self, folder: Path, summary: Mapping[str, Any], verify: bool) -> None:
        self.folder = folder
        self.id = folder.name
        self.config: Mapping[str, Any] = MappingProxyType(json_file(folder / "config.json", verify))
        self._owner = Owner(self.id, self.config.get("fingerprint"), verify)
        self.settings: Mapping[str, Value] = MappingProxyType(_settings.settings(self.config))
        self.summary: Mapping[str, Any] = MappingProxyType(dict(summary))
        self._checkpoints = Checkpoints(folder / "checkpoints", self._owner)

    # -- how it went

    @property
    def verdict(self) -> str:
        """How it went, in words: "grokked at epoch 754"."""
        return str(self.summary.get("verdict") or "no verdict yet")

    @property
    def grokked(self) -> int | None:
        """The first epoch from which the test accuracy was 0.99 or more for 500 further epochs."""
        return self.summary.get("test_accuracy_epoch")

    @property
    def memorised(self) -> int | None:
        """The same of the train accuracy."""
        return self.summary.get("train_accuracy_epoch")

    def history(self, *names: str, every: int = 1) -> pd.DataFrame:
        """Losses (mean cross-entropies in nats, or the loss trained on) and accuracies (0 to 1).

        Train numbers of an epoch are those before its step, test numbers those after it.

        Args:
            names: of `train_loss`, `test_loss`, `train_accuracy`, `test_accuracy`; all by default.
            every: only epochs that are multiples of it, and the last.

        Returns:
            A row an epoch: `epoch` (int64), and a column of float64 for each name.
        """
        return _frames.frame(self.history_table(*names, every=every), "history")

    def history_table(self, *names: str, every: int = 1) -> pa.Table:
        """The same as a pyarrow.Table, without pandas."""
        for name in names:
            if name not in METRICS:
                raise not_there("metric", name, METRICS, self.id)
        path = self.folder / "metrics.parquet"
        try:
            table = self._owner.parquet(path, ["epoch", *(names or METRICS)])
        except FileNotFoundError:
            raise NotThere(f"{self.id} has no history yet: {path} is not there") from None
        return _frames.thinned(table, every)

    def split(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The pairs trained on and tested on: (n_train,) and (n_test,), int64, places a·p + b."""
        tensors = self._owner.tensors(self.folder / "split.safetensors").tensors
        return tensors["train_indices"], tensors["test_indices"]

    # -- weights

    @property
    def checkpoints(self) -> list[int]:
        """The epochs whose weights were kept, sorted: steps taken, 0 for the initial weights."""
        return self._checkpoints.epochs()

    def weights(self, epoch: int | None = None) -> dict[str, Array]:
        """The weights after so many steps by their names: `weights(1500)["embed.W_E"]`.

        Reads plain, rounded and packed checkpoints. TransformerLens's names, and their shapes in
        the published architecture:
        `embed.W_E` (p + 1, d_model), `pos_embed.W_pos` (3, d_model), `blocks.0.attn.W_Q`, `W_K`,
        `W_V` (heads, d_model, d_head), `W_O` (heads, d_head, d_model), `blocks.0.mlp.W_in`
        (d_model, d_mlp), `W_out` (d_mlp, d_model), `unembed.W_U` (d_model, p), and biases.

        Args:
            epoch: one of `checkpoints`; the last by default.

        Returns:
            float32 arrays, or float16 where the run rounds its checkpoints; yours to change.
        """
        return self._checkpoints.read(self._epoch(epoch))

    def state_dict(self, epoch: int | None = None) -> dict[str, Any]:
        """The same as float32 torch tensors. Needs torch."""
        return _models.state_dict(self.weights(epoch))

    def hooked_transformer(self, epoch: int | None = None) -> Any:
        """A TransformerLens model with the weights after so many steps, on the CPU, in `eval` mode.

        A `HookedTransformer` of TransformerLens 3; version 4 gives a `TransformerBridge`.
        Tokens are (batch, 3): a, b and p for '='; logits (batch, 3, p), of which the last position
        counts. Needs torch and transformer-lens.
        """
        return _models.hooked_transformer(self.config, self.weights(epoch))

    def _epoch(self, epoch: int | None) -> int:
        if epoch is not None:
            return epoch
        kept = self.checkpoints
        if not kept:
            raise NotThere(f"{self.id} has no checkpoints")
        return kept[-1]

    # -- findings

    @property
    def analyses(self) -> list[str]:
        """The names of the analyses that have said something of this cell, sorted."""
        folder = self.folder / "analysis"
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        return [name for name in names if (folder / name / "findings.json").is_file()]

    def findings(self, analysis: str) -> Findings:
        """Everything an analysis left; `findings(name).index` has its definition and its notes."""
        if analysis not in self.analyses:
            raise not_there("analysis", analysis, self.analyses, self.id)
        return Findings(self.folder / "analysis" / analysis, self._owner)

    def series(self, analysis: str, *names: str) -> pd.DataFrame:
        """Series of an analysis: `epoch` (int64) and a column of float64 for each name.

        NaN where the analysis said nothing of a series at that epoch. All series by default.
        """
        return _frames.frame(self.series_table(analysis, *names), "series")

    def series_table(self, analysis: str, *names: str) -> pa.Table:
        """The same as a pyarrow.Table, without pandas."""
        return self.findings(analysis).series(list(names) or None)

    def tensors(self, analysis: str) -> Tensors:
        """The tensors of an analysis; `.epochs(name)` tells those of the first dimension."""
        return self.findings(analysis).tensors()

    def table(self, analysis: str, name: str) -> pd.DataFrame:
        """A table of an analysis, with its own columns."""
        pandas = need("pandas", "table", "Without pandas, `table_json` gives its columns and rows")
        table = self.table_json(analysis, name)
        made: pd.DataFrame = pandas.DataFrame(table["rows"], columns=table["columns"])
        return made

    def table_json(self, analysis: str, name: str) -> dict[str, Any]:
        """The same as `columns`, a list of names, and `rows`, lists of values."""
        return self.findings(analysis).table(name)

    def figure(self, analysis: str, name: str) -> Any:
        """A figure of an analysis, a `plotly.graph_objects.Figure`. Needs plotly."""
        plotly = need(
            "plotly.io", "figure", "Without plotly, `figure_json` gives its data and layout"
        )
        # Figures carry keys of their own beside Plotly's, for the report.
        return plotly.from_json(_dump(self.figure_json(analysis, name)), skip_invalid=True)

    def figure_json(self, analysis: str, name: str) -> dict[str, Any]:
        """The same as Plotly's `data`, `layout` and, of one that moves, `frames`."""
        return self.findings(analysis).figure(name)

    # -- looks

    def known_by(self, axes: Sequence[str]) -> dict[str, Value]:
        """The cell's id and its values of these settings, a row's first columns."""
        return {"cell": self.id, **{axis: self.settings.get(axis) for axis in axes}}

    def __repr__(self) -> str:
        return f"<grokrun.Cell {self.id}: {self.verdict}>"

    def _repr_html_(self) -> str:
        return _html.cell(self)


def _dump(figure: dict[str, Any]) -> str:
    import json

    return json.dumps(figure)
