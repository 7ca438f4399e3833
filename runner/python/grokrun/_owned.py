"""Reads the files of a run, and checks that each is whole and the one that is meant.

Owns what a file says of itself: the cell, the fingerprint, the epoch, its digest. Knows nothing of
which files a run has. Whose a file is, is compared at each reading; digests are compared where
that was asked for, since that needs the package blake3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import _packed, _safetensors
from ._optional import need
from ._safetensors import TensorFile
from .errors import DamagedFile

_DIGEST = re.compile(rb'(?:"blake3": ?"|# blake3: |\x18\x06blake3\x18\x40)([0-9a-f]{64})')


@dataclass(frozen=True)
class Owner:
    """Whose the files are that are read.

    Attributes:
        cell: the cell's id.
        fingerprint: of what decides about the cell's weights; none of runs of older versions.
        verify: whether digests are compared too.
        epoch: the epoch of the file, where it is of one.
    """

    cell: str
    fingerprint: str | None
    verify: bool
    epoch: int | None = None

    def at(self, epoch: int) -> Owner:
        """The same of an epoch."""
        return replace(self, epoch=epoch)

    def json(self, path: Path) -> Any:
        """The value of a JSON file that says whose it is."""
        value = json_file(path, self.verify)
        self._compare(path, value)
        return value

    def plain_json(self, path: Path, digest: str | None) -> Any:
        """The value of a JSON file whose digest stands elsewhere."""
        data = path.read_bytes()
        self._whole(path, data, digest)
        return _loads(path, data)

    def tensors(self, path: Path) -> TensorFile:
        """The content of a safetensors file."""
        data = path.read_bytes()
        return self.parsed(path, data)

    def parsed(self, path: Path, data: bytes) -> TensorFile:
        """The content of the bytes of a safetensors file."""
        if self.verify:
            check_digest(path, data)
        file = _safetensors.parse(data, str(path))
        self._compare(path, file.notes)
        return file

    def parquet(self, path: Path, columns: list[str] | None, digest: str | None = None) -> pa.Table:
        """The columns of a Parquet file; of a history, whose digest is in it, and of series."""
        if self.verify:
            data = path.read_bytes()
            if digest is None:
                check_digest(path, data)
            self._whole(path, data, digest)
        try:
            table = pq.read_table(path, columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise DamagedFile(f"{path} is damaged: {error}") from error
        notes = table.schema.metadata or {}
        self._compare(
            path,
            {
                key.decode(): text.decode()
                for key, text in notes.items()
                if key in (b"cell", b"fingerprint", b"epoch")
            },
        )
        return table

    def _whole(self, path: Path, data: bytes, digest: str | None) -> None:
        if not self.verify or digest is None:
            return
        if blake3(data) != digest:
            raise DamagedFile(f"{path} is damaged: it does not fit its digest in findings.json")

    def _compare(self, path: Path, notes: Mapping[str, Any]) -> None:
        wanted = {"cell": self.cell, "fingerprint": self.fingerprint}
        if self.epoch is not None:
            wanted["epoch"] = str(self.epoch)
        for key, want in wanted.items():
            found = notes.get(key)
            if found is not None and want is not None and str(found) != want:
                raise DamagedFile(f"{path} is of the {key} {found}; expected the {key} {want}")


def json_file(path: Path, verify: bool) -> Any:
    """The value of a JSON file that has its digest in it."""
    data = path.read_bytes()
    if verify:
        check_digest(path, data)
    return _loads(path, data)


def _loads(path: Path, data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged: {error}") from error


def check_digest(path: Path, data: bytes) -> None:
    """Makes sure that a file fits the digest in it: BLAKE3 of it with the digest's digits as zeros.

    Files of older versions have none, and are taken as they are.
    """
    places = list(_DIGEST.finditer(data))
    if not places:
        return
    # A Parquet file has it at its end, all others at their beginning.
    found = places[-1 if path.suffix == ".parquet" else 0]
    zeroed = data[: found.start(1)] + b"0" * 64 + data[found.end(1) :]
    if blake3(zeroed) != found[1].decode():
        raise DamagedFile(f"{path} is damaged: its {len(data)} bytes do not fit the digest in it")


def blake3(data: bytes) -> str:
    """The BLAKE3 digest, 64 hexadecimal digits."""
    return str(need("blake3", "Comparing digests").blake3(data).hexdigest())


def unpacked(packed: TensorFile, before: Any, path: Path) -> bytes:
    """The bytes of a packed checkpoint's safetensors file."""
    return _packed.unpack(packed, before, str(path))
