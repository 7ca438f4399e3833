"""Computes the progress measures of a cell's last checkpoint again, in float64 with numpy alone.

    python measures.py RUN/cells/CELL

Needs a cell of the operation add or mul (prime modulus) and its findings by the analysis
progress-measures with keys = "final". Shares no code and no file with the plugin: the forward pass is
that of TransformerLens at all three positions, directions are written out as functions of a and b.
Prints each measure twice, and exits with 1 where the two differ by more than 1e-4 of the value.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np


def safetensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    kinds = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "BOOL": "?"}
    found = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__" and entry["dtype"] in kinds:
            start, end = entry["data_offsets"]
            numbers = np.frombuffer(data[8 + size + start : 8 + size + end], kinds[entry["dtype"]])
            found[name] = numbers.reshape(entry["shape"])
    return found


def forward(weights, p):
    w = {name: x.astype(np.float64) for name, x in weights.items() if x.dtype == np.float32}
    attn = lambda name: w["blocks.0.attn." + name]
    a, b = np.repeat(np.arange(p), p), np.tile(np.arange(p), p)
    x = w["embed.W_E"][np.stack([a, b, np.full(p * p, p)], 1)] + w["pos_embed.W_pos"]
    q = np.einsum("nd,hde->nhe", x[:, 2], attn("W_Q"))
    k = np.einsum("ntd,hde->nthe", x, attn("W_K"))
    v = np.einsum("ntd,hde->nthe", x, attn("W_V"))
    score = np.exp(np.einsum("nhe,nthe->nht", q, k) / np.sqrt(q.shape[-1]))
    pattern = score / score.sum(-1, keepdims=True)
    mid = x[:, 2] + np.einsum("nht,nthe,hed->nd", pattern, v, attn("W_O"))
    pre = mid @ w["blocks.0.mlp.W_in"] + w["blocks.0.mlp.b_in"]
    post = np.maximum(pre, 0)
    out = post @ w["blocks.0.mlp.W_out"] + w["blocks.0.mlp.b_out"]
    return w, pre, post, (mid + out) @ w["unembed.W_U"] + w["unembed.b_U"]


def loss(logits, labels):
    rows = np.arange(len(labels))
    d = logits - logits[rows, labels][:, None]
    d[rows, labels] = -np.inf
    top = np.maximum(d.max(1), 0)
    others = np.exp(d - top[:, None]).sum(1)
    return np.mean(np.where(top > 0, top + np.log(np.exp(-top) + others), np.log1p(others)))


def main(cell):
    config = json.loads((cell / "config.json").read_text())["task"]
    p, operation = config["modulus"], config["operation"]
    last = sorted((cell / "checkpoints").glob("*.safetensors"))[-1]
    w, pre, post, logits = forward(safetensors(last), p)
    split = safetensors(cell / "split.safetensors")
    a, b = np.repeat(np.arange(p), p), np.tile(np.arange(p), p)
    if operation == "add":
        y, n, place, inside = (a + b) % p, p, np.arange(p), np.ones(p, bool)
    elif operation == "mul":
        y, n, inside = a * b % p, p - 1, np.arange(p) > 0
        orders = lambda g: len({pow(g, i, p) for i in range(n)})
        root = next(g for g in range(1, p) if orders(g) == n)
        place = np.zeros(p, int)
        for i in range(n):
            place[pow(root, i, p)] = i
    else:
        sys.exit(f"the operation is {operation}; expected add or mul")
    block = inside[a] & inside[b]
    train, test = (np.isin(np.arange(p * p), split[s + "_indices"]) & block for s in ("train", "test"))

    def waves(k, at, valid):
        angle = 2 * np.pi * k * at / n
        rows = [np.cos(angle)] if 2 * k == n else [np.cos(angle), np.sin(angle)]
        return [v / np.linalg.norm(v) for v in (np.where(valid, row, 0) for row in rows)]

    directions = {k: waves(k, place[a] + place[b], block) for k in range(1, n // 2 + 1)}
    project = lambda x, keys: sum(np.outer(d, d @ x) for k in keys for d in directions[k])

    findings = cell / "analysis" / "progress-measures"
    table = lambda name: json.loads((findings / f"{name}.table.json").read_text())
    frozen = table("frozen")
    got = dict(zip(frozen["columns"], frozen["rows"][-1]))
    keys = [row[0] for row in table("key-frequencies")["rows"]]
    tensors = safetensors(findings / "tensors.safetensors")

    w_l = w["blocks.0.mlp.W_out"] @ w["unembed.W_U"]
    whole, neurons = project(logits, keys), project(post, keys) @ w_l
    mean = logits[block].mean(0)
    trig = loss((whole + mean)[block], y[block])
    restricted = loss((neurons + mean)[test], y[test])
    test_loss = loss(logits[test], y[test])
    group = logits[block] * inside
    norm = np.linalg.norm(group)
    cubes = {}
    for k, rows in directions.items():
        classes = waves(k, place, inside)
        cube = sum(np.outer(d[block], f) for d, f in zip(rows, classes)) / np.sqrt(len(rows))
        cubes[k] = (np.vdot(cube, group), cube)
    approximation = sum(cubes[k][0] * cubes[k][1] for k in keys)

    def trig_ratio(x):
        variance = ((x[block] - x[block].mean(0)) ** 2).sum(0)
        alive = variance > 0
        return np.mean((project(x, keys) ** 2).sum(0)[alive] / variance[alive])

    want = {
        "trig loss": trig,
        "trig loss, train": loss((whole + mean)[train], y[train]),
        "restricted loss": restricted,
        "excluded loss": loss((logits - whole)[train], y[train]),
        "excluded loss, neurons": loss((logits - neurons)[train], y[train]),
        "test loss / trig loss": test_loss / trig,
        "test loss / restricted loss": test_loss / restricted,
        "trig ratio, pre": trig_ratio(pre),
        "trig ratio, post": trig_ratio(post),
        "trig ratio, logits": trig_ratio(logits),
        "cube residual": np.linalg.norm(group - approximation) / norm,
        "cube loss": loss(approximation, y[block]),
    }
    for k in keys:
        name = f"excluded loss of {k}"
        want[name] = loss((logits - project(logits, [k]))[train], y[train])
        got[name] = tensors["excluded-loss"][-1][k - 1]
        name = f"cosine with cube {k}"
        want[name] = cubes[k][0] / norm
        got[name] = tensors["cube-cosines"][-1][k - 1]
    wrong = 0
    for name, value in want.items():
        off = abs(got[name] / value - 1)
        bad = not off <= 1e-4
        wrong += bad
        print(f"{name:30} {value:.8g} {got[name]:.8g} {off:.1e} {'differs' if bad else ''}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
