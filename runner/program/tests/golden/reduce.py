"""Makes the files in data/ from the full golden data: reduce.py FULL_FOLDER data

Keeps every number of the losses, some steps of the optimizers, and some numbers of each training's
tensors; the rest is kept as hashes, largest magnitudes and curves. Needs Python alone.
"""
import hashlib
import json
import pathlib
import struct
import sys

KEPT = {"logits_init": 300, "init": 0}
STEPS = [0, 1, 2, 5, 9, 19]
SIZE = {"F32": 4, "F64": 8, "I64": 8}


def load(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    return {k: (v["dtype"], v["shape"], body[slice(*v["data_offsets"])]) for k, v in header.items()}


def save(path, tensors):
    header, body = {}, b""
    for name, (dtype, shape, data) in sorted(tensors.items()):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def stride(count, most):
    """A prime, so that it shares no divisor with a row."""
    step = max(1, -(-count // most))
    while step > 1 and any(step % d == 0 for d in range(2, step)):
        step += 1
    return step


def every(tensor, step):
    dtype, _, data = tensor
    size = SIZE[dtype]
    parts = [data[i : i + size] for i in range(0, len(data), size * step)]
    return dtype, [len(parts)], b"".join(parts)


def training(full, name, out):
    facts, tensors = json.loads((full / f"{name}.json").read_text()), load(full / f"{name}.safetensors")
    keys = "setting optimizer trainable sha256_train_indices_i64le n_train train_loss test_loss train_acc test_acc float64"
    kept = {k: facts[k] for k in keys.split()}
    kept["agreement"] = {
        what: [max(run[at][what] for run in facts["agreement"].values()) for at in ("1", "10", "50", "100")]
        for what in ("loss", "weights")
    }
    kept["tensors"], small = {}, {}
    for key, tensor in tensors.items():
        dtype, shape, data = tensor
        folder = key.split("/")[0]
        if dtype != "F32":
            special = {"labels": "group" in name, "train_labels": "noise" in name, "batch_order": True}
            if special.get(key, False):
                small[key] = tensor
            continue
        if folder not in ("logits_init", "init") and key.split("/")[1] not in facts["trainable"]:
            continue
        step = stride(len(data) // 4, KEPT.get(folder, 48)) if folder != "init" else 0
        numbers = struct.unpack(f"<{len(data) // 4}f", data)
        kept["tensors"][key] = {
            "shape": shape,
            "stride": step,
            "largest": max(abs(x) for x in numbers),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        if step:
            small[key] = every(tensor, step)
    (out / f"{name}.json").write_text(json.dumps(kept, separators=(",", ":")))
    save(out / f"{name}.safetensors", small)


def optimizers(full, out):
    small = {}
    for key, (dtype, shape, data) in load(full / "optim.safetensors").items():
        if dtype == "BF16":
            continue
        if key.split("/")[0] in ("w0", "grad", "newton_schulz"):
            small[key] = (dtype, shape, data)
        else:
            size = len(data) // shape[0]
            small[key] = (dtype, [len(STEPS), *shape[1:]], b"".join(data[s * size : (s + 1) * size] for s in STEPS))
    save(out / "optim.safetensors", small)


def main():
    full, out = map(pathlib.Path, sys.argv[1:])
    for path in sorted(full.glob("*.json")):
        if path.stem not in ("groups", "losses", "optim", "rng2", "quad_p97_published"):
            training(full, path.stem, out)
    optimizers(full, out)
    save(out / "losses.safetensors", load(full / "losses.safetensors"))


main()
