"""Computes the newer measures of a stored checkpoint again, with numpy, and compares with the findings.

    python3 check_new_measures.py RUN [--cell CELL] [--epoch EPOCH] [--tolerance 1e-4]

Reads RUN/cells/CELL: config.json (task and model), split.safetensors, the checkpoint, and the findings of
each analysis that is there: series, tensors, tables, and the parameters of the analysis. Everything is
computed from the weights in f64 by the formulas of doc/definitions.md and doc/model.md. The forward and
the backward pass are written out here, and a Hessian is made of differences of this gradient. The script
knows nothing of how grokrun computes.

Two kinds of run: `add` or `sub` modulo p, and the groups S3 and S4. Models: a transformer of one layer
without norms, and an MLP of one hidden layer. Loss: the cross-entropy, in f64 or f32. With ReLU there is
no Hessian to compare, and `curvature` and `local-learning-coefficient` are left out.

Prints a line a measure. Most must agree to the tolerance. What grokrun draws at random is compared with
the exact number, or with draws of this script, to four standard errors; those lines say "within". Exit
status: 0 all agree, 1 one differs, 2 there was nothing to compare.
Needs numpy, pandas with pyarrow, and safetensors.
"""

import functools
import itertools
import json
import math
import sys

import numpy as np
import pandas as pd
from check_measures import asked
from safetensors.numpy import load_file


# ---- the task ----


class Cyclic:
    """a + b or a − b modulo p. The place of a residue is the residue itself."""

    def __init__(self, operation, p):
        self.n, self.sign = p, {"add": 1, "sub": -1}[operation]
        a, b = np.divmod(np.arange(p * p), p)
        self.labels = (a + self.sign * b) % p


class Symmetric:
    """S3 or S4: permutations in lexicographic order of their one-line notation; gh is g, then h."""

    def __init__(self, degree):
        elements = list(itertools.permutations(range(degree)))
        number = {element: i for i, element in enumerate(elements)}
        self.n = len(elements)
        self.table = np.array(
            [[number[tuple(h[g[x]] for x in range(degree))] for h in elements] for g in elements]
        )
        self.inverse = np.argmax(self.table == 0, axis=1)
        self.labels = self.table.reshape(-1)
        fixed = np.array([sum(g[x] == x for x in range(degree)) for g in elements])
        sign = np.array([
            (-1) ** sum(g[x] > g[y] for x in range(degree) for y in range(x + 1, degree)) for g in elements
        ])
        self.characters = {"sign": sign, "standard": fixed - 1}
        if degree == 4:
            # The kernel of the 2-dimensional representation has the double transpositions.
            two = np.where(sign < 0, 0, np.where(fixed == 1, -1, 2))
            self.characters.update({"std⊗sign": (fixed - 1) * sign, "2d": two})

    def projection(self, name):
        """The matrix (n, n) that projects functions on the matrix entries of a representation."""
        character = self.characters[name]
        return character[0] / self.n * character[self.table[:, self.inverse]]

    def closure(self, generators):
        found = {0} | set(generators)
        while True:
            more = {int(self.table[g, h]) for g in found for h in found}
            if more <= found:
                return frozenset(found)
            found |= more

    def subgroups(self):
        """All subgroups but the trivial one and the group: joins of cyclic ones."""
        cyclic = {self.closure([g]) for g in range(self.n)}
        found, new = set(cyclic), set(cyclic)
        while new:
            new = {self.closure(h | c) for h in new for c in cyclic} - found
            found |= new
        return [sorted(h) for h in found if 1 < len(h) < self.n]


# ---- the model ----


def gelu(x):
    below = (1 + np.array([math.erf(y) for y in (x / math.sqrt(2)).flat]).reshape(x.shape)) / 2
    return x * below, below + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


ACTIVATIONS = {  # each returns its value and its slope
    "relu": lambda x: (np.maximum(x, 0), (x > 0).astype(float)),
    "quadratic": lambda x: (x * x, 2 * x),
    "tanh": lambda x: (np.tanh(x), 1 - np.tanh(x) ** 2),
    "gelu": gelu,
}


class Transformer:
    """Logits at '=' of [a, b, '='], and the way back. Names are those of the checkpoint, without folders."""

    def __init__(self, weights, model, n):
        self.activation, self.kinks = ACTIVATIONS[model["activation"]], model["activation"] == "relu"
        self.n = n
        self.full = {name.split(".")[-1]: name for name in weights}
        self.w = {name.split(".")[-1]: value for name, value in weights.items()}
        biases = {"trained": ["b_in", "b_out"], "all": [name for name in self.w if name.startswith("b_")]}
        self.trained = [name for name in self.w if name.startswith("W_")] + biases.get(model["biases"], [])

    def embedding(self):
        return self.w["W_E"][: self.n]

    def to_classes(self):
        return self.w["W_out"] @ self.w["W_U"]

    def forward(self, w, pairs):
        a, b = np.divmod(pairs, self.n)
        tokens = np.stack([a, b, np.full_like(a, self.n)], axis=1)
        x = w["W_E"][tokens] + w["W_pos"]
        q = by_head(x[:, 2], w, "Q")
        k, v = by_head(x, w, "K"), by_head(x, w, "V")
        scores = (q[:, None] * k).sum(-1) / math.sqrt(q.shape[-1])
        attention = np.exp(scores - scores.max(1, keepdims=True))
        attention /= attention.sum(1, keepdims=True)
        z = (attention[..., None] * v).sum(1)
        mid = x[:, 2] + heads_together(z) @ np.concatenate(w["W_O"]) + w.get("b_O", 0)
        pre = mid @ w["W_in"] + w.get("b_in", 0)
        post, slope = self.activation(pre)
        end = mid + post @ w["W_out"] + w.get("b_out", 0)
        logits = end @ w["W_U"] + w.get("b_U", 0)
        return {"tokens": tokens, "x": x, "q": q, "k": k, "v": v, "attention": attention, "z": z,
                "mid": mid, "pre": pre, "slope": slope, "post": post, "end": end, "logits": logits}

    def backward(self, w, s, g):
        """The gradient by each weight; g is that by the logits."""
        d = {"W_U": s["end"].T @ g, "b_U": g.sum(0)}
        to_end = g @ w["W_U"].T
        d["W_out"], d["b_out"] = s["post"].T @ to_end, to_end.sum(0)
        to_pre = to_end @ w["W_out"].T * s["slope"]
        d["W_in"], d["b_in"] = s["mid"].T @ to_pre, to_pre.sum(0)
        to_mid = to_end + to_pre @ w["W_in"].T
        d["W_O"] = (heads_together(s["z"]).T @ to_mid).reshape(w["W_O"].shape)
        d["b_O"] = to_mid.sum(0)
        to_z = (to_mid @ np.concatenate(w["W_O"]).T).reshape(s["z"].shape)
        to_attention = (to_z[:, None] * s["v"]).sum(-1)
        mean = (s["attention"] * to_attention).sum(1, keepdims=True)
        to_scores = s["attention"] * (to_attention - mean) / math.sqrt(s["q"].shape[-1])
        to_q = (to_scores[..., None] * s["k"]).sum(1)
        to_k = to_scores[..., None] * s["q"][:, None]
        to_v = s["attention"][..., None] * to_z[:, None]
        to_x = np.zeros_like(s["x"])
        to_x[:, 2] = to_mid
        for name, x, to, add_to in [
            ("Q", s["x"][:, 2], to_q, to_x[:, 2]),
            ("K", s["x"], to_k, to_x),
            ("V", s["x"], to_v, to_x),
        ]:
            flat = to.reshape(-1, *to.shape[-2:])
            inputs = x.reshape(len(flat), -1)
            for_weight = (inputs.T @ heads_together(flat)).reshape(-1, *to.shape[-2:])
            d["W_" + name], d["b_" + name] = for_weight.transpose(1, 0, 2), flat.sum(0)
            add_to += heads_together(to) @ side_by_side(w["W_" + name]).T
        d["W_pos"] = to_x.sum(0)
        d["W_E"] = np.eye(self.n + 1)[:, s["tokens"].reshape(-1)] @ to_x.reshape(-1, to_x.shape[2])
        return d


def side_by_side(weight):
    """(heads, d_model, d_head) as one matrix (d_model, heads · d_head)."""
    return np.concatenate(weight, axis=1)


def heads_together(x):
    """(…, heads, d_head) as (…, heads · d_head)."""
    return x.reshape(*x.shape[:-2], -1)


def by_head(x, w, name):
    """Queries, keys or values: (…, heads, d_head)."""
    weight = w["W_" + name]
    product = x @ side_by_side(weight)
    return product.reshape(*x.shape[:-1], len(weight), -1) + w.get("b_" + name, 0)


class Mlp:
    """One layer of neurons on two operands: one-hot vectors, or embeddings side by side or added."""

    def __init__(self, weights, model, n):
        self.activation, self.kinks = ACTIVATIONS[model["activation"]], model["activation"] == "relu"
        self.n, self.input = n, model["input"]
        self.w, self.full = dict(weights), {name: name for name in weights}
        self.trained = [name for name in weights if not name.endswith(".b") or model["biases"] != "frozen"]
        shared = "embed.W_E" in weights
        self.tables = ["embed.W_E"] * 2 if shared else ["embed.0.W_E", "embed.1.W_E"]

    def embedding(self):
        """That of both operands side by side, where each has its own."""
        if self.input == "two-hot":
            return np.concatenate(np.split(self.w["layers.0.W"], 2), axis=1)
        if self.tables[0] == self.tables[1]:
            return self.w[self.tables[0]]
        return np.concatenate([self.w[name] for name in self.tables], axis=1)

    def to_classes(self):
        return self.w["layers.1.W"]

    def forward(self, w, pairs):
        a, b = np.divmod(pairs, self.n)
        if self.input == "two-hot":
            x = np.concatenate([np.eye(self.n)[a], np.eye(self.n)[b]], axis=1)
        else:
            of_a, of_b = w[self.tables[0]][a], w[self.tables[1]][b]
            x = of_a + of_b if self.input == "embedding-sum" else np.concatenate([of_a, of_b], axis=1)
        pre = x @ w["layers.0.W"] + w.get("layers.0.b", 0)
        post, slope = self.activation(pre)
        logits = post @ w["layers.1.W"] + w.get("layers.1.b", 0)
        return {"a": a, "b": b, "x": x, "pre": pre, "slope": slope, "post": post, "logits": logits}

    def backward(self, w, s, g):
        d = {"layers.1.W": s["post"].T @ g, "layers.1.b": g.sum(0)}
        to_pre = g @ w["layers.1.W"].T * s["slope"]
        d["layers.0.W"], d["layers.0.b"] = s["x"].T @ to_pre, to_pre.sum(0)
        if self.input != "two-hot":
            to_x = to_pre @ w["layers.0.W"].T
            both = [to_x, to_x] if self.input == "embedding-sum" else np.split(to_x, 2, axis=1)
            for name, tokens, part in zip(self.tables, (s["a"], s["b"]), both):
                d.setdefault(name, np.zeros_like(w[name]))
                d[name] += np.eye(self.n)[:, tokens] @ part
        return d


class Trained:
    """A model with its task and split: activations over all pairs, and the train loss at any weights."""

    def __init__(self, model, task, split, precision):
        self.model, self.task, self.precision = model, task, precision
        self.train, self.test = split["train_indices"], split["test_indices"]
        self.all = model.forward(model.w, np.arange(task.n**2))
        self.start = np.concatenate([model.w[name].reshape(-1) for name in model.trained])

    def split(self, vector):
        """Each trained weight's part of a vector, in its own shape."""
        found, at = {}, 0
        for name in self.model.trained:
            shape = self.model.w[name].shape
            found[name] = vector[at : at + math.prod(shape)].reshape(shape)
            at += math.prod(shape)
        return found

    def loss(self, vector):
        w = {**self.model.w, **self.split(vector)}
        logits = self.model.forward(w, self.train)["logits"]
        return cross_entropy(logits, self.task.labels[self.train]).mean()

    def loss_and_gradient(self, vector):
        """The mean train loss, without weight decay, and its gradient by all trained weights."""
        w = {**self.model.w, **self.split(vector)}
        state, labels = self.model.forward(w, self.train), self.task.labels[self.train]
        g = np.exp(state["logits"] - state["logits"].max(1, keepdims=True))
        g /= g.sum(1, keepdims=True)
        g[np.arange(len(g)), labels] -= 1
        d = self.model.backward(w, state, g / len(g))
        gradient = np.concatenate([d[name].reshape(-1) for name in self.model.trained])
        return cross_entropy(state["logits"], labels).mean(), gradient

    @functools.cached_property
    def hessian(self):
        """By central differences of the gradient, along each weight alone."""
        rows, step = [], 1e-5
        for along in step * np.eye(len(self.start)):
            ahead, behind = (self.loss_and_gradient(self.start + sign * along)[1] for sign in (1, -1))
            rows.append((ahead - behind) / (2 * step))
        return (np.array(rows) + np.array(rows).T) / 2

    @functools.cached_property
    def eigenvalues(self):
        return np.linalg.eigvalsh(self.hessian)


def cross_entropy(logits, labels):
    below = logits - logits.max(1, keepdims=True)
    return np.log(np.exp(below).sum(1)) - below[np.arange(len(labels)), labels]


# ---- the measures, by analysis: a name, the number or the tensor, and bounds that are wider ----


def around(number, spread):
    return number, number - spread, number + spread


def cosine_and_sine(n):
    """Rows cos k, sin k of length 1 for each frequency k; the alternating one of an even n has no sine."""
    rows = {}
    for k in range(1, n // 2 + 1):
        angle = 2 * np.pi * k * np.arange(n) / n
        if 2 * k == n:
            rows[k] = np.array([np.cos(angle) / math.sqrt(n)])
        else:
            rows[k] = np.array([np.cos(angle), np.sin(angle)]) * math.sqrt(2 / n)
    return rows


def by_operand(m):
    """The neurons' inputs as functions of a (mean over b) and of b (mean over a): (n, neurons) each."""
    pre = m.all["pre"].reshape(m.task.n, m.task.n, -1)
    return pre.mean(1), pre.mean(0)


def phase_relation(m, found):
    n, rows = m.task.n, cosine_and_sine(m.task.n)
    of_a, of_b = by_operand(m)
    out = m.model.to_classes()
    energy = np.array([((rows[k] @ of_a) ** 2).sum(0) + ((rows[k] @ of_b) ** 2).sum(0) for k in rows])
    of_out = np.array([((rows[k] @ out.T) ** 2).sum(0) for k in rows])
    frequency, share = energy.argmax(0) + 1, energy.max(0) / energy.sum(0)
    has_sine = 2 * frequency != n
    phases = np.full((len(share), 3), np.nan)
    for i in np.flatnonzero(has_sine):
        for j, wave in enumerate((of_a[:, i], of_b[:, i], out[i])):
            cosine, sine = rows[frequency[i]] @ wave
            phases[i, j] = math.atan2(-sine, cosine)
    wrapped = lambda x: (x + np.pi) % (2 * np.pi) - np.pi
    deviation = wrapped(phases[:, 2] - (phases[:, 0] + m.task.sign * phases[:, 1]))
    counts = has_sine & (share >= found.parameters["threshold"])
    yield "neurons", counts.sum()
    yield "deviation", np.abs(deviation[counts]).mean()
    yield "resultant", np.abs(np.exp(1j * deviation[counts]).mean())
    yield "operands apart", np.abs(wrapped(phases[:, 0] - phases[:, 1])[counts]).mean()
    yield "frequencies agree", (of_out.argmax(0) + 1 == frequency)[counts].mean()
    yield "tensor frequency", frequency
    yield "tensor share", share
    yield "tensor phases", phases
    yield "tensor deviation", deviation


def circulant(m, found):
    n, (of_a, of_b) = m.task.n, by_operand(m)
    product = (of_a - of_a.mean(0)) @ (of_b - of_b.mean(0)).T
    places = np.arange(n)
    for name, sign in [("differences", 1), ("sums", -1)]:
        left = 0
        for j in places:
            along = product[places, (j + sign * places) % n]
            left += ((along - along.mean()) ** 2).sum()
        yield f"deviation, {name}", left / (product**2).sum()


def cosets(m, found):
    task, n = m.task, m.task.n
    if not isinstance(task, Symmetric):
        return
    operands = [f - f.mean(0) for f in by_operand(m)]
    means = []  # a matrix that replaces a function by its means over the cosets, and their number
    for subgroup in task.subgroups():
        for left in (True, False):
            mean = np.zeros((n, n))
            for g in range(n):
                coset = task.table[g, subgroup] if left else task.table[subgroup, g]
                mean[g, coset] = 1 / len(subgroup)
            means.append((mean, n // len(subgroup) - 1))
    names = [row[0] for row in found.table("representations")["rows"]]
    entries = [(task.projection(name), int(task.characters[name][0]) ** 2) for name in names]

    def best(projections):
        """What the best one leaves of each operand and neuron, as it is and by degrees of freedom."""
        plain, adjusted = [], []
        for f in operands:
            rest = np.array([((f - p @ f) ** 2).sum(0) / (f**2).sum(0) for p, _ in projections])
            scale = np.array([(n - 1) / (n - 1 - count) for _, count in projections])
            least = (rest * scale[:, None]).argmin(0)
            plain.append(rest[least, np.arange(len(least))])
            adjusted.append((rest * scale[:, None]).min(0))
        return np.array(plain), np.array(adjusted)

    within, within_adjusted = best(means)
    outside, outside_adjusted = best(entries)
    threshold = found.parameters["threshold"]
    by_coset, by_entries = (within <= threshold).all(0), (outside <= threshold).all(0)
    yield "coset alone", (by_coset & ~by_entries).sum()
    yield "representation alone", (by_entries & ~by_coset).sum()
    yield "both", (by_coset & by_entries).sum()
    yield "neither", (~by_coset & ~by_entries).sum()
    yield "within cosets", within.mean()
    yield "outside of the representation", outside.mean()
    yield "within cosets, adjusted", within_adjusted.mean()
    yield "outside of the representation, adjusted", outside_adjusted.mean()
    yield "tensor within", within
    yield "tensor rest", outside
    post = m.all["post"].reshape(n, n, -1)
    of_product = np.zeros_like(post[0])
    np.add.at(of_product, task.labels, m.all["post"] / n)
    total = ((m.all["post"] - m.all["post"].mean(0)) ** 2).sum()
    functions = {"a": post.mean(1), "b": post.mean(0), "ab": of_product}
    energies = [[n * ((p @ f) ** 2).sum() / total for f in functions.values()] for p, _ in entries]
    yield "tensor representation-shares", np.array(energies)
    for name, row in zip(names, energies):
        for argument, share in zip(functions, row):
            yield f"table representations, {name}, share of {argument}", share


def norm_path(m, found):
    squares = {name: (m.model.w[name] ** 2).sum() for name in m.model.w}
    norm = math.sqrt(sum(squares.values()))
    yield "norm", norm
    for name, square in squares.items():
        if square > 0:
            yield f"norm, {m.model.full[name]}", math.sqrt(square)
    for part, pairs in [("train", m.train), ("test", m.test)]:
        logits, labels = m.all["logits"][pairs], m.task.labels[pairs]
        size = math.sqrt(((logits - logits.mean(1, keepdims=True)) ** 2).sum(1).mean())
        others = logits.copy()
        others[np.arange(len(labels)), labels] = -np.inf
        margin = (logits[np.arange(len(labels)), labels] - others.max(1)).mean()
        yield f"logit norm, {part}", size
        yield f"margin, {part}", margin
        yield f"efficiency, {part}", size / norm
        yield f"margin by norm, {part}", margin / norm


def rqi(m, found):
    n, table = m.task.n, m.model.embedding()
    table = (table - table.mean(0)) / table.std(0)
    labels = m.task.labels.reshape(n, n)
    by_label = {}
    for i in range(n):
        for j in range(i, n):
            if labels[i, j] == labels[j, i]:
                by_label.setdefault(labels[i, j], []).append((i, j))
    squares = []
    for pairs in by_label.values():
        for (i, j), (k, l) in itertools.combinations(pairs, 2):
            squares.append(((table[i] + table[j] - table[k] - table[l]) ** 2).mean())
    if len(squares) > found.parameters["quadruples"]:
        return
    yield "rqi", (np.array(squares) < found.parameters["tolerance"]).mean()
    yield "residual", np.mean(squares) / 4


def edge(m, found):
    g, w = m.loss_and_gradient(m.start)[1], m.start
    cosine = lambda g, w: -(g * w).sum() / math.sqrt((g**2).sum() * (w**2).sum())
    yield "cosine", cosine(g, w)
    yield "gradient norm", np.linalg.norm(g)
    of_weight = m.split(g)
    for name in m.model.trained:
        # The softmax does not see b_K: its gradient is 0, and a cosine with it is rounding.
        if name != "b_K" and of_weight[name].any() and m.model.w[name].any():
            yield f"cosine, {m.model.full[name]}", cosine(of_weight[name], m.model.w[name])
    logits, labels = m.all["logits"][m.train], m.task.labels[m.train]
    losses, rounding = cross_entropy(logits, labels), 0
    if m.precision == "f32":
        low = logits.astype(np.float32)
        losses = cross_entropy(low, labels).astype(float)
        rounding = 4 * np.finfo(np.float32).eps * np.abs(logits).max()
    yield "zero loss", (losses == 0).mean()
    losses.sort()
    # Of an even number of samples the median is the upper of the middle two.
    for name, at in [("smallest", 0), ("median", len(losses) // 2), ("largest", -1)]:
        yield f"loss of a sample, {name}", *around(losses[at], rounding)


def curvature(m, found):
    if m.model.kinks:
        return
    h, values, probes = m.hessian, m.eigenvalues, found.parameters["probes"]
    yield "largest eigenvalue", values[-1]
    # vᵀ H v of random signs has the variance 2 (‖H‖² − Σ H_ii²).
    spread = math.sqrt(2 * ((h**2).sum() - (np.diag(h) ** 2).sum()) / probes)
    yield "trace", *around(np.trace(h), 4 * spread)
    # The lowest of Lanczos' values is an upper bound of the smallest eigenvalue, but for its differences.
    yield "smallest eigenvalue", values[0], values[0] - 1e-3 * values[-1], values[-1]


def local_learning_coefficient(m, found):
    if m.model.kinks:
        return
    count, p = len(m.train), found.parameters
    n_beta = p["n_beta"] or count / math.log(count)
    step = p["step"] or 0.1 / (n_beta * m.eigenvalues[-1] + p["gamma"])
    at_start = m.loss(m.start)
    yield "n beta", n_beta
    yield "loss", at_start
    # The largest eigenvalue is only known there to a residual of a hundredth, which is added to it.
    yield "step", step, 0.98 * step, step
    draw, chains = np.random.default_rng(0), []
    for _ in range(8):
        w, losses = m.start, []
        for _ in range(p["burn_in"] + p["draws"]):
            loss, gradient = m.loss_and_gradient(w)
            losses.append(loss)
            pull = n_beta * gradient + p["gamma"] * (w - m.start)
            w = w - step / 2 * pull + math.sqrt(step) * draw.standard_normal(len(w))
        losses.append(m.loss(w))
        coefficient = n_beta * (np.mean(losses[p["burn_in"] + 1 :]) - at_start)
        chains.append((coefficient, np.linalg.norm(w - m.start)))
    spread = np.std(chains, axis=0, ddof=1) * math.sqrt(1 / len(chains) + 1 / p["chains"])
    for i, name in enumerate(("coefficient", "distance")):
        yield name, *around(np.mean(chains, axis=0)[i], 4 * spread[i])


def code_length(places):
    """Bits of whole numbers by the code of Krichevsky and Trofimov, their range before them."""
    least, kinds = places.min(), places.max() - places.min() + 1
    counts = np.unique(places, return_counts=True)[1]
    bits = math.lgamma(len(places) + kinds / 2) - math.lgamma(kinds / 2)
    bits -= sum(math.lgamma(count + 0.5) - math.lgamma(0.5) for count in counts)
    gamma_code = lambda x: 2 * math.floor(math.log2(abs(x) + 1)) + 1
    header = 1 + gamma_code(least) + 1 + gamma_code(kinds)
    return header + min(bits / math.log(2), len(places) * math.log2(kinds))


def rounded(numbers, step):
    """Numbers on a grid of `step` times their root mean square, and their bits with those of the grid."""
    if not numbers.any():
        return numbers, 32
    grid = step * math.sqrt((numbers**2).mean())
    places = np.rint(numbers / grid)
    return places * grid, 32 + code_length(places.reshape(-1))


def coarse(weight, threshold, step):
    """A weight cut and rounded, its bits, and how many components are kept of how many."""
    matrix = weight.reshape(-1, weight.shape[-1])
    if min(matrix.shape) == 1:
        return *rounded(weight, step), 0, 0
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    kept = (values > threshold * values[0]).sum()
    left, right = u[:, :kept] * np.sqrt(values[:kept]), np.sqrt(values[:kept])[:, None] * v[:kept]
    if left.size + right.size < matrix.size:
        (left, bits), (right, more) = rounded(left, step), rounded(right, step)
        return (left @ right).reshape(weight.shape), bits + more, kept, len(values)
    numbers, bits = rounded(left @ right, step)
    return numbers.reshape(weight.shape), bits, kept, len(values)


def complexity(m, found):
    weights = [m.model.w[name] for name in m.model.trained]
    entropy = 0
    for weight in weights:
        if weight.ndim > 1 and weight.any():
            values = np.linalg.svd(weight.reshape(-1, weight.shape[-1]), compute_uv=False)
            share = values[values > 0] / values.sum()
            entropy -= (share * np.log(share)).sum()
    yield "spectral entropy", entropy

    most = m.loss(m.start) + found.parameters["tolerance"]
    descriptions = []
    for threshold in (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5):
        best, fine, rough = None, 1e-4, 4.0
        for i in range(found.parameters["halvings"] + 1):
            grid = math.sqrt(fine * rough) if i > 0 else fine
            parts = [coarse(weight, threshold, grid) for weight in weights]
            loss = m.loss(np.concatenate([part[0].reshape(-1) for part in parts]))
            if loss <= most:
                bits, kept, components = (sum(part[i] for part in parts) for i in (1, 2, 3))
                best, fine = (bits, threshold, grid, kept / components, loss), grid
            elif i == 0:
                break
            else:
                rough = grid
        if best:
            descriptions.append(best)
    if descriptions:
        bits, threshold, grid, rank, loss = min(descriptions)
        yield "description length", bits
        yield "bits a weight", bits / len(m.start)
        yield "threshold", threshold
        yield "grid", grid
        yield "rank", rank
        yield "loss", loss


ANALYSES = {
    "phase-relation": phase_relation,
    "circulant": circulant,
    "cosets": cosets,
    "norm-path": norm_path,
    "rqi": rqi,
    "edge": edge,
    "curvature": curvature,
    "local-learning-coefficient": local_learning_coefficient,
    "complexity": complexity,
}


class Found:
    """The findings of one analysis at one epoch."""

    def __init__(self, folder, epoch):
        self.folder, self.epoch = folder, epoch
        self.parameters = json.loads((folder / "findings.json").read_text())["parameters"]
        rows = pd.read_parquet(folder / "series.parquet")
        self.row = rows[rows["epoch"] == epoch]
        file = folder / "tensors.safetensors"
        self.tensors = load_file(file) if file.exists() else {}
        self.last = len(rows) > 0 and epoch == rows["epoch"].max()

    def series(self, name):
        return float(self.row[name].iloc[0])

    def table(self, name):
        return json.loads((self.folder / f"{name}.table.json").read_text())

    def value(self, name):
        """What the findings have by the name of a measure, or None."""
        if name.startswith("tensor "):
            name = name.removeprefix("tensor ")
            at = np.flatnonzero(self.tensors[f"{name}.epochs"] == self.epoch)
            return self.tensors[name][at[0]].astype(float) if len(at) else None
        if name.startswith("table "):
            table, first, column = name.removeprefix("table ").split(", ")
            table = self.table(table)
            row = next(row for row in table["rows"] if row[0] == first)
            return np.array(float(row[table["columns"].index(column)]))
        return np.array(self.series(name)) if name in self.row else None


def read(cell, epoch):
    config = json.loads((cell / "config.json").read_text())
    operation, model = config["task"]["operation"], config["model"]
    if operation in ("add", "sub"):
        task = Cyclic(operation, config["task"]["modulus"])
    elif operation in ("group S3", "group S4"):
        task = Symmetric(int(operation[-1]))
    else:
        sys.exit(f"{operation}: expected add, sub, group S3 or group S4")
    weights = load_file(cell / "checkpoints" / f"{epoch:08}.safetensors")
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    loss = config["train"]["loss"]
    if isinstance(loss, str):
        loss = {"kind": loss, "precision": "f64", "temperature": 1}
    known = {"layers": 1, "norm": "none", "attention": "softmax"}
    known.update({"separator": True, "tied": False, "mlp": True})
    other = [key for key, value in known.items() if model.get(key, value) != value]
    other += ["activation"] * (model["activation"] not in ACTIVATIONS)
    other += ["hidden"] * (len(model.get("hidden", [0])) != 1)
    other += ["loss"] * (loss["kind"] != "cross-entropy" or loss["temperature"] != 1)
    other += ["loss precision"] * (loss["precision"] not in ("f64", "f32"))
    other += ["label_noise"] * (config["data"]["label_noise"] != 0)
    if other:
        sys.exit(f"expected another value of {', '.join(other)}: this script does not know it")
    kind = {"transformer": Transformer, "mlp": Mlp}[model["kind"]]
    split = load_file(cell / "split.safetensors")
    return Trained(kind(weights, model, task.n), task, split, loss["precision"])


def main():
    cell, epoch, tolerance = asked(__doc__)
    m = read(cell, epoch)

    compared, wrong = 0, 0
    for name, measures in ANALYSES.items():
        folder = cell / "analysis" / name
        if not (folder / "series.parquet").exists():
            continue
        found = Found(folder, epoch)
        if found.row.empty:
            continue
        for measure, want, *bounds in measures(m, found):
            if measure.startswith("table ") and not found.last:
                continue
            got, want = found.value(measure), np.asarray(want, dtype=float)
            if got is None or got.shape != want.shape:
                print(f"MISSING {name}: {measure}")
                wrong += 1
                continue
            # Of a tensor the number that is farthest off, by the largest of all. Some are NaN in both.
            off = np.where(np.isnan(got) & np.isnan(want), 0, np.abs(got - want))
            at = np.unravel_index(np.where(np.isnan(off), np.inf, off).argmax(), want.shape)
            error = off[at] / max(np.nanmax(np.abs(want), initial=0), 1e-300)
            agrees = error <= tolerance
            within = ""
            if bounds and not agrees:
                agrees = bounds[0] <= got <= bounds[1]
                within = f", {'within' if agrees else 'not within'} {bounds[0]:.6g} to {bounds[1]:.6g}"
            print(
                f"{'ok     ' if agrees else 'DIFFERS'} {name}: {measure}: {got[at]:.9g}, "
                f"numpy {want[at]:.9g}, relative {error:.1e}{within}"
            )
            compared += 1
            wrong += not agrees
    print(f"epoch {epoch}: {compared} measures compared, {wrong} wrong")
    return 2 if compared == 0 else int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
