"""Reads checkpoints that are rounded or packed, by the package of runner/python.

    python read_checkpoints.py CELL EXPORTED.pth f16|f32

Exits with 77 and a line that begins with "skipped" where a package is missing.
"""
import sys
from pathlib import Path

try:
    import grokrun
    import numpy as np
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)


def main(folder, exported, precision):
    file = torch.load(exported, map_location="cpu")
    folder = Path(folder)
    cell = grokrun.open(folder.parents[1]).cell(folder.name)
    assert cell.checkpoints == list(file["checkpoint_epochs"])
    for epoch, checkpoint in zip(file["checkpoint_epochs"], file["checkpoints"]):
        found = cell.weights(epoch)
        assert len(found) == 16, sorted(found)
        for name, got in found.items():
            tensor = checkpoint[name]
            assert got.dtype == (np.float16 if precision == "f16" else np.float32), got.dtype
            assert (torch.from_numpy(got.astype(np.float32)) == tensor).all(), (epoch, name)
    print(f"read: {len(file['checkpoints'])} checkpoints")


if __name__ == "__main__":
    main(*sys.argv[1:])
