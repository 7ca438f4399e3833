"""Analyses in Python: what a file of one is given.

A file is an analysis if it has a class `Analysis`. The program, which has the text of this module
inside, starts an interpreter that calls the file (`runner/host/src/python/`): NumPy is all that such
an interpreter needs, and this package need not be installed in it. Installed, the module gives the
types of the arguments, and `collected` and `example` for tests.

Knows nothing of the rest of the package.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

#: Numbers of a snapshot: float32 of weights and activations, float64 of losses. Not writable.
Array = NDArray[Any]

#: What `needs` of a file may name.
NEEDS = (
    "weights",
    "gradients",
    "attention",
    "pre-activations",
    "post-activations",
    "logits",
    "history",
)


class Task(SimpleNamespace):
    """What a cell learns, from which pairs, and its model.

    Attributes:
        cell: the cell's name.
        operation: as in the spec.
        modulus: p.
        labels: (p²,), int64, a-major; -1 where the operation is undefined.
        train, test: the pairs, as indices a·p + b.
        fraction: the share of pairs that is trained on.
        data_seed, model_seed: the seeds.
        epochs: how many the spec asks for.
        model: `d_model`, `heads`, `d_head`, `d_mlp`, `activation`, `layers`, `normalised`.
    """


class Snapshot:
    """A cell after so many steps: `epoch`, and `tensors` by name, of what the file `needs`."""

    def __init__(self, epoch: int, tensors: Mapping[str, Array]) -> None:
        self.epoch = epoch
        self.tensors = tensors

    def weight(self, name: str) -> Array:
        """A parameter by TransformerLens's name: `embed.W_E`, (p + 1, d_model), and so on."""
        return self._of("weight." + name, "weights")

    def gradient(self, name: str) -> Array:
        """The gradient of the train loss by a parameter, with the parameter's shape."""
        return self._of("gradient." + name, "gradients")

    def attention(self) -> Array:
        """Attention from '=' over the full grid, (p², heads, 3): to a, to b, to '='."""
        return self._of("attention", "attention")

    def pre(self) -> Array:
        """The inputs of the last layer of neurons over the full grid, (p², d_mlp)."""
        return self._of("pre", "pre-activations")

    def post(self) -> Array:
        """The outputs of the last layer of neurons over the full grid, (p², d_mlp)."""
        return self._of("post", "post-activations")

    def activation(self, name: str) -> Array:
        """An activation over the full grid by its hook: `blocks.1.mlp.hook_post`, (p², width)."""
        return self._of(name, "attention, pre-activations or post-activations")

    def logits(self) -> Array:
        """The logits at '=' over the full grid, (p², p)."""
        return self._of("logits", "logits")

    def history(self, name: str) -> Array:
        """A metric of all epochs so far: `train_loss`, `test_loss`, `train_accuracy`, …"""
        return self._of("history." + name, "history")

    def _of(self, name: str, need: str) -> Array:
        if name in self.tensors:
            return self.tensors[name]
        there = ", ".join(self.tensors) or "nothing"
        raise KeyError(f"no {name} is shown; it is there if `needs` has {need}; shown is {there}")


class Sink(Protocol):
    """Takes what an analysis finds."""

    def scalar(self, series: str, value: float) -> None:
        """A number of a series over epochs; may be NaN."""

    def tensor(self, name: str, value: Any) -> None:
        """Numbers with a shape, as float32; those of several snapshots are stacked."""

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Rows of values; of two with one name the later one stays."""

    def note(self, text: str) -> None:
        """A sentence for the report."""

    def figure(self, name: str, figure: Any) -> None:
        """A figure of Plotly, or a mapping with `data` and `layout`."""

    def keep(self, name: str, values: Any) -> None:
        """Keeps float32 numbers on the disk for a later call, in place of those before."""

    def kept(self, name: str) -> Array:
        """The numbers that are kept under this name; none if there are none."""


class _Checked:
    """Makes plain values of what an analysis emits."""

    def scalar(self, series: str, value: float) -> None:
        self._put("Scalar", {"series": str(series), "value": float(value)}, None)

    def tensor(self, name: str, value: Any) -> None:
        array = np.ascontiguousarray(value, dtype="<f4")
        head = {"name": str(name), "shape": list(array.shape), "count": array.size}
        self._put("Tensor", head, array)

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        plain = [[_plain(value) for value in row] for row in rows]
        head = {"name": str(name), "columns": [str(column) for column in columns], "rows": plain}
        self._put("Table", head, None)

    def note(self, text: str) -> None:
        self._put("Note", str(text), None)

    def figure(self, name: str, figure: Any) -> None:
        to_json = getattr(figure, "to_plotly_json", None)
        plain = _plain(to_json() if to_json else figure)
        self._put("Figure", {"name": str(name), "figure": plain}, None)

    def _put(self, kind: str, head: Any, array: Array | None) -> None:
        raise NotImplementedError


@dataclasses.dataclass
class Collected(_Checked):
    """A sink for tests: what was found, by name."""

    scalars: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    tensors: dict[str, list[Array]] = dataclasses.field(default_factory=dict)
    tables: dict[str, tuple[list[str], list[list[Any]]]] = dataclasses.field(default_factory=dict)
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    _kept: dict[str, Array] = dataclasses.field(default_factory=dict)

    def keep(self, name: str, values: Any) -> None:
        self._kept[name] = np.array(values, dtype="<f4").ravel()

    def kept(self, name: str) -> Array:
        return self._kept.get(name, np.empty(0, dtype="<f4"))

    def _put(self, kind: str, head: Any, array: Array | None) -> None:
        if kind == "Scalar":
            self.scalars.setdefault(head["series"], []).append(head["value"])
        elif kind == "Tensor" and array is not None:
            self.tensors.setdefault(head["name"], []).append(array)
        elif kind == "Table":
            self.tables[head["name"]] = (head["columns"], head["rows"])
        elif kind == "Figure":
            self.figures[head["name"]] = head["figure"]
        else:
            self.notes.append(head)


def collected(analysis: Any, snapshots: Iterable[Snapshot]) -> Collected:
    """Shows snapshots to an analysis, finishes it, and returns what it found."""
    out = Collected()
    for snapshot in snapshots:
        analysis.observe(snapshot, out)
    if hasattr(analysis, "finish"):
        analysis.finish(out)
    return out


def example(modulus: int = 13, seed: int = 0, epoch: int = 0) -> tuple[Task, Snapshot]:
    """Addition by a one-layer transformer with normal random weights (d_model 32): for tests."""
    rng, p = np.random.default_rng(seed), modulus
    d_model, heads, d_head, d_mlp = 32, 4, 8, 128
    shapes = {
        "embed.W_E": (p + 1, d_model),
        "pos_embed.W_pos": (3, d_model),
        "blocks.0.attn.W_Q": (heads, d_model, d_head),
        "blocks.0.attn.W_K": (heads, d_model, d_head),
        "blocks.0.attn.W_V": (heads, d_model, d_head),
        "blocks.0.attn.W_O": (heads, d_head, d_model),
        "blocks.0.mlp.W_in": (d_model, d_mlp),
        "blocks.0.mlp.b_in": (d_mlp,),
        "blocks.0.mlp.W_out": (d_mlp, d_model),
        "blocks.0.mlp.b_out": (d_model,),
        "unembed.W_U": (d_model, p),
    }
    random = {f"weight.{n}": rng.standard_normal(s, dtype=np.float32) for n, s in shapes.items()}
    pairs = rng.permutation(p * p)
    model = SimpleNamespace(
        d_model=d_model, heads=heads, d_head=d_head, d_mlp=d_mlp, activation="relu",
        layers=["blocks.0.mlp"], normalised=False,
    )  # fmt: skip
    task = Task(
        cell="example", operation="add", modulus=p, fraction=0.3,
        labels=np.add.outer(np.arange(p), np.arange(p)).ravel() % p,
        train=pairs[: p * p * 3 // 10], test=pairs[p * p * 3 // 10 :],
        data_seed=0, model_seed=seed, epochs=1000, model=model,
    )  # fmt: skip
    return task, Snapshot(epoch, random)


def _plain(value: Any) -> Any:
    """The value as JSON has it; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{type(value).__name__} is no type of a value in a table or a figure")
