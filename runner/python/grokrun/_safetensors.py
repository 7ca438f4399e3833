"""Reads and writes safetensors files with numpy alone.

Owns the format. Knows nothing of what the tensors are.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DamagedFile

Array = NDArray[Any]

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _TYPES.items()}


@dataclass(frozen=True)
class TensorFile:
    """The content of a safetensors file.

    Attributes:
        notes: the texts of the header's `__metadata__`.
        tensors: arrays by name, views of one buffer that belongs to this object.
        head: the bytes before the numbers: the length of the header, and the header.
    """

    notes: dict[str, str]
    tensors: dict[str, Array]
    head: bytes


def read(path: Path) -> TensorFile:
    """Reads a file.

    Raises:
        DamagedFile: it is no safetensors file, or not a whole one.
        FileNotFoundError: it is not there.
    """
    return parse(path.read_bytes(), str(path))


def parse(data: bytes, name: str) -> TensorFile:
    """The content of a file's bytes; `name` is said in errors."""
    try:
        return _parse(data)
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise DamagedFile(f"{name} is no whole safetensors file: {error}") from error


def _parse(data: bytes) -> TensorFile:
    (length,) = struct.unpack("<Q", data[:8])
    if length > len(data) - 8:
        raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    notes = header.pop("__metadata__", {})
    # A copy that can be written to: torch shares an array's memory, and warns of one that cannot.
    numbers = np.frombuffer(bytearray(data[8 + length :]), np.uint8)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if not 0 <= begin <= end <= len(numbers):
            raise ValueError(f"{name} is at {begin} to {end} of {len(numbers)} bytes")
        if entry["dtype"] not in _TYPES:
            raise ValueError(f"{name} is of the type {entry['dtype']}, which numpy does not have")
        dtype = np.dtype(_TYPES[entry["dtype"]])
        # An offset that is not a multiple of the width is allowed, and numpy cannot view it.
        tensors[name] = np.frombuffer(numbers[begin:end].data, dtype).reshape(entry["shape"])
    return TensorFile(notes, tensors, data[: 8 + length])


def data_length(head: bytes) -> int:
    """Bytes of numbers that follow the header of a file, by its last offset."""
    header: dict[str, Any] = json.loads(head[8:])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return max(ends, default=0)


def write(path: Path, tensors: Mapping[str, Array], notes: Mapping[str, str] | None = None) -> None:
    """Writes arrays of numpy's types that the format has, in the order of the mapping."""
    header: dict[str, Any] = {"__metadata__": dict(notes)} if notes else {}
    parts, at = [], 0
    for name, array in tensors.items():
        dtype = array.dtype.newbyteorder("<")
        if dtype not in _NAMES:
            known = ", ".join(sorted(str(d) for d in _NAMES))
            raise TypeError(f"{name} is of the type {array.dtype}; expected one of {known}")
        data = np.ascontiguousarray(array, dtype).tobytes()
        offsets = [at, at + len(data)]
        header[name] = {"dtype": _NAMES[dtype], "shape": list(array.shape), "data_offsets": offsets}
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
