"""Computes measures of one stored checkpoint again, with numpy, and compares them with the findings.

    python3 check_measures.py RUN [--cell CELL] [--epoch EPOCH] [--tolerance 1e-4]

Reads RUN/cells/CELL: config.json (operation and p), split.safetensors, the checkpoint, and the series
of each analysis that is there. Everything is computed from the weights in f64 by the formulas of
doc/definitions.md and doc/model.md, one plain step after the other, and knows nothing of
how grokrun computes. Key frequencies are found again too, by the rule "norm in W_L above a quarter of
the largest". Parameters of the analyses are their defaults.

Prints a line a measure. Exit status: 0 all agree, 1 one differs, 2 there was nothing to compare.
For add, sub, mul and div modulo a prime. Needs numpy, pandas with pyarrow, and safetensors.
"""

import argparse
import json
import math
import pathlib
import sys

import numpy as np
import pandas as pd
from safetensors.numpy import load_file


# ---- the task: labels, the group, its basis ----


class Task:
    """Pairs a·p + b, labels (−1 where there is none), and the block of pairs that are in the group."""

    def __init__(self, operation, p):
        self.p, self.operation = p, operation
        a, b = np.divmod(np.arange(p * p), p)
        self.a, self.b = a, b
        if operation == "add":
            self.labels, self.signs = (a + b) % p, (1, 1)
        elif operation == "sub":
            self.labels, self.signs = (a - b) % p, (1, -1)
        elif operation == "mul":
            self.labels, self.signs = a * b % p, (1, 1)
        elif operation == "div":
            inverse = np.array([pow(int(x), p - 2, p) for x in range(p)])
            self.labels, self.signs = np.where(b == 0, -1, a * inverse[b] % p), (1, -1)
        else:
            sys.exit(f"{operation}: expected add, sub, mul or div")
        if operation in ("mul", "div"):
            root = next(g for g in range(1, p) if len({pow(g, i, p) for i in range(p - 1)}) == p - 1)
            self.order = np.array([pow(root, i, p) for i in range(p - 1)])
        else:
            self.order = np.arange(p)
        self.n = n = len(self.order)
        self.place = np.full(p, -1)
        self.place[self.order] = np.arange(n)
        self.largest = n // 2
        inside = (self.place[a] >= 0) & (self.place[b] >= 0) & (self.labels >= 0)
        self.block = np.flatnonzero(inside)

    def rows(self, k):
        """cos k, sin k (or the alternating row) as functions of the residue, length 1: (1 or 2, p)."""
        angle = 2 * np.pi * k * np.arange(self.n) / self.n
        if 2 * k == self.n:
            values = [np.cos(angle) / math.sqrt(self.n)]
        else:
            values = [math.sqrt(2 / self.n) * f(angle) for f in (np.cos, np.sin)]
        rows = np.zeros((len(values), self.p))
        rows[:, self.order] = values
        return rows

    def constant(self):
        row = np.zeros((1, self.p))
        row[:, self.order] = 1 / math.sqrt(self.n)
        return row

    def norms(self, table):
        """Norm by frequency, from a table (p, width)."""
        return np.array([np.linalg.norm(self.rows(k) @ table) for k in range(1, self.largest + 1)])

    def directions(self, k):
        """cos and sin of k times the label's angle over the block, length 1: (1 or 2, pairs)."""
        rows = self.rows(k)[:, self.labels[self.block]]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def terms(self, k):
        """The products of {const, cos k, sin k} of a and of b over the block: (9 or 4, pairs)."""
        rows = np.concatenate([self.constant(), self.rows(k)])
        a, b = self.a[self.block], self.b[self.block]
        return np.array([f[a] * g[b] for f in rows for g in rows])

    def distance(self):
        """What a pizza's strength depends on: a − b for addition, a + b for subtraction."""
        a, b = self.place[self.a[self.block]], self.place[self.b[self.block]]
        return (self.signs[0] * a - self.signs[1] * b) % self.n


# ---- the model ----


class Model:
    """The forward pass at '=' over all pairs, with parts that can be taken out."""

    def __init__(self, weights, p):
        self.p = p
        short = {name.split(".")[-1]: value for name, value in weights.items()}
        for name, value in short.items():
            if name.startswith(("W_", "b_")):
                setattr(self, name, value.astype(np.float64))
        self.heads, self.d_head = self.W_Q.shape[0], self.W_Q.shape[2]
        self.W_L = self.W_out @ self.W_U
        self.a, self.b = np.divmod(np.arange(p * p), p)
        self.run()

    def run(self):
        p = self.p
        x = np.stack([
            self.W_E[self.a] + self.W_pos[0],
            self.W_E[self.b] + self.W_pos[1],
            np.broadcast_to(self.W_E[p] + self.W_pos[2], (p * p, self.W_E.shape[1])),
        ], axis=1)
        q = np.einsum("nd,hde->nhe", x[:, 2], self.W_Q) + self.b_Q
        k = np.einsum("ntd,hde->nhte", x, self.W_K) + self.b_K[:, None]
        v = np.einsum("ntd,hde->nhte", x, self.W_V) + self.b_V[:, None]
        scores = np.einsum("nhe,nhte->nht", q, k) / math.sqrt(self.d_head)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        self.x, self.v = x, v
        self.attention = scores / scores.sum(-1, keepdims=True)
        self.by_head = self.head_outputs(self.attention)
        self.mid = self.middle(self.by_head)
        self.pre = self.mid @ self.W_in + self.b_in
        self.post = np.maximum(self.pre, 0)
        self.logits = self.read(self.mid, self.post)

    def head_outputs(self, attention):
        return np.einsum("nht,nhte,hed->nhd", attention, self.v, self.W_O)

    def middle(self, by_head):
        return self.x[:, 2] + by_head.sum(1) + self.b_O

    def read(self, mid, post):
        return (mid + post @ self.W_out + self.b_out) @ self.W_U + self.b_U

    def after(self, mid):
        """Logits from the residual stream after attention."""
        return self.read(mid, np.maximum(mid @ self.W_in + self.b_in, 0))


def cross_entropy(logits, labels):
    """Each row's −log softmax at its label; the label stays out of the sum."""
    own = np.take_along_axis(logits, labels[:, None], 1)
    above = logits - own
    np.put_along_axis(above, labels[:, None], -np.inf, 1)
    top = np.maximum(above.max(1), 0)
    others = np.exp(above - top[:, None]).sum(1)
    return np.where(top > 0, top + np.log(others + np.exp(-top)), np.log1p(others))


def gini(values):
    c = np.sort(values)
    n = len(c)
    return 1 - 2 * np.sum(c / c.sum() * (n - np.arange(1, n + 1) + 0.5)) / n


def centred(table):
    return table - table.mean(0)


def explained(table, directions):
    """Share of each column's centred variance along orthonormal directions; 0 of a constant column."""
    energy, total = ((directions @ table) ** 2).sum(0), (centred(table) ** 2).sum(0)
    alive = total > 1e-12 * (table**2).sum(0)
    return np.where(alive, energy / np.where(alive, total, 1), 0.0), alive


def project(table, directions):
    return directions.T @ (directions @ table)


# ---- the measures, by analysis ----


def fourier_sparsity(t, m):
    norms = {"W_E": t.norms(m.W_E[: t.p]), "W_U": t.norms(m.W_U.T), "W_L": t.norms(m.W_L.T)}
    for name, x in norms.items():
        yield f"{name} gini", gini(x)
        yield f"{name} effective number", (x**2).sum() ** 2 / (x**4).sum()
    every = np.concatenate([t.directions(k) for k in range(1, t.largest + 1)])
    block = m.logits[t.block]
    yield "logits explained", ((every @ block) ** 2).sum() / (centred(block) ** 2).sum()


def best_fractions(t, m):
    """Each neuron's best frequency and its fraction, of the terms without the constant."""
    post = m.post[t.block]
    shares = [explained(post, t.terms(k)[1:])[0] for k in range(1, t.largest + 1)]
    return np.argmax(shares, 0) + 1, np.max(shares, 0)


def neuron_clustering(t, m):
    best, fraction = best_fractions(t, m)
    yield "mean fraction", fraction.mean()
    clustered = fraction >= 0.85
    yield "neurons in clusters", clustered.sum()
    labels, logits, post = t.labels[t.block], m.logits[t.block], m.post[t.block]
    yield "loss", cross_entropy(logits, labels).mean()
    clean = post[:, ~clustered] @ m.W_L[~clustered]
    for k in sorted(set(best[clustered])):
        of_k = clustered & (best == k)
        clean += project(post[:, of_k], t.terms(k)) @ m.W_L[of_k]
    clean += (logits - clean).mean(0)
    yield "clean-neuron loss", cross_entropy(clean, labels).mean()


def commutativity(t, m):
    swap = t.b * t.p + t.a
    both = (t.labels >= 0) & (t.labels[swap] >= 0)
    for name, table in [("neuron", m.post), ("logit", m.logits)]:
        apart = (table - table[swap])[both]
        yield f"{name} asymmetry", (apart**2).sum() / (table[both] ** 2).sum()
    for h in range(m.heads):
        apart = m.attention[both, h, 0] - m.attention[both, h, 1]
        yield f"absolute attention difference head {h}", np.abs(apart).mean()
    u, v = m.W_pos[:2]
    norms = np.linalg.norm(u) * np.linalg.norm(v)
    yield "W_pos cosine", u @ v / norms
    yield "W_pos difference", ((u - v) ** 2).sum() / norms


def key_frequencies(t, m):
    norms = t.norms(m.W_L.T)
    return np.flatnonzero(norms > norms.max() / 4) + 1


def progress_measures(t, m):
    keys = key_frequencies(t, m)
    yield "key frequencies", len(keys)
    yield "gini, W_E", gini(t.norms(m.W_E[: t.p]))
    yield "gini, W_L", gini(t.norms(m.W_L.T))
    labels, logits, post = t.labels[t.block], m.logits[t.block], m.post[t.block]
    along = np.concatenate([t.directions(k) for k in keys])
    train, test = np.isin(t.block, t.train), np.isin(t.block, t.test)
    loss = lambda logits, rows: cross_entropy(logits[rows], labels[rows]).mean()
    everything = np.ones(len(labels), bool)
    of_logits, of_neurons = project(logits, along), project(post, along) @ m.W_L
    yield "trig loss", loss(of_logits + logits.mean(0), everything)
    yield "restricted loss", loss(of_neurons + logits.mean(0), test)
    yield "excluded loss", loss(logits - of_logits, train)
    yield "excluded loss, neurons", loss(logits - of_neurons, train)
    yield "train loss, block", loss(logits, train)
    yield "test loss, block", loss(logits, test)
    for name, table in [("pre", m.pre[t.block]), ("post", post), ("logits", logits)]:
        share, alive = explained(table, along)
        yield f"trig ratio, {name}", share[alive].mean()
    approximation = np.zeros_like(logits)
    for k in keys:
        angle = 2 * np.pi * k * (t.place[labels][:, None] - t.place[None, :]) / t.n
        cube = np.where(t.place >= 0, np.cos(angle), 0)
        cube /= np.linalg.norm(cube)
        approximation += (logits * cube).sum() * cube
    group = logits[:, t.order]
    yield "cube residual", np.linalg.norm(group - approximation[:, t.order]) / np.linalg.norm(group)
    yield "cube loss", loss(approximation, everything)


def effective_weights(t, m):
    defined = t.labels >= 0
    keys = key_frequencies(t, m)
    shares = lambda table: t.norms(table) ** 2 / (t.norms(table) ** 2).sum()
    by_neuron = np.zeros(t.largest)
    for h in range(m.heads):
        for i, to in enumerate("ab="):
            yield f"attention to {to}, head {h}", m.attention[defined, h, i].mean()
        query = (m.W_E[t.p] + m.W_pos[2]) @ m.W_Q[h] + m.b_Q[h]
        scores = m.W_E[: t.p] @ m.W_K[h] @ query / math.sqrt(m.d_head)
        yield f"W_attn fraction, head {h}", shares(scores[:, None]).max()
        neurons = m.W_E[: t.p] @ m.W_V[h] @ m.W_O[h] @ m.W_in
        yield f"W_neur fraction, head {h}", shares(neurons).max()
        by_neuron += t.norms(neurons) ** 2
    yield "W_neur in keys", by_neuron[keys - 1].sum() / by_neuron.sum()
    yield "W_L in keys", shares(m.W_L.T)[keys - 1].sum()


def logit_directions(t, m):
    keys = key_frequencies(t, m)
    neurons, logits, labels = m.post[t.block] @ m.W_L, m.logits[t.block], t.labels[t.block]
    by_kind = [[], []]
    for k in keys:
        for i, (row, along) in enumerate(zip(t.rows(k), t.directions(k))):
            said = neurons @ row
            by_kind[i].append((along @ said) ** 2 / (centred(said) ** 2).sum())
    for name, values in zip("uv", by_kind):
        yield f"{name} explained", np.mean(values)
    along = np.concatenate([t.directions(k) for k in keys])
    part, mean = project(logits, along), logits.mean(0)
    yield "logits explained", (part**2).sum() / (centred(logits) ** 2).sum()
    loss = lambda logits: cross_entropy(logits, labels).mean()
    yield "keep directions", loss(part + mean)
    yield "drop directions", loss(logits - part)
    one = np.full((1, len(labels)), 1 / math.sqrt(len(labels)))
    terms = np.concatenate([one] + [t.terms(k)[1:] for k in keys])
    yield "keep terms", loss(project(logits, terms))
    columns = np.concatenate([t.rows(k) for k in keys]) @ m.W_L.T
    q = np.linalg.qr(columns.T)[0]
    through = m.post[t.block] @ q @ (q.T @ m.W_L)
    yield "keep W_L directions", loss(logits - (neurons - through))
    yield "null space", loss(logits - through)
    total = (m.W_L**2).sum()
    inside = sum((t.norms(m.W_L.T)[k - 1]) ** 2 for k in keys)
    yield "residual", math.sqrt((total - inside) / total)


def singular_values(t, m):
    matrices = {"W_E": m.W_E[: t.p], "W_U": m.W_U, "W_in": m.W_in, "W_out": m.W_out, "W_L": m.W_L}
    for h in range(m.heads):
        matrices[f"W_OV head {h}"] = m.W_V[h] @ m.W_O[h]
    for name, matrix in matrices.items():
        values = np.linalg.svd(matrix, compute_uv=False)
        # Beyond the rank a product of f32 leaves rounding, which has no part in the entropy.
        values = values[values > 1e-9 * values[0]]
        share = values / values.sum()
        yield f"largest {name}", values[0]
        if not name.startswith(("W_OV", "W_L")):
            yield f"effective rank {name}", math.exp(-(share * np.log(share)).sum())


def quadratic_fit(t, m):
    best, fraction = best_fractions(t, m)
    post, labels = m.post[t.block], t.labels[t.block]
    alive = (centred(post) ** 2).sum(0) > 1e-12 * (post**2).sum(0)
    yield "r2", fraction[alive].mean()
    replaced = post.copy()
    for k in sorted(set(best[alive])):
        of_k = alive & (best == k)
        replaced[:, of_k] = project(post[:, of_k], t.terms(k))
    logits = m.logits[t.block] + (replaced - post) @ m.W_L
    yield "loss of polynomials", cross_entropy(logits, labels).mean()


def interventions(t, m):
    defined = t.labels >= 0
    mean = lambda table: np.broadcast_to(table[defined].mean(0), table.shape)
    found = {"none": m.logits}
    for h in range(m.heads):
        for name, value in [("zero", 0), ("mean", mean(m.by_head)[:, h])]:
            by_head = m.by_head.copy()
            by_head[:, h] = value
            found[f"head {h} {name}"] = m.after(m.middle(by_head))
    found["all heads zero"] = m.after(m.middle(np.zeros_like(m.by_head)))
    found["all heads mean"] = m.after(m.middle(mean(m.by_head)))
    found["mean attention"] = m.after(m.middle(m.head_outputs(mean(m.attention))))
    found["mlp zero"] = m.read(m.mid, np.zeros_like(m.post))
    found["mlp mean"] = m.read(m.mid, mean(m.post))
    found["skip attention zero"] = m.after(m.mid - m.x[:, 2])
    found["skip mlp zero"] = m.read(np.zeros_like(m.mid), m.post)
    found["skip mlp mean"] = m.read(mean(m.mid), m.post)
    for name, logits in found.items():
        for split, rows in [("train", t.train), ("test", t.test)]:
            yield f"{split} loss, {name}", cross_entropy(logits[rows], t.labels[rows]).mean()


def split_mix(seed):
    """SplitMix64, which draws the questions of gradient symmetricity."""
    mask, state = (1 << 64) - 1, seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def gradients(m, pair, c):
    """The gradient of logit c for what is embedded at a and at b: back through 2.4, step by step."""
    g_mid = m.W_U[:, c] + m.W_in @ ((m.pre[pair] > 0) * (m.W_out @ m.W_U[:, c]))
    out = np.zeros((2, len(g_mid)))
    for h in range(m.heads):
        g_z = m.W_O[h] @ g_mid
        attention = m.attention[pair, h]
        g_attention = m.v[pair, h] @ g_z
        g_scores = attention * (g_attention - attention @ g_attention)
        query = m.x[pair, 2] @ m.W_Q[h] + m.b_Q[h]
        for i in (0, 1):
            out[i] += attention[i] * (m.W_V[h] @ g_z)
            out[i] += g_scores[i] * (m.W_K[h] @ query) / math.sqrt(m.d_head)
    return out


def clock_or_pizza(t, m):
    defined, draw = np.flatnonzero(t.labels >= 0), split_mix(0)
    cosines = []
    for _ in range(100):
        pair = defined[next(draw) % len(defined)]
        u, v = gradients(m, pair, next(draw) % t.p)
        cosines.append(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)))
    yield "gradient symmetricity", np.mean(cosines)
    correct, distance = m.logits[t.block, t.labels[t.block]], t.distance()
    within = [correct[distance == d].std() for d in range(t.n)]
    yield "distance irrelevance", np.mean(within) / correct.std()
    u = np.linalg.svd(centred(m.W_E[t.order]))[0][:, :4]
    power = 2 * np.abs(np.fft.fft(u, axis=0)[1 : t.n // 2 + 1]) ** 2 / t.n
    yield "circularity", np.minimum(power.max(0), 1).mean()
    norms = t.norms(m.W_E[: t.p])
    keys = [k for k in key_frequencies(t, m) if 2 * k != t.n]
    keys = sorted(keys, key=lambda k: -norms[k - 1])[:4]
    shares = []
    for k in keys:
        alone = object.__new__(Model)
        alone.__dict__.update(m.__dict__)
        alone.W_E = m.W_E.copy()
        kept = np.concatenate([t.constant(), t.rows(k)])
        alone.W_E[t.order] = project(m.W_E[: t.p], kept)[t.order]
        alone.run()
        logits = alone.logits[np.ix_(t.block, t.order)]
        logits = logits - logits.mean(1, keepdims=True)
        angle = 2 * np.pi * k / t.n
        place = t.place[t.labels[t.block]]
        clock = np.cos(angle * (place[:, None] - np.arange(t.n)))
        pizza = np.abs(np.cos(angle * t.distance() / 2))[:, None] * clock
        fit = lambda x: (logits * x).sum() ** 2 / ((logits**2).sum() * (x**2).sum())
        shares.append((fit(clock), fit(pizza)))
    if shares:
        yield "clock explained", np.mean(shares, 0)[0]
        yield "pizza explained", np.mean(shares, 0)[1]


ANALYSES = {
    "fourier-sparsity": fourier_sparsity,
    "neuron-clustering": neuron_clustering,
    "commutativity": commutativity,
    "progress-measures": progress_measures,
    "effective-weights": effective_weights,
    "logit-directions": logit_directions,
    "singular-values": singular_values,
    "quadratic-fit": quadratic_fit,
    "interventions": interventions,
    "clock-or-pizza": clock_or_pizza,
}


def asked(about):
    """The folder of the cell, the epoch, and the tolerance that the command line asks for."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--cell", help="default: the first")
    parser.add_argument("--epoch", type=int, help="default: the last checkpoint")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="relative")
    given = parser.parse_args()

    cells = sorted(path for path in (given.run / "cells").iterdir() if path.is_dir())
    cell = given.run / "cells" / given.cell if given.cell else cells[0]
    checkpoints = sorted((cell / "checkpoints").glob("*.safetensors"))
    epoch = int(checkpoints[-1].stem) if given.epoch is None else given.epoch
    return cell, epoch, given.tolerance


def main():
    cell, epoch, tolerance = asked(__doc__)
    weights = load_file(cell / "checkpoints" / f"{epoch:08}.safetensors")
    config = json.loads((cell / "config.json").read_text())["task"]
    split = load_file(cell / "split.safetensors")
    t = Task(config["operation"], config["modulus"])
    t.train, t.test = split["train_indices"], split["test_indices"]
    m = Model(weights, t.p)

    compared, wrong = 0, 0
    for name, measures in ANALYSES.items():
        file = cell / "analysis" / name / "series.parquet"
        if not file.exists():
            continue
        series = pd.read_parquet(file)
        series = series[series["epoch"] == epoch]
        if series.empty:
            continue
        for measure, want in measures(t, m):
            if measure not in series:
                print(f"MISSING {name}: {measure}")
                wrong += 1
                continue
            got, want = float(series[measure].iloc[0]), float(want)
            error = abs(got - want) / max(abs(want), 1e-300)
            agrees = error <= tolerance or (math.isnan(got) and math.isnan(want))
            print(f"{'ok     ' if agrees else 'DIFFERS'} {name}: {measure}: {got:.9g}, numpy {want:.9g}, relative {error:.1e}")
            compared += 1
            wrong += not agrees
    print(f"epoch {epoch}: {compared} measures compared, {wrong} wrong")
    return 2 if compared == 0 else int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
