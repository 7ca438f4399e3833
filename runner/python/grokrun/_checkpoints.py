"""The checkpoints of a cell: plain, rounded or packed.

Owns how their files are found and read. Knows nothing of models.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

from ._owned import Owner, unpacked
from ._safetensors import Array
from .errors import NotThere

#: Unpacked files that are kept: a packed one is predicted from the two before it.
_KEPT = 4


class Checkpoints:
    """The weights of one cell at the epochs at which they were kept."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        self._folder = folder
        self._owner = owner
        self._recent: OrderedDict[int, bytes] = OrderedDict()

    def epochs(self) -> list[int]:
        """The epochs, sorted; 0 is the initial weights."""
        found = set()
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        for name in names:
            stem, _, ending = name.partition(".")
            if stem.isdigit() and ending in ("safetensors", "packed"):
                found.add(int(stem))
        return sorted(found)

    def read(self, epoch: int) -> dict[str, Array]:
        """The tensors of an epoch by name; float16 where they were rounded, else float32."""
        data = self._plain(epoch)
        return self._owner.at(epoch).parsed(self._path(epoch, "safetensors"), data).tensors

    def _path(self, epoch: int, ending: str) -> Path:
        return self._folder / f"{epoch:08}.{ending}"

    def _plain(self, epoch: int) -> bytes:
        """The bytes of an epoch's safetensors file, unpacked where it is packed."""
        if epoch in self._recent:
            return self._recent[epoch]
        path = self._path(epoch, "safetensors")
        try:
            return path.read_bytes()
        except FileNotFoundError:
            pass
        path = self._path(epoch, "packed")
        try:
            packed = self._owner.at(epoch).tensors(path)
        except FileNotFoundError:
            raise self._missing(epoch) from None
        data = unpacked(packed, self._plain, path)
        self._recent[epoch] = data
        while len(self._recent) > _KEPT:
            self._recent.popitem(last=False)
        return data

    def _missing(self, epoch: int) -> NotThere:
        kept = self.epochs()
        if not kept:
            return NotThere(f"{self._owner.cell} has no checkpoints")
        nearest = min(kept, key=lambda other: abs(other - epoch))
        return NotThere(
            f"{self._owner.cell} has no checkpoint of epoch {epoch}; the nearest is {nearest}, "
            f"and all {len(kept)} are in `checkpoints`"
        )
