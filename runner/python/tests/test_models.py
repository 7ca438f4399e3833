"""Weights as models of TransformerLens, and models from elsewhere as runs."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import grokrun as gk
from conftest import tiny

P = 13


def logits(w: dict[str, Any]) -> np.ndarray:
    """The last position's logits over the full grid, (p * p, p), in float64 by the formulas."""
    w = {name: np.asarray(x, np.float64) for name, x in w.items()}
    attn, mlp = "blocks.0.attn.", "blocks.0.mlp."
    a, b = np.divmod(np.arange(P * P), P)
    tokens = np.stack([a, b, np.full(P * P, P)], axis=1)
    x = w["embed.W_E"][tokens] + w["pos_embed.W_pos"]
    q = np.einsum("nd,hde->nhe", x[:, 2], w[attn + "W_Q"])
    k, v = (np.einsum("ntd,hde->nhte", x, w[attn + name]) for name in ("W_K", "W_V"))
    scores = np.einsum("nhe,nhte->nht", q, k) / np.sqrt(q.shape[-1])
    pattern = np.exp(scores - scores.max(-1, keepdims=True))
    pattern /= pattern.sum(-1, keepdims=True)
    mid = x[:, 2] + np.einsum("nht,nhte,hed->nd", pattern, v, w[attn + "W_O"])
    post = np.maximum(mid @ w[mlp + "W_in"] + w[mlp + "b_in"], 0.0)
    return (mid + post @ w[mlp + "W_out"] + w[mlp + "b_out"]) @ w["unembed.W_U"]


def test_the_formulas_give_the_losses_of_the_history(single: Path) -> None:
    cell = gk.open(single).cell()
    found, (_, test) = logits(cell.weights(100)), cell.split()
    right = (test // P + test % P) % P
    log = found[test] - np.log(np.exp(found[test]).sum(1, keepdims=True))
    # The test loss of an epoch is taken after its step: that of epoch 99 is of 100 steps.
    want = cell.history_table("test_loss").column("test_loss")[99].as_py()
    assert -log[np.arange(len(test)), right].mean() == pytest.approx(want, rel=1e-4)


def test_transformer_lens_computes_what_the_cell_does(single: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("transformer_lens", reason="transformer-lens is not installed")
    cell = gk.open(single).cell()
    a, b = np.divmod(np.arange(P * P), P)
    tokens = torch.tensor(np.stack([a, b, np.full(P * P, P)], axis=1))
    for epoch in (0, 200):
        model = cell.hooked_transformer(epoch)
        with torch.no_grad():
            found = model(tokens)[:, -1].numpy()
        want = logits(cell.weights(epoch))
        assert np.abs(found - want).max() < 1e-4 * max(1.0, np.abs(want).max())
    # The control: other weights are told apart.
    assert np.abs(logits(cell.weights(0)) - want).max() > 1.0


@pytest.mark.parametrize("keys", ['layers = 2\nmask = "none"', 'norm = "pre"', "mlp = false"])
def test_other_models_that_transformer_lens_has(trained, keys: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("transformer_lens", reason="transformer-lens is not installed")
    name = "".join(c for c in keys if c.isalnum())
    spec = tiny(epochs=100, every=50).replace("[train]", f"{keys}\n[train]")
    # A width of the neurons is no key of a model without them.
    spec = spec.replace("d_mlp = 64\n", "") if keys == "mlp = false" else spec
    cell = gk.open(trained(name, spec)).cell()
    _, test = cell.split()
    tokens = torch.tensor(np.stack([test // P, test % P, np.full(len(test), P)], axis=1))
    with torch.no_grad():
        found = cell.hooked_transformer(50)(tokens)[:, -1].double()
    right = torch.tensor((test // P + test % P) % P)
    loss = torch.nn.functional.cross_entropy(found, right).item()
    want = cell.history_table("test_loss").column("test_loss")[49].as_py()
    assert loss == pytest.approx(want, rel=1e-4)


def test_a_model_that_transformer_lens_does_not_have_is_said(trained) -> None:
    model = 'kind = "mlp"\nhidden = 16\n'
    spec = tiny(epochs=4, every=2).split("[model]")[0] + f"[model]\n{model}[train]\nepochs = 4\n"
    cell = gk.open(trained("mlp", spec)).cell()
    assert cell.weights()
    with pytest.raises(gk.NotThere, match="TransformerLens has no such model"):
        cell.hooked_transformer()


def states(single: Path) -> dict[int, dict[str, Any]]:
    cell = gk.open(single).cell()
    return {epoch: cell.weights(epoch) for epoch in (0, 100, 200)}


def test_weights_from_elsewhere_become_a_run(single: Path, tmp_path: Path) -> None:
    theirs = gk.open(single).cell()
    train, test = theirs.split()
    run = gk.adopt(
        states(single), tmp_path / "mine", operation="add", train=np.sort(train), progress=False
    )
    mine = run.cell()
    assert mine.checkpoints == [0, 100, 200] and mine.settings["operation"] == "add"
    for epoch in mine.checkpoints:
        for name, array in theirs.weights(epoch).items():
            assert (mine.weights(epoch)[name] == array).all(), (epoch, name)
    assert set(mine.split()[0]) == set(train) and set(mine.split()[1]) == set(test)
    assert mine.config["imported"]["notes"], "what was assumed is kept"
    # An analysis finds the same in it as in the run that it is of.
    ours = gk.analyze(single, only=["fourier-sparsity"], progress=False).cell()
    mine = gk.analyze(run, only=["fourier-sparsity"], progress=False).cell()
    want, found = (c.series_table("fourier-sparsity", "W_E gini").to_pydict() for c in (ours, mine))
    by_epoch = dict(zip(want["epoch"], want["W_E gini"], strict=True))
    assert found["W_E gini"] == pytest.approx([by_epoch[e] for e in (0, 100, 200)], rel=1e-6)


def test_state_dicts_and_models_of_torch_are_taken(single: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    cell = gk.open(single).cell()
    wrapped = {f"_orig_mod.{name}": x for name, x in cell.state_dict(100).items()}
    half = {name: x.to(torch.bfloat16) for name, x in cell.state_dict(200).items()}
    train = torch.tensor(cell.split()[0])
    run = gk.adopt({100: wrapped, 200: half}, tmp_path / "a", operation="add", train=train,
                   progress=False)  # fmt: skip
    assert (run.cell().weights(100)["embed.W_E"] == cell.weights(100)["embed.W_E"]).all()
    close = np.abs(run.cell().weights(200)["embed.W_E"] - cell.weights(200)["embed.W_E"]).max()
    assert 0 < close < 0.01
    pytest.importorskip("transformer_lens", reason="transformer-lens is not installed")
    if version("transformer-lens").startswith("4."):
        pytest.skip("TransformerLens 4 has no HookedTransformer, and its bridge other names")
    model = cell.hooked_transformer(100)
    run = gk.adopt({100: model}, tmp_path / "b", operation="add", progress=False)
    assert (run.cell().weights(100)["embed.W_E"] == cell.weights(100)["embed.W_E"]).all()


def test_what_cannot_be_adopted_is_said(single: Path, tmp_path: Path) -> None:
    into = tmp_path / "mine"
    with pytest.raises(ValueError, match="at least one epoch"):
        gk.adopt({}, into)
    with pytest.raises(TypeError, match="'last' is no epoch"):
        gk.adopt({"last": states(single)[0]}, into)
    with pytest.raises(TypeError, match="list is no state_dict"):
        gk.adopt({0: [1, 2]}, into)
    with pytest.raises(TypeError, match="places a·p"):
        gk.adopt(states(single), into, train=[0.5, 1.5])
    with pytest.raises(gk.RequestError, match="W_E"):
        gk.adopt({0: {"weight": np.zeros((3, 3), np.float32)}}, into, progress=False)
    assert not into.exists()
