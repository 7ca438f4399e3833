"""What an analysis left in a cell: series, tensors, tables, figures.

Owns their files. Knows nothing of what they mean: that is in doc/definitions.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ._owned import Owner
from ._safetensors import Array
from .errors import AnalysisFailed, not_there


class Tensors(Mapping[str, Array]):
    """The tensors of an analysis by name, float32.

    One that was said at snapshots has the number of snapshots as its first dimension, and
    `epochs(name)` tells which; one that was said once, at the end, has its own shape.
    """

    def __init__(self, tensors: Mapping[str, Array], place: str) -> None:
        self._all = tensors
        self._names = [name for name in tensors if not name.endswith(".epochs")]
        self._place = place

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise not_there("tensor", name, self._names, self._place)
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def epochs(self, name: str) -> NDArray[np.int64] | None:
        """The epochs of a tensor's first dimension, int64; none where it was said at the end."""
        self[name]
        return self._all.get(f"{name}.epochs")

    def __repr__(self) -> str:
        return f"Tensors({', '.join(f'{name}: {list(self[name].shape)}' for name in self)})"


class Findings:
    """What one analysis left in one cell.

    Attributes:
        index: the object of findings.json: the analysis, its version, summary, definition,
            parameters, notes, and the names of everything below.
    """

    def __init__(self, folder: Path, owner: Owner) -> None:
        self._folder = folder
        self._owner = owner
        self.index: dict[str, Any] = owner.json(folder / "findings.json")
        self._place = f"{self.index['analysis']} of {owner.cell}"

    @property
    def failure(self) -> str | None:
        """Why the analysis failed; none where it did not."""
        return self.index.get("failure")

    @property
    def so_far(self) -> int | None:
        """The epoch that the series reach while the analysis has not concluded; else none."""
        return self.index.get("so_far")

    def names(self, kind: str) -> list[str]:
        """The names of all `series`, `tensors`, `tables` or `figures`."""
        return list(self.index.get(kind, ()))

    def series(self, names: list[str] | None = None) -> pa.Table:
        """A column `epoch` (int64), one of doubles for each series, NaN where nothing was said."""
        for name in names or ():
            self._known("series", name)
        columns = None if names is None else ["epoch", *names]
        path = self._folder / "series.parquet"
        self._worked()
        if not self.names("series"):
            return pa.table({"epoch": pa.array([], pa.int64())})
        return self._owner.parquet(path, columns, self._digest(path.name))

    def tensors(self) -> Tensors:
        """All tensors."""
        self._worked()
        if not self.names("tensors"):
            return Tensors({}, self._place)
        file = self._owner.tensors(self._folder / "tensors.safetensors")
        return Tensors(file.tensors, self._place)

    def table(self, name: str) -> dict[str, Any]:
        """A table: `columns`, their names, and `rows`, lists of values."""
        return self._json("tables", name, "table")

    def figure(self, name: str) -> dict[str, Any]:
        """A figure as Plotly has it: `data`, `layout`, and `frames` for one that moves."""
        return self._json("figures", name, "figure")

    def _json(self, kind: str, name: str, ending: str) -> dict[str, Any]:
        self._worked()
        self._known(kind, name)
        path = self._folder / f"{name}.{ending}.json"
        value: dict[str, Any] = self._owner.plain_json(path, self._digest(path.name))
        return value

    def _known(self, kind: str, name: str) -> None:
        if name not in self.names(kind):
            raise not_there(
                kind.removesuffix("s") if kind != "series" else kind,
                name,
                self.names(kind),
                self._place,
            )

    def _worked(self) -> None:
        if self.failure is not None:
            raise AnalysisFailed(f"{self._place} failed: {self.failure}")

    def _digest(self, file: str) -> str | None:
        digests: dict[str, str] = self.index.get("files") or {}
        return digests.get(file)
