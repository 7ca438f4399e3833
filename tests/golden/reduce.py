"""Makes the fixtures here from the full golden data (see README.md).

    python tests/golden/reduce.py FOLDER_WITH_THE_FULL_DATA

Needs numpy and safetensors.
"""
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).parent
SETTINGS = {
    # name here: (name there, every how many-th number of a tensor is kept)
    "small": ("mul_p23_f0.5_d1_m2_small", 1),
    "published": ("add_p113_f0.3_d598_m999", 53),
}


def main():
    folder = Path(sys.argv[1])
    for name, (there, stride) in SETTINGS.items():
        tensors = load_file(folder / f"{there}.safetensors")
        facts = json.loads((folder / f"{there}.json").read_text())
        kept, about = {}, {}
        for key, tensor in tensors.items():
            if key == "train_indices":
                kept[key] = tensor
                continue
            flat = np.ascontiguousarray(tensor, dtype="<f4").ravel()
            about[key] = {
                "largest": float(np.abs(flat).max()),
                "sha256": hashlib.sha256(flat.tobytes()).hexdigest(),
            }
            # Logits are many: a thousand of them say as much.
            step = max(stride, 1499) if key == "logits_init" and stride > 1 else stride
            if not (key.startswith("init/") and stride > 1):
                kept[key] = flat[::step].copy()
        save_file(kept, HERE / f"{name}.safetensors")
        wanted = ["versions", "setting", "order", "sha256_train_indices_i64le", "sha256_test_indices_i64le",
                  "train_loss", "test_loss", "train_acc", "test_acc"]
        facts = {key: facts[key] for key in wanted} | {"stride": stride, "tensors": about}
        (HERE / f"{name}.json").write_text(json.dumps(facts, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
