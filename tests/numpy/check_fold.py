"""Checks the formulas of doc/model.md: the folded model against the published one, and its gradients
against finite differences, in f64 on a small model with every bias trained.

    python3 check_fold.py

Written from that page alone; knows nothing of the Rust code. Prints a line a parameter. Exit status: 0
all agree, 1 one does not. Needs numpy.
"""

import sys

import numpy as np

P, D_MODEL, HEADS, D_HEAD, D_MLP = 5, 6, 2, 3, 7
EQ = 2 * P  # the row of '='
ROOT = np.sqrt(D_HEAD)
SHAPES = {
    "W_E": (P + 1, D_MODEL),
    "W_pos": (3, D_MODEL),
    "W_Q": (HEADS, D_MODEL, D_HEAD),
    "W_K": (HEADS, D_MODEL, D_HEAD),
    "W_V": (HEADS, D_MODEL, D_HEAD),
    "W_O": (HEADS, D_HEAD, D_MODEL),
    "W_in": (D_MODEL, D_MLP),
    "b_in": (D_MLP,),
    "W_out": (D_MLP, D_MODEL),
    "b_out": (D_MODEL,),
    "W_U": (D_MODEL, P),
}
PAIRS = [(a, b, (3 * a + b) % P) for a in range(P) for b in range(P) if (7 * a + 3 * b) % 5 < 3]


def relu(x):
    return np.maximum(x, 0)


def published_loss(w):
    """"The published model", a pair at a time."""
    total = 0.0
    for a, b, y in PAIRS:
        x = [w["W_E"][t] + w["W_pos"][i] for i, t in enumerate([a, b, P])]
        mid = x[2].copy()
        for h in range(HEADS):
            q = x[2] @ w["W_Q"][h]
            s = np.array([q @ (row @ w["W_K"][h]) for row in x]) / ROOT
            weights = np.exp(s - s.max()) / np.exp(s - s.max()).sum()
            mid += sum(weight * (row @ w["W_V"][h]) for weight, row in zip(weights, x)) @ w["W_O"][h]
        end = mid + relu(mid @ w["W_in"] + w["b_in"]) @ w["W_out"] + w["b_out"]
        logits = end @ w["W_U"]
        total += np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[y]
    return total / len(PAIRS)


def fold(w):
    """"The fold": every table, by its name there."""
    x = np.vstack([w["W_E"][:P] + w["W_pos"][0], w["W_E"][:P] + w["W_pos"][1], w["W_E"][P:] + w["W_pos"][2]])
    t = {"x": x, "xd": x[:EQ] - x[EQ]}
    heads = range(HEADS)
    t["q"] = [x[EQ] @ w["W_Q"][h] for h in heads]
    t["kq"] = [t["q"][h] @ w["W_K"][h].T for h in heads]
    t["s"] = np.stack([x @ t["kq"][h] / ROOT for h in heads], axis=1)
    t["OW"] = [w["W_O"][h] @ w["W_in"] for h in heads]
    t["OU"] = [w["W_O"][h] @ w["W_U"] for h in heads]
    t["V"] = [t["xd"] @ w["W_V"][h] for h in heads]
    t["U"] = [t["V"][h] @ t["OW"][h] for h in heads]
    t["D"] = [t["V"][h] @ t["OU"][h] for h in heads]
    t["M"] = w["W_out"] @ w["W_U"]
    t["v_eq"] = [x[EQ] @ w["W_V"][h] for h in heads]
    t["r"] = x[EQ] + sum(t["v_eq"][h] @ w["W_O"][h] for h in heads)
    t["c"] = t["r"] @ w["W_in"] + w["b_in"]
    t["d"] = (t["r"] + w["b_out"]) @ w["W_U"]
    return t


def learn(t):
    """"Forward", "Loss" and "Backward": the loss, and the gradients of the tables."""
    g = {name: np.zeros_like(t[name]) for name in ["s", "M", "c", "d"]}
    g["U"], g["D"] = [np.zeros_like(u) for u in t["U"]], [np.zeros_like(d) for d in t["D"]]
    total = 0.0
    for a, b, y in PAIRS:
        rows = [a, P + b]
        s = t["s"][rows + [EQ]]
        weights = np.exp(s - s.max(axis=0))
        weights /= weights.sum(axis=0)
        terms = [(h, i, row) for h in range(HEADS) for i, row in enumerate(rows)]
        pre = t["c"] + sum(weights[i, h] * t["U"][h][row] for h, i, row in terms)
        post = relu(pre)
        logits = t["d"] + sum(weights[i, h] * t["D"][h][row] for h, i, row in terms) + post @ t["M"]

        powers = np.exp(logits - logits.max())
        others = powers.sum() - powers[y]
        z = others + powers[y]
        total += logits.max() - logits[y] + np.log(z)
        d_logits = powers / (z * len(PAIRS))
        d_logits[y] = -others / (z * len(PAIRS))

        d_pre = (d_logits @ t["M"].T) * (pre > 0)
        g["M"] += np.outer(post, d_logits)
        g["c"] += d_pre
        g["d"] += d_logits
        for h in range(HEADS):
            along = [t["U"][h][row] @ d_pre + t["D"][h][row] @ d_logits for row in rows]
            mean = weights[0, h] * along[0] + weights[1, h] * along[1]
            for i, row in enumerate(rows):
                g["U"][h][row] += weights[i, h] * d_pre
                g["D"][h][row] += weights[i, h] * d_logits
                g["s"][row, h] += weights[i, h] * (along[i] - mean)
            g["s"][EQ, h] -= weights[2, h] * mean
    return total / len(PAIRS), g


def unfold(w, t, g):
    """"From the tables to the parameters"."""
    out = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    heads = range(HEADS)
    d_v = [g["U"][h] @ t["OW"][h].T + g["D"][h] @ t["OU"][h].T for h in heads]
    d_ow = [t["V"][h].T @ g["U"][h] for h in heads]
    d_ou = [t["V"][h].T @ g["D"][h] for h in heads]
    d_xd = sum(d_v[h] @ w["W_V"][h].T for h in heads)
    d_r = g["c"] @ w["W_in"].T + g["d"] @ w["W_U"].T
    d_v_eq = [d_r @ w["W_O"][h].T for h in heads]
    d_kq = [g["s"][:, h] @ t["x"] / ROOT for h in heads]
    d_q = [d_kq[h] @ w["W_K"][h] for h in heads]

    out["W_out"] = g["M"] @ w["W_U"].T
    out["W_in"] = sum(w["W_O"][h].T @ d_ow[h] for h in heads) + np.outer(t["r"], g["c"])
    out["W_U"] = w["W_out"].T @ g["M"] + sum(w["W_O"][h].T @ d_ou[h] for h in heads)
    out["W_U"] += np.outer(t["r"] + w["b_out"], g["d"])
    for h in heads:
        out["W_O"][h] = d_ow[h] @ w["W_in"].T + d_ou[h] @ w["W_U"].T + np.outer(t["v_eq"][h], d_r)
        out["W_V"][h] = t["xd"].T @ d_v[h] + np.outer(t["x"][EQ], d_v_eq[h])
        out["W_K"][h] = np.outer(d_kq[h], t["q"][h])
        out["W_Q"][h] = np.outer(t["x"][EQ], d_q[h])
    out["b_in"], out["b_out"] = g["c"], g["d"] @ w["W_U"].T

    d_x = d_xd + sum(np.outer(g["s"][:EQ, h], t["kq"][h]) / ROOT for h in heads)
    d_eq = d_r - d_xd.sum(axis=0)
    for h in heads:
        d_eq += d_v_eq[h] @ w["W_V"][h].T + d_q[h] @ w["W_Q"][h].T + g["s"][EQ, h] * t["kq"][h] / ROOT
    out["W_E"] = np.vstack([d_x[:P] + d_x[P:], d_eq[None]])
    out["W_pos"] = np.stack([d_x[:P].sum(axis=0), d_x[P:].sum(axis=0), d_eq])
    return out


def slopes(w, name, step=1e-6):
    """Finite differences of the published loss."""
    out = np.zeros_like(w[name])
    for at in np.ndindex(out.shape):
        start = w[name][at]
        ends = []
        for sign in [1, -1]:
            w[name][at] = start + sign * step
            ends.append(published_loss(w))
        w[name][at] = start
        out[at] = (ends[0] - ends[1]) / (2 * step)
    return out


def main():
    random = np.random.default_rng(0)
    w = {name: 0.5 * random.normal(size=shape) for name, shape in SHAPES.items()}
    tables = fold(w)
    loss, of_tables = learn(tables)
    gradients = unfold(w, tables, of_tables)
    apart = {"loss": abs(loss - published_loss(w))}
    for name in SHAPES:
        apart[name] = np.abs(gradients[name] - slopes(w, name)).max()
    bad = [name for name, by in apart.items() if not by < 1e-8]
    for name, by in apart.items():
        print(f"{'DIFFERS' if name in bad else 'ok     '} {name}: {by:.1e}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
