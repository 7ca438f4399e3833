"""Reads checkpoints that are rounded or packed, by the lines of doc/python.md.

    python read_checkpoints.py CELL EXPORTED.pth f16|f32

Exits with 77 and a line that begins with "skipped" where a package is missing.
"""
import functools
import json
import os
import sys
import zlib

try:
    import numpy as np
    import torch
    from safetensors.numpy import load, load_file
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


# doc/python.md
@functools.lru_cache(4)
def plain(folder, epoch):
    """The bytes of a checkpoint's .safetensors file, unpacked where it is packed."""
    path = f"{folder}/checkpoints/{epoch:08}"
    if os.path.exists(f"{path}.safetensors"):
        return open(f"{path}.safetensors", "rb").read()
    file = load_file(f"{path}.packed")
    head = file["header"].tobytes()
    width = sum(name.startswith("plane.") for name in file)
    whole, top = np.dtype(f"<i{width}"), 8 * width - 1
    shapes = json.loads(head[8:])
    shapes.pop("__metadata__")
    n = max(tensor["data_offsets"][1] for tensor in shapes.values()) // width

    def turned(x):
        return x ^ ((x >> top) & whole.type(2**top - 1))

    def before(epoch):
        return turned(np.frombuffer(plain(folder, epoch)[-n * width:], whole))

    planes = [file[f"plane.{i}"].tobytes() for i in range(width)]
    planes = [np.frombuffer(b if len(b) == n else zlib.decompress(b), np.uint8) for b in planes]
    code = np.stack(planes, 1).reshape(-1).view(f"<u{width}")
    number = (code >> 1).view(whole) ^ -(code & 1).view(whole)
    earlier = [before(int(e)) for e in file["from"]]
    if len(earlier) == 1:
        number = number + earlier[0]
    if len(earlier) == 2:
        number = number + 2 * earlier[0] - earlier[1]
    return head + turned(number).tobytes()


weights = lambda folder, epoch: load(plain(folder, epoch))
# doc/python.md


def main(cell, exported, precision):
    file = torch.load(exported, map_location="cpu")
    for epoch, checkpoint in zip(file["checkpoint_epochs"], file["checkpoints"]):
        found = weights(cell, epoch)
        assert len(found) == 16, sorted(found)
        for name, got in found.items():
            tensor = checkpoint[name]
            assert got.dtype == (np.float16 if precision == "f16" else np.float32), got.dtype
            assert (torch.from_numpy(got.astype(np.float32)) == tensor).all(), (epoch, name)
    print(f"read: {len(file['checkpoints'])} checkpoints")


if __name__ == "__main__":
    main(*sys.argv[1:])
