"""Analyses in Python: what a file of one is given.

A file is an analysis if it has a class `Analysis`. The program, which has the text of this module
inside, starts an interpreter that calls the file (`runner/host/src/python/`): NumPy is all that such
an interpreter needs, and this package need not be installed in it. Installed, the module gives the
types of the arguments, and `collected` and `example` for tests.

Knows nothing of the rest of the package.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

#: Numbers of a snapshot: float32 of weights and activations, float64 of losses. Not writable.
Array = NDArray[Any]

#: What `needs` of a file may name: names of tensors of these, or patterns of them. `*` stands for any
#: characters; a `?` at the end says that a model need not have it.
FAMILIES = (
    "weight.*",
    "grad.*",
    "loss.samples",
    "trained.*",
    "history.*",
    "*.hook_pattern",
    "*.hook_pre",
    "*.hook_post",
    "logits",
)


class Task(SimpleNamespace):
    """What a cell learns, from which pairs, and its model.

    Attributes:
        cell: the cell's name.
        operation: as in the spec.
        modulus: p.
        labels: (p²,), int64, a-major; -1 where the operation is undefined.
        structure: what the operation is made of. `kind` is `"cyclic"`, with the group's `order` and the
            `places` of the tokens, (p,), int64, -1 outside of it; `"group"`, with a `name` or None; or
            `"function"`.
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
        return self.tensor("weight." + name)

    def gradient(self, name: str) -> Array:
        """The gradient of the train loss by a trained parameter, with the parameter's shape."""
        return self.tensor("grad." + name)

    def sample_losses(self) -> Array:
        """The loss of each training sample, (train,), float64."""
        return self.tensor("loss.samples")

    def attention(self) -> Array:
        """Attention of the only layer of it, from '=' over the full grid, (p², heads, 3)."""
        only = self._ending(".hook_pattern")
        if len(only) != 1 or only[0].shape[-1] != 3:
            raise KeyError("there is no attention of a single layer on three positions")
        return only[0]

    def pre(self) -> Array:
        """The inputs of the last layer of neurons over the full grid, (p², d_mlp)."""
        return self._ending(".hook_pre")[-1]

    def post(self) -> Array:
        """The outputs of the last layer of neurons over the full grid, (p², d_mlp)."""
        return self._ending(".hook_post")[-1]

    def tensor(self, name: str) -> Array:
        """A tensor by its whole name: `blocks.1.mlp.hook_post`, (p², width), for one."""
        if name in self.tensors:
            return self.tensors[name]
        raise KeyError(f"no {name} is shown, {self._why()}")

    def logits(self) -> Array:
        """The logits at '=' over the full grid, (p², p)."""
        return self.tensor("logits")

    def history(self, name: str) -> Array:
        """A metric of all epochs so far: `train_loss`, `test_loss`, `train_accuracy`, …"""
        return self.tensor("history." + name)

    def trained(self) -> list[str]:
        """The parameters that the optimizer moves, in the order of `trained_weights`."""
        return [name.removeprefix("trained.") for name in self._trained()]

    def trained_weights(self) -> Array:
        """The trained parameters as one vector, as `Sink.train_loss` takes them."""
        return np.concatenate([self.tensors[name].ravel() for name in self._trained()])

    def _trained(self) -> list[str]:
        names = [name for name in self.tensors if name.startswith("trained.")]
        if not names:
            raise KeyError(f"no trained weights are shown, {self._why()}")
        return names

    def _ending(self, end: str) -> list[Array]:
        found = [array for name, array in self.tensors.items() if name.endswith(end)]
        if not found:
            raise KeyError(f"no *{end} is shown, {self._why()}")
        return found

    def _why(self) -> str:
        there = ", ".join(self.tensors) or "nothing"
        return f"which `needs` has to name and the model to have; shown is {there}"


@dataclasses.dataclass
class LossAt:
    """The train loss at some weights.

    Attributes:
        loss: the mean over all training samples, without weight decay.
        accuracy: the share of training samples whose largest logit is the label's.
        gradient: of the mean loss, float32, a number for each weight; empty unless asked for.
        samples: the loss of each training sample, float64; empty unless asked for.
    """

    loss: float
    accuracy: float
    gradient: Array
    samples: Array


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

    def train_loss(self, weights: Any, gradient: bool = False, samples: bool = False) -> LossAt:
        """The train loss at any weights, with what is asked for; `needs` has `trained.*`."""


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
    #: What computes the train loss, where the analysis asks for it: of weights, a `LossAt`.
    loss: Callable[[Array], LossAt] | None = None
    _kept: dict[str, Array] = dataclasses.field(default_factory=dict)

    def train_loss(self, weights: Any, gradient: bool = False, samples: bool = False) -> LossAt:
        if self.loss is None:
            raise RuntimeError("this test has no train loss; expected collected(…, loss=function)")
        found = self.loss(np.ascontiguousarray(weights, dtype="<f4").ravel())
        none: Array = np.empty(0)
        return dataclasses.replace(
            found,
            gradient=found.gradient if gradient else none,
            samples=found.samples if samples else none,
        )

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


def collected(
    analysis: Any, snapshots: Iterable[Snapshot], loss: Callable[[Array], LossAt] | None = None
) -> Collected:
    """Shows snapshots to an analysis, finishes it, and returns what it found.

    `loss` computes the train loss, with gradient and losses of samples, for an analysis that asks
    for it.
    """
    out = Collected(loss=loss)
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
        structure=SimpleNamespace(kind="cyclic", order=p, places=np.arange(p)),
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


def _known(need: str) -> bool:
    """Whether tensors may have names of this pattern."""
    name = need.removesuffix("?")
    if "?" in name or (name.startswith("trained.") and name != "trained.*"):
        return False
    return any(_meet(family, name) for family in FAMILIES)


@functools.cache
def _meet(one: str, other: str) -> bool:
    """Whether two patterns have a name in common."""
    if one.startswith("*"):
        return _meet(one[1:], other) or (other != "" and _meet(one, other[1:]))
    if other.startswith("*"):
        return _meet(other, one)
    if not (one and other):
        return one == other
    return one[0] == other[0] and _meet(one[1:], other[1:])
