"""Unpacks checkpoints that were kept with `compression = "lossless"`.

Owns the format of `.packed` files. Knows nothing of where they are.

Each number is predicted from the two checkpoints before it, in whole numbers. With x a number's
bits as a signed integer of 8W bits, o(x) = x ^ ((x >> (8W - 1)) & (2^(8W-1) - 1)) grows with the
float, and is its own inverse. The residual is r = o(x) - 2 o(x1) + o(x2) modulo 2^(8W), for one
checkpoint before it r = o(x) - o(x1), for none r = o(x). Its code (r << 1) ^ (r >> (8W - 1)) is
cut into W planes of bytes, each deflated unless that makes it longer (doc/run-directory.md).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from . import _safetensors
from ._safetensors import TensorFile
from .errors import DamagedFile


def unpack(packed: TensorFile, before: Callable[[int], bytes], name: str) -> bytes:
    """The bytes of the safetensors file that was packed.

    Args:
        packed: the `.packed` file.
        before: the bytes of the safetensors file of another epoch.
        name: the file's, for errors.
    """
    try:
        return _unpack(packed, before)
    except (KeyError, ValueError, zlib.error) as error:
        raise DamagedFile(f"{name} cannot be unpacked: {error}") from error


def _unpack(packed: TensorFile, before: Callable[[int], bytes]) -> bytes:
    head = packed.tensors["header"].tobytes()
    planes = [packed.tensors[f"plane.{i}"].tobytes() for i in range(_width(packed))]
    whole = np.dtype(f"<i{len(planes)}")
    earlier = [before(int(epoch)) for epoch in packed.tensors["from"]]
    numbers = _numbers(head, planes, [len(data) for data in earlier])
    planes = [data if len(data) == numbers else zlib.decompress(data) for data in planes]
    if any(len(data) != numbers for data in planes):
        raise ValueError(
            f"its planes are of {[len(data) for data in planes]} bytes; expected {numbers}"
        )
    bytes_of_each = np.stack([np.frombuffer(data, np.uint8) for data in planes], axis=1)
    code = bytes_of_each.reshape(-1).view(f"<u{len(planes)}")
    ordered = (code >> 1).view(whole) ^ -(code & 1).view(whole)
    known = [_turned(np.frombuffer(data[-numbers * len(planes) :], whole)) for data in earlier]
    match known:
        case [last]:
            ordered = ordered + last
        case [last, one_before]:
            ordered = ordered + 2 * last - one_before
    return head + _turned(ordered).tobytes()


def _width(packed: TensorFile) -> int:
    """Bytes of a number: 4 of float32, 2 of float16."""
    return sum(name.startswith("plane.") for name in packed.tensors)


def _numbers(head: bytes, planes: list[bytes], earlier: list[int]) -> int:
    """How many numbers the packed file had: what its header says, after its last offset."""
    end = _safetensors.data_length(head)
    if any(size - end < 0 for size in earlier):
        raise ValueError("a checkpoint that it is predicted from is of another size")
    return end // len(planes)


def _turned(bits: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
    top = 8 * bits.dtype.itemsize - 1
    return bits ^ ((bits >> top) & bits.dtype.type(2**top - 1))
