"""Makes a run of weights that were trained elsewhere, by `grokrun import`.

Owns how arrays and torch tensors become files that are imported. Knows nothing of layouts: the
program recognises TransformerLens's, the paper's and others.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _safetensors
from ._run import Run
from ._run import open as open_run
from ._safetensors import Array
from ._train import call


def adopt(
    checkpoints: Mapping[int, Any],
    into: str | os.PathLike[str],
    *,
    operation: str | None = None,
    modulus: int | None = None,
    train: ArrayLike | None = None,
    fraction: float | None = None,
    data_seed: int | None = None,
    stream: str | None = None,
    activation: str | None = None,
    attention_scale: str | float | None = None,
    normalization: str | None = None,
    mask: str | None = None,
    attention_rate: float | None = None,
    heads: int | None = None,
    force: bool = False,
    progress: bool = True,
) -> Run:
    """Makes a run of weights that were trained elsewhere, so that every analysis can look at them.

    What nothing tells is taken as published, and each such thing is said by the program and kept
    in `run.cell().config["imported"]`.

    Args:
        checkpoints: for each epoch (steps taken) a state_dict, a mapping of arrays, or a model that
            has `state_dict()`. Names and shapes are TransformerLens's, or others that `grokrun
            import` recognises (doc/python.md).
        into: the folder of the new run.
        operation: what the model was trained on, `"mul"`, `"add"`, `"group S5"`, …
        modulus: only to have it checked: it follows from the shapes.
        train: (n_train,) the pairs trained on, places a·p + b; all others are tested on.
        fraction, data_seed, stream: the split, where `train` does not give it.
        activation: `"relu"`, `"gelu"`, `"gelu-tanh"`, `"silu"` or `"tanh"`.
        attention_scale: the divisor of attention scores: `"sqrt"` (√d_head), `"none"`, a number.
        normalization: `"none"`, or `"LNPre"` for layer norms without weight and bias.
        mask: `"causal"`, or `"none"` where each position sees all.
        attention_rate: the share of softmax in attention (0 to 1), of a clock-and-pizza model.
        heads: their number, where the shapes do not show it.
        force: replace another run of that name.
        progress: show what the program says.

    Raises:
        RequestError: the weights are of no model that can be imported; the message says what was
            expected and what was found.
    """
    if not checkpoints:
        raise ValueError("checkpoints is empty: expected a state_dict for at least one epoch")
    flags = {
        "--operation": operation, "--modulus": modulus, "--fraction": fraction,
        "--data-seed": data_seed, "--stream": stream, "--activation": activation,
        "--attention-scale": attention_scale, "--normalization": normalization, "--mask": mask,
        "--attention-rate": attention_rate, "--heads": heads,
    }  # fmt: skip
    options = [
        part for flag, value in flags.items() if value is not None for part in (flag, str(value))
    ]
    with tempfile.TemporaryDirectory(prefix="grokrun-") as folder:
        weights = Path(folder, "weights")
        weights.mkdir()
        for epoch, state in checkpoints.items():
            _safetensors.write(weights / f"epoch_{_step(epoch)}.safetensors", _arrays(state))
        if train is not None:
            indices = Path(folder, "train.npy")
            np.save(indices, _indices(train))
            options += ["--train-indices", str(indices)]
        if force:
            options.append("--force")
        call(
            ["import", weights, "--pattern", "epoch_{epoch}.safetensors", "--into", into, *options],
            progress,
        )
    return open_run(into)


def _step(epoch: Any) -> int:
    if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or epoch < 0:
        raise TypeError(f"{epoch!r} is no epoch: expected the steps that were taken, 0 or more")
    return int(epoch)


def _indices(train: ArrayLike) -> Array:
    indices = _array(train)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise TypeError(
            f"train is of the type {indices.dtype} and the shape {indices.shape}; expected a list "
            "of whole numbers, places a·p + b"
        )
    return indices.astype(np.int64)


def _arrays(state: Any) -> dict[str, Array]:
    """The tensors of a state_dict, or of a model, as numpy arrays."""
    if hasattr(state, "state_dict"):
        state = state.state_dict()
    if not isinstance(state, Mapping):
        raise TypeError(
            f"{type(state).__name__} is no state_dict: expected a mapping of names and tensors"
        )
    return {str(name): _array(value) for name, value in state.items()}


def _array(value: Any) -> Array:
    """A numpy array of an array, a list, or a torch tensor on any device and of any type."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            # numpy has no bfloat16; float32 holds each of its numbers.
            value = value.float()
        value = value.numpy()
    return np.asarray(value)
